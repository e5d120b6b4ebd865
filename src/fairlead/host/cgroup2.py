"""The one hierarchy of cgroups(7), version 2: a node has a folder there, and programs on it are for all that runs on
the node."""

from collections.abc import Iterator
from pathlib import Path

NODE = ".node"  # how the name of a node's folder ends
INITIAL = 0xEFFFFFFB  # the inode of the machine's own cgroup namespace: the kernel's PROC_CGROUP_INIT_INO


def mounted() -> Path | None:
    """Where the hierarchy is to be seen here, from the root of this process's cgroup namespace; None: nowhere."""
    return _root(_mountinfo())


def own() -> str:
    """The folder of this thread, as seen from the root of its cgroup namespace: `/…`."""
    return own_in(Path("/proc/thread-self/cgroup").read_text())


def of_node() -> Path | None:
    """The folder of the node where this process runs; None: it cannot be seen from here."""
    sees_all = Path("/proc/self/ns/cgroup").stat().st_ino == INITIAL
    return node_in(_mountinfo(), own(), sees_all=sees_all)


def own_in(text: str) -> str:
    """From what /proc/PID/cgroup says."""
    for line in text.splitlines():
        if line.startswith("0::"):
            return line[3:].removesuffix(" (deleted)")
    return "/"


def node_in(mountinfo: str, folder: str, *, sees_all: bool) -> Path | None:
    """A folder above the process's own (`folder`) whose name says so, else that of all that runs on the machine. A
    container takes its own folder for all (cgroup_namespaces(7)): from there, it is a mount that begins above that."""
    root = _root(mountinfo)
    parts = folder.strip("/").split("/")
    for count in range(len(parts), 0, -1):
        if root is not None and parts[count - 1].endswith(NODE):
            return root.joinpath(*parts[:count])
    if sees_all:
        return root
    above = (place for each, place in _mounts(mountinfo) if set(each.strip("/").split("/")) == {".."})
    return next(above, None)


def _mountinfo() -> str:
    return Path("/proc/thread-self/mountinfo").read_text()


def _root(mountinfo: str) -> Path | None:
    return next((place for folder, place in _mounts(mountinfo) if folder == "/"), None)


def _mounts(mountinfo: str) -> Iterator[tuple[str, Path]]:
    """(the folder that is seen, where) of each mount of cgroup2 (proc_pid_mountinfo(5))."""
    for line in mountinfo.splitlines():
        mount, _, described = line.partition(" - ")
        if described.startswith("cgroup2 "):
            fields = mount.split()
            yield fields[3], Path(fields[4])


def join(folder: Path) -> None:
    """Moves this process. Raises OSError."""
    (folder / "cgroup.procs").write_text("0")


def remove(folder: Path) -> bool:
    """With all beneath it; whether it is gone: not while processes are in it."""
    if not folder.is_dir():
        return True
    for each in folder.iterdir():
        if each.is_dir():
            remove(each)
    try:
        folder.rmdir()
    except OSError:
        return False
    return True


def is_populated(folder: Path) -> bool:
    """Whether there are processes in it or beneath it."""
    try:
        return "populated 1" in (folder / "cgroup.events").read_text()
    except OSError:
        return False
