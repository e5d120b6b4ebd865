"""Namespaces pinned by bind mounts, and threads that enter them.

The kernel gives namespaces to threads, so a short-lived thread makes or enters one and the process stays where it is.
"""

import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from fairlead.host import libc

T = TypeVar("T")

KINDS = {"net": libc.CLONE_NEWNET, "uts": libc.CLONE_NEWUTS, "ipc": libc.CLONE_NEWIPC}


def _in_thread(work: Callable[[], T]) -> T:
    outcome: list[T] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(work())
        except BaseException as error:  # noqa: BLE001  # raised again in the thread that asked
            failure.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return outcome[0]


def create(folder: Path, kinds: Sequence[str], *, hostname: str = "") -> None:
    """New namespaces, each pinned at `folder/<kind>`: net, uts, ipc. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    for kind in kinds:
        (folder / kind).touch()
    flags = 0
    for kind in kinds:
        flags |= KINDS[kind]

    def work() -> None:
        libc.unshare(flags)
        if hostname and "uts" in kinds:
            libc.sethostname(hostname)
        own = f"/proc/self/task/{threading.get_native_id()}/ns"
        for kind in kinds:
            libc.mount(f"{own}/{kind}", str(folder / kind), flags=libc.MS_BIND)

    _in_thread(work)


def remove(folder: Path) -> None:
    """Unpins all that are pinned there. What uses them still keeps them alive."""
    for kind in KINDS:
        path = folder / kind
        try:
            libc.umount(str(path))
        except OSError:
            pass
        path.unlink(missing_ok=True)
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def run_in(path: Path | str, work: Callable[[], T], kind: str = "net") -> T:
    """Calls `work` in a pinned namespace, in a thread of its own; sockets that it opens stay there."""

    def enter() -> T:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            libc.setns(descriptor, KINDS[kind])
        finally:
            os.close(descriptor)
        return work()

    return _in_thread(enter)


def is_pinned(path: Path) -> bool:
    """Whether a namespace is mounted there: after a reboot only the empty file is left."""
    try:
        return path.stat().st_dev != path.parent.stat().st_dev
    except OSError:
        return False
