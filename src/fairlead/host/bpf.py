"""bpf(2): maps, programs, and programs of a cgroup2 folder.

Programs are attached as such, not by a link: what is attached stays when its process ends, with the maps that it uses,
as long as the folder is there. So nothing has to be pinned in a file system.
"""

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fairlead.host.bpf_object import MapShape, Program

_CALL = {"x86_64": 321, "aarch64": 280, "riscv64": 280, "ppc64le": 361, "s390x": 351}.get(platform.machine(), 0)
(MAP_CREATE, MAP_LOOKUP, MAP_UPDATE, MAP_DELETE, MAP_NEXT, PROG_LOAD) = range(6)
PROG_ATTACH, PROG_DETACH = 8, 9
PROG_BY_ID, MAP_BY_ID, INFO, PROG_QUERY = 13, 14, 15, 16
MAP_LOOKUP_BATCH, MAP_UPDATE_BATCH = 24, 26
CGROUP_SOCK_ADDR = 18
PER_CPU = (5, 10)  # hash, and hash whose oldest make room; values of whole eights of bytes
ALLOW_MULTI, REPLACE = 2, 4
ATTACH = {
    "connect4": 10,
    "connect6": 11,
    "sendmsg4": 14,
    "sendmsg6": 15,
    "recvmsg4": 19,
    "recvmsg6": 20,
    "getpeername4": 29,
    "getpeername6": 30,
}
MOST_PROGRAMS = 64  # of one hook of one folder: what the kernel allows
BATCH = 16384
LOG = 1 << 16

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long
_ELEMENT = struct.Struct("=IxxxxQQQ")


class BpfError(OSError):
    """The kernel refused."""

    def __str__(self) -> str:
        return str(self.strerror)


def _bpf(command: int, attributes: bytes) -> int:
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    result = int(_libc.syscall(_CALL, command, buffer, len(attributes)))
    if result < 0:
        number = ctypes.get_errno()
        raise BpfError(number, f"bpf({command}): {os.strerror(number)}")
    return result


def _address(buffer: "ctypes.Array[ctypes.c_char]") -> int:
    return ctypes.addressof(buffer)


class Map:
    """A map of fixed keys and values. One thread at a time: the buffers of a call are kept."""

    def __init__(self, descriptor: int, key_size: int, value_size: int) -> None:
        """`value_size`: as it is given to and taken from the kernel."""
        self.descriptor = descriptor
        self.key_size, self.value_size = key_size, value_size
        self._key = ctypes.create_string_buffer(key_size)
        self._value = ctypes.create_string_buffer(value_size)
        place = _address(self._key), _address(self._value)
        self._call = ctypes.create_string_buffer(_ELEMENT.pack(descriptor, *place, 0))
        self._delete = ctypes.create_string_buffer(_ELEMENT.pack(descriptor, place[0], 0, 0))

    @classmethod
    def create(cls, name: str, shape: MapShape) -> "Map":
        """Raises BpfError."""
        numbers = (shape.kind, shape.key_size, shape.value_size, shape.most, shape.flags, 0, 0)
        descriptor = _bpf(MAP_CREATE, struct.pack("=7I16s", *numbers, _name(name)))
        return cls(descriptor, shape.key_size, _seen_size(shape))

    def close(self) -> None:
        os.close(self.descriptor)

    def update(self, key: bytes, value: bytes) -> None:
        """Raises BpfError; E2BIG: the map is full."""
        self._key.raw, self._value.raw = key, value
        self._element(MAP_UPDATE, self._call)

    def delete(self, key: bytes) -> None:
        """One that is not there is no error."""
        self._key.raw = key
        try:
            self._element(MAP_DELETE, self._delete)
        except BpfError as error:
            if error.errno != errno.ENOENT:
                raise

    def lookup(self, key: bytes) -> bytes | None:
        self._key.raw = key
        try:
            self._element(MAP_LOOKUP, self._call)
        except BpfError as error:
            if error.errno == errno.ENOENT:
                return None
            raise
        return self._value.raw

    def _element(self, command: int, call: "ctypes.Array[ctypes.c_char]") -> None:
        if _libc.syscall(_CALL, command, call, _ELEMENT.size) < 0:
            number = ctypes.get_errno()
            raise BpfError(number, f"bpf({command}): {os.strerror(number)}")

    def fill(self, items: Iterable[tuple[bytes, bytes]]) -> None:
        """Many at a time. Raises BpfError."""
        pairs = list(items)
        for start in range(0, len(pairs), BATCH):
            part = pairs[start : start + BATCH]
            keys = ctypes.create_string_buffer(b"".join([key for key, _ in part]))
            values = ctypes.create_string_buffer(b"".join([value for _, value in part]))
            call = struct.pack("=QQQQIIQQ", 0, 0, _address(keys), _address(values), len(part), self.descriptor, 0, 0)
            _bpf(MAP_UPDATE_BATCH, call)

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """As they are while one looks."""
        before = ctypes.create_string_buffer(max(self.key_size, 4))
        keys = ctypes.create_string_buffer(BATCH * self.key_size)
        values = ctypes.create_string_buffer(BATCH * self.value_size)
        first, more = True, True
        while more:
            start = 0 if first else _address(before)
            places = (start, _address(before), _address(keys), _address(values))
            call = ctypes.create_string_buffer(struct.pack("=QQQQIIQQ", *places, BATCH, self.descriptor, 0, 0))
            if _libc.syscall(_CALL, MAP_LOOKUP_BATCH, call, len(call) - 1) < 0:
                if (number := ctypes.get_errno()) != errno.ENOENT:  # these were the last
                    raise BpfError(number, f"bpf({MAP_LOOKUP_BATCH}): {os.strerror(number)}")
                more = False
            (count,) = struct.unpack_from("=I", call, 32)
            for index in range(count):
                key, value = index * self.key_size, index * self.value_size
                yield (
                    bytes(memoryview(keys)[key : key + self.key_size]),
                    bytes(memoryview(values)[value : value + self.value_size]),
                )
            first = False


@dataclass(frozen=True, slots=True)
class MapInfo:
    id: int
    shape: MapShape
    name: str


def load_program(name: str, hook: str, program: Program, maps: dict[str, Map], license_: bytes) -> int:
    """Its descriptor. Raises BpfError with the verifier's last words."""
    code = program.linked({each: map_.descriptor for each, map_ in maps.items()})
    instructions, text = ctypes.create_string_buffer(code, len(code)), ctypes.create_string_buffer(license_)

    def call(level: int, log: "ctypes.Array[ctypes.c_char] | None") -> int:
        logged = (level, len(log) if log is not None else 0, _address(log) if log is not None else 0)
        places = (_address(instructions), _address(text))
        head = struct.pack("=IIQQIIQII", CGROUP_SOCK_ADDR, len(code) // 8, *places, *logged, 0, 0)
        return _bpf(PROG_LOAD, head + struct.pack("=16sII", _name(name), 0, ATTACH[hook]))

    try:
        return call(0, None)
    except BpfError as error:
        log = ctypes.create_string_buffer(LOG)
        try:
            return call(1, log)
        except BpfError:
            said = log.value.decode(errors="replace").strip().splitlines()
            why = " / ".join([str(error), *said[-3:]])
            raise BpfError(error.errno, f"program {hook}: {why}") from error


def attached(folder: int, hook: str) -> list[int]:
    """Ids of the programs at a hook of a cgroup2 folder (a descriptor), in their order."""
    ids = (ctypes.c_uint32 * MOST_PROGRAMS)()
    call = struct.pack("=IIIIQIxxxx", folder, ATTACH[hook], 0, 0, ctypes.addressof(ids), MOST_PROGRAMS)
    buffer = ctypes.create_string_buffer(call, len(call))
    if _libc.syscall(_CALL, PROG_QUERY, buffer, len(call)) < 0:
        number = ctypes.get_errno()
        raise BpfError(number, f"bpf({PROG_QUERY}): {os.strerror(number)}")
    (count,) = struct.unpack_from("=I", buffer, 24)
    return list(ids[:count])


def attach(folder: int, hook: str, program: int, instead: int | None) -> None:
    """At once in the place of another (a descriptor), or beside those of others."""
    flags = ALLOW_MULTI | (REPLACE if instead is not None else 0)
    _bpf(PROG_ATTACH, struct.pack("=5I", folder, program, ATTACH[hook], flags, instead or 0))


def detach(folder: int, hook: str, program: int) -> None:
    _bpf(PROG_DETACH, struct.pack("=5I", folder, program, ATTACH[hook], 0, 0))


def program_by_id(number: int) -> int:
    return _bpf(PROG_BY_ID, struct.pack("=III", number, 0, 0))


def describe_program(descriptor: int) -> tuple[str, Sequence[int]]:
    """Its name, and the ids of its maps."""
    ids = (ctypes.c_uint32 * MOST_PROGRAMS)()
    info = ctypes.create_string_buffer(80)
    struct.pack_into("=I", info, 52, MOST_PROGRAMS)
    struct.pack_into("=Q", info, 56, ctypes.addressof(ids))
    _bpf(INFO, struct.pack("=IIQ", descriptor, 80, ctypes.addressof(info)))
    (count,) = struct.unpack_from("=I", info, 52)
    return info.raw[64:80].rstrip(b"\0").decode(), list(ids[:count])


def map_by_id(number: int) -> tuple[Map, MapInfo]:
    descriptor = _bpf(MAP_BY_ID, struct.pack("=III", number, 0, 0))
    info = ctypes.create_string_buffer(40)
    _bpf(INFO, struct.pack("=IIQ", descriptor, 40, ctypes.addressof(info)))
    kind, known, key_size, value_size, most, flags = struct.unpack_from("=6I", info)
    name = info.raw[24:40].rstrip(b"\0").decode()
    shape = MapShape(kind, key_size, value_size, most, flags)
    return Map(descriptor, key_size, _seen_size(shape)), MapInfo(known, shape, name)


def _seen_size(shape: MapShape) -> int:
    """Maps with a value for each CPU are read with all of them."""
    return shape.value_size * _cpus() if shape.kind in PER_CPU else shape.value_size


@cache
def _cpus() -> int:
    """Those that there may ever be: `0-3`."""
    last = Path("/sys/devices/system/cpu/possible").read_text().strip().rpartition(",")[2]
    return int(last.rpartition("-")[2]) + 1


def _name(text: str) -> bytes:
    """At most 15 bytes are kept."""
    return text.encode()[:15]
