"""A cgroup2 folder for each node of a cluster: programs on it are for that node's processes and pods, and no others.

No controller is asked for. The machine has one hierarchy for all, so a cluster's folder has a name that no other has:
there may be another cluster called the same, in a container or a sandbox.
"""

import logging
import secrets
import time
from pathlib import Path

from fairlead.cluster.layout import Layout
from fairlead.host import cgroup2, libc

log = logging.getLogger(__name__)

SECONDS = 1.0  # until processes that were killed have left
TRIES = 3


def mount(layout: Layout) -> None:
    """Where the cluster's processes see the hierarchy, whatever else is mounted. Without cgroup2 in the kernel there is
    none, and so no mode of the proxy that needs it."""
    layout.cgroups.mkdir(parents=True, exist_ok=True)
    layout.cgroup_name.write_text(f"fairlead-{layout.name}-{secrets.token_hex(4)}")
    try:
        libc.mount("cgroup2", str(layout.cgroups), "cgroup2")
    except OSError as error:
        log.warning("nodes have no cgroup2 folders: %s", error)


def folder_of(layout: Layout, node: str) -> Path:
    """Its folder, for who sees the cluster's mounts. Raises OSError where nothing is mounted."""
    return layout.cgroups / layout.cgroup_name.read_text() / f"{node}{cgroup2.NODE}"


def join(folder: Path) -> None:
    """Moves this process, which should have no socket yet: sockets stay where they were made."""
    for left in reversed(range(TRIES)):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            cgroup2.join(folder)
        except OSError as error:  # somebody who sweeps has found it empty
            if not left:
                log.warning("%s: %s", folder, error)
        else:
            return


def remove(layout: Layout) -> None:
    """Of this cluster, and of dead ones of its name. Called outside, where the hierarchy is the machine's own."""
    root = cgroup2.mounted()
    if root is None:
        return
    try:
        own = root / layout.cgroup_name.read_text()
    except OSError:
        own = None
    deadline = time.monotonic() + SECONDS
    while own is not None and not cgroup2.remove(own) and time.monotonic() < deadline:
        time.sleep(0.01)
    for each in root.glob(f"fairlead-{layout.name}-*"):
        if not cgroup2.is_populated(each):
            cgroup2.remove(each)
