"""The programs on a node's cgroup2 folder, and their maps.

What is attached serves until something else is attached in its place, whatever becomes of the process: a new proxy
loads programs with maps of its own, fills these, and only then puts each program in the place of the one before. What
the programs have learned of clients and sockets stays: new programs use the maps of the old for that.
"""

import logging
import os
import secrets
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from importlib import resources
from pathlib import Path

from fairlead.host import bpf
from fairlead.host.bpf_object import BpfObject, MapShape, ObjectError, read
from fairlead.proxy.modes.ebpf.encode import Element, decode_count
from fairlead.services.model import Family

LEARNED = ("clients", "flows", "peers", "counts")
FILLED = ("frontends", "slots", "members")
MOMENT = 0.5  # seconds
UNSEEN = "the node's cgroup2 hierarchy is not mounted here"
LEAST = 1 << 14  # elements of a map that is filled
# Answers and names first: they only need what was learned.
HOOKS4 = ("recvmsg4", "getpeername4", "sendmsg4", "connect4")
HOOKS6 = ("recvmsg6", "getpeername6", "sendmsg6", "connect6")  # IPv4 sockets of AF_INET6, too

log = logging.getLogger(__name__)


class ProgramsError(Exception):
    """The kernel refused."""


class Programs:
    """`cgroup`: a folder of cgroup2; None: it cannot be seen from here. `family`: programs of both are independent of
    each other."""

    def __init__(self, cgroup: Path | None, family: Family) -> None:
        self._cgroup = cgroup
        self._number = family[-1]
        self._hooks = HOOKS6 if family == "IPv6" else (*HOOKS4, *HOOKS6)
        self._maps: dict[str, bpf.Map] = {}
        self._looked = 0.0
        self._seen: object = None  # the programs that were there then

    def start(self, elements: Sequence[Element]) -> None:
        """Takes the place of what is there, with these elements and no others. Raises ProgramsError."""
        self.close()
        folder = self._open()
        programs: dict[str, int] = {}
        before = self._attached(folder)
        try:
            object_ = compiled()
            self._maps = self._make_maps(object_, elements, before)
            for name in FILLED:
                self._maps[name].fill(
                    (key, value) for map_, key, value in elements if map_ == name and value is not None
                )
            for hook in self._hooks:
                programs[hook] = bpf.load_program(
                    self._name(hook), hook, object_.programs[hook], self._maps, object_.license
                )
            for hook in self._hooks:
                bpf.attach(folder, hook, programs[hook], next(iter(before.get(hook, ())), None))
                for more in before.get(hook, ())[1:]:
                    bpf.detach(folder, hook, more)
        except (bpf.BpfError, ObjectError) as error:
            raise ProgramsError(str(error)) from error
        finally:
            self._looked = 0.0
            _close(folder, programs.values(), *before.values())

    def change(self, elements: Iterable[Element]) -> None:
        """Each by itself, in this order. Raises ProgramsError."""
        maps = self._maps
        try:
            for name, key, value in elements:
                if value is None:
                    maps[name].delete(key)
                else:
                    maps[name].update(key, value)
        except bpf.BpfError as error:
            raise ProgramsError(f"{name}: {error}") from error

    def clean_up(self) -> None:
        """Detaches what is ours, also of an earlier process."""
        self.close()
        try:
            folder = self._open()
        except ProgramsError:
            return
        found = self._attached(folder)
        try:
            for hook, programs in found.items():
                for program in programs:
                    bpf.detach(folder, hook, program)
        finally:
            _close(folder, *found.values())

    def are_there(self) -> bool:
        """Whether programs of ours are attached."""
        try:
            folder = self._open()
        except ProgramsError:
            return False
        found = self._attached(folder)
        _close(folder, *found.values())
        return bool(found)

    def generation(self) -> object:
        """Another one after programs came or went at the hooks, whoever does it; seen a moment later."""
        now = time.monotonic()
        if now - self._looked > MOMENT:
            self._looked, self._seen = now, None
            try:
                folder = self._open()
                self._seen = tuple(tuple(bpf.attached(folder, hook)) for hook in self._hooks)
                os.close(folder)
            except (ProgramsError, bpf.BpfError) as error:
                log.warning("cannot look at the programs: %s", error)
        return self._seen

    def are_whole(self) -> bool:
        """Whether there is one at each hook, of ours or of a proxy that has taken our place."""
        try:
            folder = self._open()
        except ProgramsError:
            return False
        found = self._attached(folder)
        _close(folder, *found.values())
        return set(found) == set(self._hooks)

    def have(self, elements: Iterable[Element]) -> bool:
        """Whether all of them are in our maps. Raises ProgramsError."""
        try:
            return all(self._maps[name].lookup(key) == value for name, key, value in elements)
        except bpf.BpfError as error:
            raise ProgramsError(str(error)) from error

    def counts(self) -> dict[bytes, tuple[int, int]]:
        """By service: how often it was dialled, and how often it refused. Raises ProgramsError."""
        try:
            return {key: decode_count(value) for key, value in self._maps["counts"].items()}
        except bpf.BpfError as error:
            raise ProgramsError(str(error)) from error

    def forget_count(self, service: bytes) -> None:
        try:
            self._maps["counts"].delete(service)
        except bpf.BpfError as error:
            raise ProgramsError(str(error)) from error

    def find_maps(self) -> dict[str, bpf.Map]:
        """Those that the attached programs use; the caller closes them. Raises ProgramsError."""
        folder = self._open()
        found = self._attached(folder)
        try:
            return {name: map_ for name, (map_, _) in _maps_of(found).items()}
        finally:
            _close(folder, *found.values())

    def close(self) -> None:
        """Our descriptors of the maps; the programs go on with them."""
        for map_ in self._maps.values():
            map_.close()
        self._maps = {}

    def _open(self) -> int:
        if self._cgroup is None:
            raise ProgramsError(UNSEEN)
        try:
            return os.open(self._cgroup, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise ProgramsError(f"cgroup2: {error}") from error

    def _name(self, hook: str) -> str:
        return f"fl{self._number}_{hook}"[:15]

    def _attached(self, folder: int) -> dict[str, list[int]]:
        """Hook → descriptors of the programs of ours."""
        found: dict[str, list[int]] = {}
        for hook in self._hooks:
            try:
                numbers = bpf.attached(folder, hook)
            except bpf.BpfError:  # this kernel has no such hook
                continue
            for number in numbers:
                try:
                    program = bpf.program_by_id(number)
                except bpf.BpfError:  # gone meanwhile
                    continue
                if bpf.describe_program(program)[0] == self._name(hook):
                    found.setdefault(hook, []).append(program)
                else:
                    os.close(program)
        return found

    def _make_maps(
        self, object_: BpfObject, elements: Sequence[Element], before: dict[str, list[int]]
    ) -> dict[str, bpf.Map]:
        known = _maps_of(before)
        made: dict[str, bpf.Map] = {}
        for name, shape in object_.maps.items():
            map_, found = known.pop(name, (None, None))
            if map_ is not None and name in LEARNED and found == shape:
                made[name] = map_
                continue
            if map_ is not None:
                map_.close()
            count = sum(each[0] == name for each in elements)
            most = max(LEAST, 1 << (2 * count).bit_length()) if name in FILLED else shape.most
            made[name] = bpf.Map.create(name, replace(shape, most=most))
        for map_, _ in known.values():
            map_.close()
        return made


def compiled() -> BpfObject:
    """sockets.c as clang has made it when this program was built. Raises ObjectError."""
    file = resources.files("fairlead.proxy.modes.ebpf") / "sockets.o"
    try:
        return read(file.read_bytes())
    except FileNotFoundError as error:
        raise ObjectError("its programs were not compiled when Fairlead was built (no clang)") from error


def refused(cgroup: Path | None) -> str | None:
    """Why the programs cannot be loaded and attached here; None: they can. Tried on a folder of its own beneath."""
    if cgroup is None:
        return UNSEEN
    probe = cgroup / f"fairlead-probe-{secrets.token_hex(4)}"
    try:
        probe.mkdir()
    except OSError as error:
        return f"cgroup2: {error.strerror} ({cgroup})"
    try:
        programs = Programs(probe, "IPv4")
        programs.start(())
        programs.clean_up()
    except ProgramsError as error:
        return str(error)
    finally:
        probe.rmdir()
    return None


def _maps_of(programs: dict[str, list[int]]) -> dict[str, tuple[bpf.Map, MapShape]]:
    found: dict[str, tuple[bpf.Map, MapShape]] = {}
    for descriptor in (each for group in programs.values() for each in group):
        for number in bpf.describe_program(descriptor)[1]:
            try:
                map_, info = bpf.map_by_id(number)
            except bpf.BpfError:
                continue
            if info.name in found:
                map_.close()
            else:
                found[info.name] = (map_, info.shape)
    return found


def _close(folder: int, *programs: Iterable[int]) -> None:
    for descriptor in (folder, *(each for group in programs for each in group)):
        os.close(descriptor)
