"""What a program or library of this machine is linked with, read from the file itself (elf(5)); ldd(1) would start the
loader for each of them."""

import os
import struct
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_LOAD, _DYNAMIC, _INTERPRETER = 1, 2, 3  # p_type
_NEEDED, _STRINGS, _RPATH, _RUNPATH = 1, 5, 15, 29  # d_tag
_FOLDERS = ("/lib/*-linux-gnu", "/usr/lib/*-linux-gnu", "/lib", "/usr/lib", "/lib64", "/usr/lib64")


@dataclass(frozen=True, slots=True)
class Linked:
    needed: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()  # where it wants to find them; may begin with $ORIGIN
    loader: str = ""


def libraries(paths: Iterable[str]) -> set[str]:
    """The libraries of these files, and theirs, and the loader, as they are found here; what is not is left out."""
    found: set[str] = set()
    waiting = [os.path.realpath(path) for path in paths]
    seen: set[str] = set()
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        linked = read(Path(path))
        if linked is None:
            continue
        if linked.loader:
            found.add(linked.loader)
        for name in linked.needed:
            library = _find(name, [folder.replace("$ORIGIN", os.path.dirname(path)) for folder in linked.folders])  # noqa: PTH120
            if library:
                found.add(library)
                waiting.append(os.path.realpath(library))
    return found


def read(path: Path) -> Linked | None:
    """None for what is no 64-bit little-endian ELF file."""
    try:
        with path.open("rb") as file:
            if file.read(6) != b"\x7fELF\x02\x01":
                return None
            file.seek(0)
            data = file.read()
    except OSError:
        return None
    offset, size, count = (struct.unpack_from(form, data, at)[0] for form, at in (("<Q", 32), ("<H", 54), ("<H", 56)))
    segments = [struct.unpack_from("<IIQQQQ", data, offset + index * size) for index in range(count)]
    loads = [(address, place, length) for kind, _, place, address, _, length in segments if kind == _LOAD]
    loader = ""
    entries: list[tuple[int, int]] = []
    for kind, _, place, _, _, length in segments:
        if kind == _INTERPRETER:
            loader = data[place : place + length].rstrip(b"\0").decode()
        elif kind == _DYNAMIC:
            entries = [struct.unpack_from("<QQ", data, at) for at in range(place, place + length, 16)]
    tags = dict(entries)
    if _STRINGS not in tags:
        return Linked(loader=loader)
    strings = _place(loads, tags[_STRINGS])

    def text(at: int) -> str:
        return data[strings + at : data.index(b"\0", strings + at)].decode()

    wanted = tags.get(_RUNPATH, tags.get(_RPATH))
    folders = tuple(text(wanted).split(":")) if wanted is not None else ()
    return Linked(tuple(text(value) for tag, value in entries if tag == _NEEDED), folders, loader)


def _place(loads: list[tuple[int, int, int]], address: int) -> int:
    """Where in the file an address is."""
    for start, place, length in loads:
        if start <= address < start + length:
            return address - start + place
    return address


def _find(name: str, folders: Iterable[str]) -> str | None:
    for folder in folders:
        path = os.path.normpath(f"{folder}/{name}")
        if os.path.exists(path):  # noqa: PTH110
            return path
    return _known().get(name)


@cache
def _known() -> dict[str, str]:
    """What the loader's cache knows, else what is in its usual folders (ldconfig(8))."""
    found: dict[str, str] = {}
    for folder in (path for pattern in reversed(_FOLDERS) for path in Path("/").glob(pattern.lstrip("/"))):
        found |= {entry.name: entry.path for entry in os.scandir(folder) if ".so" in entry.name}
    try:
        done = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True, check=False)
    except OSError:
        return found
    for line in reversed(done.stdout.splitlines()[1:]):
        name, _, path = line.strip().partition(" => ")
        if "x86-64" in name or "AArch64" in name:
            found[name.split()[0]] = path
    return found
