"""Threads that live on the lab's nodes and pods: in their network, and in their node's cgroup2 folder.

A folder of the kind "threaded" takes single threads of a process, if the process is in the folder above (cgroups(7)).
Threads stay where they are: moving one costs milliseconds.
"""

import os
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from fairlead.host import cgroup2, libc

T = TypeVar("T")


class Residents:
    def __init__(self, folder: Path) -> None:
        """`folder`: where cgroup2 is mounted."""
        self._threads: dict[str, ThreadPoolExecutor] = {}
        folder.mkdir()
        libc.mount("cgroup2", str(folder), "cgroup2")
        self._mounted = folder
        self._before = folder / cgroup2.own().lstrip("/")
        for left in folder.glob("fairlead-lab-*"):  # by a run that was killed
            if not cgroup2.is_populated(left):
                cgroup2.remove(left)
        self._own = folder / f"fairlead-lab-{secrets.token_hex(4)}"
        self._own.mkdir()
        cgroup2.join(self._own)

    def settle(self, node: str) -> Path:
        """A folder for those of a node."""
        made = self._own / node
        made.mkdir()
        (made / "cgroup.type").write_text("threaded")
        return made

    def run(self, role: str, network: Path, folder: Path | None, work: Callable[[], T]) -> T:
        """In the thread of this role, which is of `folder`."""
        if role not in self._threads:
            self._threads[role] = ThreadPoolExecutor(1, initializer=_enter, initargs=(network, folder))
        return self._threads[role].submit(work).result()

    def end(self) -> None:
        for each in self._threads.values():
            each.shutdown()
        cgroup2.join(self._before)
        cgroup2.remove(self._own)
        libc.umount(str(self._mounted))


def _enter(network: Path, folder: Path | None) -> None:
    descriptor = os.open(network, os.O_RDONLY | os.O_CLOEXEC)
    libc.setns(descriptor, libc.CLONE_NEWNET)
    os.close(descriptor)
    if folder is not None:
        (folder / "cgroup.threads").write_text("0")
