"""The programs on a node's cgroup2 folder, and their maps.

What is attached serves until something else is attached in its place, whatever becomes of the process: a new proxy
loads programs with maps of its own, fills these, and only then puts each program in the place of the one before. What
the programs have learned of clients and sockets stays: new programs use the maps of the old for that.
"""

import logging
import os
import secrets
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib import resources
from pathlib import Path

from fairlead.host import bpf
from fairlead.host.bpf_object import BpfObject, ObjectError, read
from fairlead.proxy.modes.ebpf.attached import UNSEEN, Attached, Found, ProgramsError, maps_of
from fairlead.proxy.modes.ebpf.encode import Element, decode_count
from fairlead.services.model import Family

LEARNED = ("clients", "flows", "peers", "counts")
FILLED = ("frontends", "slots", "members")
LEAST = 1 << 14  # elements of a map that is filled
MOMENT = 0.5  # seconds

log = logging.getLogger(__name__)


class Programs:
    """Of one family, on a folder of cgroup2; None: it cannot be seen from here."""

    def __init__(self, cgroup: Path | None, family: Family) -> None:
        self._attached = Attached(cgroup, family)
        self._maps: dict[str, bpf.Map] = {}
        self._looked = 0.0
        self._seen: object = None  # the programs that were there then

    def start(self, elements: Sequence[Element]) -> None:
        """Takes the place of what is there, with these elements and no others. Raises ProgramsError."""
        self.close()
        self._looked = 0.0
        programs: dict[str, int] = {}
        try:
            object_ = compiled()
            with self._attached.look() as (folder, before):
                self._make_maps(object_, elements, before)
                for hook in self._attached.hooks:
                    programs[hook] = bpf.load_program(
                        self._attached.name(hook), hook, object_.programs[hook], self._maps, object_.license
                    )
                for hook, program in programs.items():
                    others = before.get(hook, [])
                    bpf.attach(folder, hook, program, others[0] if others else None)
                    for more in others[1:]:
                        bpf.detach(folder, hook, more)
        except ObjectError as error:
            raise ProgramsError(str(error)) from error
        finally:
            for descriptor in programs.values():
                os.close(descriptor)

    def change(self, elements: Iterable[Element]) -> None:
        """Each by itself, in this order. Raises ProgramsError."""
        maps = self._maps
        with _told():
            for name, key, value in elements:
                if value is None:
                    maps[name].delete(key)
                else:
                    maps[name].update(key, value)

    def have(self, elements: Iterable[Element]) -> bool:
        """Whether all of them are in our maps. Raises ProgramsError."""
        with _told():
            return all(self._maps[name].lookup(key) == value for name, key, value in elements)

    def clean_up(self) -> None:
        """Detaches what is ours, also of an earlier process."""
        self.close()
        try:
            with self._attached.look() as (folder, found):
                for hook, programs in found.items():
                    for program in programs:
                        bpf.detach(folder, hook, program)
        except ProgramsError as error:
            log.debug("no programs to detach: %s", error)

    def are_there(self) -> bool:
        """Whether programs of ours are attached."""
        return bool(self._hooked())

    def are_whole(self) -> bool:
        """Whether there is one at each hook, of ours or of a proxy that has taken our place."""
        return self._hooked() == set(self._attached.hooks)

    def _hooked(self) -> set[str]:
        try:
            with self._attached.look() as (_, found):
                return set(found)
        except ProgramsError:
            return set()

    def generation(self) -> object:
        """Another one after programs came or went at the hooks, whoever does it; seen a moment later."""
        now = time.monotonic()
        if now - self._looked > MOMENT:
            self._looked = now
            try:
                self._seen = self._attached.numbers()
            except ProgramsError as error:
                self._seen = str(error)
        return self._seen

    def counts(self) -> dict[bytes, tuple[int, int]]:
        """By service: how often it was dialled, and how often it refused. Raises ProgramsError."""
        with _told():
            return {key: decode_count(value) for key, value in self._maps["counts"].items()}

    def forget_count(self, service: bytes) -> None:
        with _told():
            self._maps["counts"].delete(service)

    def find_maps(self) -> dict[str, bpf.Map]:
        """Those that the attached programs use; the caller closes them. Raises ProgramsError."""
        with self._attached.look() as (_, found):
            return {name: map_ for name, (map_, _) in maps_of(found).items()}

    def close(self) -> None:
        """Our descriptors of the maps; the programs go on with them."""
        for map_ in self._maps.values():
            map_.close()
        self._maps = {}

    def _make_maps(self, object_: BpfObject, elements: Sequence[Element], before: Found) -> None:
        """What was learned is that of the programs before; all else is new, and filled."""
        known = maps_of(before)
        try:
            for name, shape in object_.maps.items():
                if name in LEARNED and name in known and known[name][1] == shape:
                    self._maps[name] = known.pop(name)[0]
                    continue
                count = sum(each[0] == name for each in elements)
                most = max(LEAST, 1 << (2 * count).bit_length()) if name in FILLED else shape.most
                self._maps[name] = bpf.Map.create(name, replace(shape, most=most))
        finally:
            for map_, _ in known.values():
                map_.close()
        for name in FILLED:
            self._maps[name].fill((key, value) for map_, key, value in elements if map_ == name and value is not None)


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except bpf.BpfError as error:
        raise ProgramsError(str(error)) from error


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
