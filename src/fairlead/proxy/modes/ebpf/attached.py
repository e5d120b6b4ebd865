"""Which programs of ours are at the hooks of a node's cgroup2 folder: what the kernel says, for no process keeps it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fairlead.host import bpf
from fairlead.host.bpf_object import MapShape
from fairlead.services.model import Family

# Answers and names first: they only need what was learned.
HOOKS4 = ("recvmsg4", "getpeername4", "sendmsg4", "connect4")
HOOKS6 = ("recvmsg6", "getpeername6", "sendmsg6", "connect6")  # IPv4 sockets of AF_INET6, too
UNSEEN = "the node's cgroup2 hierarchy is not mounted here"
Found = dict[str, list[int]]  # hook → descriptors of the programs there


class ProgramsError(Exception):
    """The kernel refused."""


class Attached:
    """`cgroup`: the folder; None: it cannot be seen from here. The families' programs are independent of each other."""

    def __init__(self, cgroup: Path | None, family: Family) -> None:
        self._cgroup = cgroup
        self._number = family[-1]
        self.hooks = HOOKS6 if family == "IPv6" else (*HOOKS4, *HOOKS6)

    def name(self, hook: str) -> str:
        """Of the program there; the kernel keeps 15 bytes."""
        return f"fl{self._number}_{hook}"[:15]

    @contextmanager
    def look(self) -> Iterator[tuple[int, Found]]:
        """(descriptor of the folder, our programs there), open until the end. Raises ProgramsError."""
        folder = self._open()
        found: Found = {}
        try:
            self._find(folder, found)
            yield folder, found
        except bpf.BpfError as error:
            raise ProgramsError(str(error)) from error
        finally:
            for descriptor in (folder, *(each for group in found.values() for each in group)):
                os.close(descriptor)

    def numbers(self) -> tuple[tuple[int, ...], ...]:
        """Those of all programs at our hooks, whosever they are. Raises ProgramsError."""
        folder = self._open()
        try:
            return tuple(tuple(bpf.attached(folder, hook)) for hook in self.hooks)
        except bpf.BpfError as error:
            raise ProgramsError(str(error)) from error
        finally:
            os.close(folder)

    def _open(self) -> int:
        if self._cgroup is None:
            raise ProgramsError(UNSEEN)
        try:
            return os.open(self._cgroup, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise ProgramsError(f"cgroup2: {error}") from error

    def _find(self, folder: int, found: Found) -> None:
        for hook in self.hooks:
            try:
                numbers = bpf.attached(folder, hook)
            except bpf.BpfError:  # this kernel has no such hook
                continue
            for number in numbers:
                try:
                    program = bpf.program_by_id(number)
                except bpf.BpfError:  # gone meanwhile
                    continue
                if bpf.describe_program(program)[0] == self.name(hook):
                    found.setdefault(hook, []).append(program)
                else:
                    os.close(program)


def maps_of(found: Found) -> dict[str, tuple[bpf.Map, MapShape]]:
    """Name → map of those that these programs use; the caller closes them."""
    maps: dict[str, tuple[bpf.Map, MapShape]] = {}
    for descriptor in (each for group in found.values() for each in group):
        for number in bpf.describe_program(descriptor)[1]:
            try:
                map_, info = bpf.map_by_id(number)
            except bpf.BpfError:
                continue
            if info.name in maps:
                map_.close()
            else:
                maps[info.name] = (map_, info.shape)
    return maps
