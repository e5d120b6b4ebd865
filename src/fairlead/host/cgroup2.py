"""The one hierarchy of cgroups(7), version 2: a node has a folder there, and programs on it are for all that runs on
the node."""

from pathlib import Path

NODE = ".node"  # how the name of a node's folder ends
INITIAL = 0xEFFFFFFB  # the inode of the machine's own cgroup namespace: the kernel's PROC_CGROUP_INIT_INO


def mounted() -> Path | None:
    """Where all of the machine's hierarchy is to be seen here; None: nowhere. In a container that takes its own folder
    for all (cgroup_namespaces(7)), it is a mount that begins above that."""
    all_ = Path("/proc/self/ns/cgroup").stat().st_ino == INITIAL
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        mount, _, described = line.partition(" - ")
        fields = mount.split()
        above = set(fields[3].strip("/").split("/")) == {".."}
        if described.startswith("cgroup2 ") and (above or (all_ and fields[3] == "/")):
            return Path(fields[4])
    return None


def own() -> str:
    """The folder of this process, as seen from the root of its cgroup namespace: `/…`."""
    for line in Path("/proc/thread-self/cgroup").read_text().splitlines():
        if line.startswith("0::"):
            return line[3:].removesuffix(" (deleted)")
    return "/"


def of_node() -> Path | None:
    """The folder of the node where this process runs: one whose name says so, else all of the machine. None: it cannot
    be seen from here."""
    root = mounted()
    if root is None:
        return None
    parts = own().strip("/").split("/")
    for count in range(len(parts), 0, -1):
        if parts[count - 1].endswith(NODE):
            return root.joinpath(*parts[:count])
    return root


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
