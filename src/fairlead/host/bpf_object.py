"""An object file that clang has compiled for the BPF machine: its programs and maps. Pure.

An ELF file (elf(5)) with a section `cgroup/NAME` for each program, a section `maps` of structures {type, key size,
value size, most entries, flags} as libbpf's first versions had them, and a section `license`. The only relocations are
loads of a map's address. Maps said so, and not in the object's BTF, can be loaded by kernels without BTF.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass

_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_SYMBOL = struct.Struct("<IBBHQQ")
_RELOCATION = struct.Struct("<QQ")
_MAP = struct.Struct("<IIIII")
MACHINE, SYMBOLS, RELOCATIONS, R_BPF_64_64 = 247, 2, 9, 1
PROGRAM = "cgroup/"
PSEUDO_MAP_FD = 1  # in an instruction's source register: the value is the descriptor of a map


class ObjectError(Exception):
    """The file is no such object."""


@dataclass(frozen=True, slots=True)
class MapShape:
    kind: int
    key_size: int
    value_size: int
    most: int
    flags: int


@dataclass(frozen=True, slots=True)
class Program:
    """`maps`: (offset of an instruction, the map that it loads)."""

    code: bytes
    maps: tuple[tuple[int, str], ...]

    def linked(self, descriptors: Mapping[str, int]) -> bytes:
        """With the descriptors of loaded maps."""
        code = bytearray(self.code)
        for offset, name in self.maps:
            code[offset + 1] = (code[offset + 1] & 0x0F) | PSEUDO_MAP_FD << 4
            struct.pack_into("<I", code, offset + 4, descriptors[name])
        return bytes(code)


@dataclass(frozen=True, slots=True)
class BpfObject:
    programs: Mapping[str, Program]
    maps: Mapping[str, MapShape]
    license: bytes


def read(data: bytes) -> BpfObject:
    """Raises ObjectError."""
    try:
        return _read(data)
    except (struct.error, LookupError, StopIteration, ValueError, OverflowError) as error:
        raise ObjectError(f"not an object of BPF programs: {type(error).__name__} {error}") from error


def _read(data: bytes) -> BpfObject:
    magic, _, machine, *_, table = _HEADER.unpack_from(data)[:7]
    if magic[:6] != b"\x7fELF\x02\x01" or machine != MACHINE:
        raise ObjectError("not an object of BPF programs: another machine's")
    count, names_index = _HEADER.unpack_from(data)[12:14]
    headers = [_SECTION.unpack_from(data, table + index * _SECTION.size) for index in range(count)]
    bodies = [data[header[4] : header[4] + header[5]] for header in headers]
    names = [_text(bodies[names_index], header[0]) for header in headers]
    symbols_index = next(index for index, header in enumerate(headers) if header[1] == SYMBOLS)
    strings = bodies[headers[symbols_index][6]]
    symbols = [(_text(strings, each[0]), each[3], each[4]) for each in _SYMBOL.iter_unpack(bodies[symbols_index])]
    maps_index = names.index("maps") if "maps" in names else -1
    maps = {
        name: MapShape(*_MAP.unpack_from(bodies[maps_index], offset))
        for name, section, offset in symbols
        if name and section == maps_index
    }
    wanted: dict[int, list[tuple[int, str]]] = {}
    for header, body in zip(headers, bodies, strict=True):
        if header[1] != RELOCATIONS or not names[header[7]].startswith(PROGRAM):
            continue
        for offset, info in _RELOCATION.iter_unpack(body):
            name, section, _ = symbols[info >> 32]
            if info & 0xFFFFFFFF != R_BPF_64_64 or section != maps_index:
                raise ObjectError(f"{names[header[7]]} refers to {name}, which is no map")
            wanted.setdefault(header[7], []).append((offset, name))
    programs = {
        name.removeprefix(PROGRAM): Program(body, tuple(wanted.get(index, ())))
        for index, (name, body) in enumerate(zip(names, bodies, strict=True))
        if name.startswith(PROGRAM)
    }
    return BpfObject(programs, maps, bodies[names.index("license")])


def _text(table: bytes, offset: int) -> str:
    return table[offset : table.index(b"\0", offset)].decode()
