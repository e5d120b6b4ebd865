"""Commands on a node: in its network, with its names, with kubectl configured."""

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from fairlead.cluster import cgroups
from fairlead.cluster.layout import AddressPlan, Layout
from fairlead.cluster.running import NotRunningError
from fairlead.host import libc

T = TypeVar("T")


def _mount_namespace(layout: Layout) -> int:
    """Of the warden or its guard: there the nodes' namespaces are pinned."""
    for name in ("warden", "guard"):
        try:
            pid = int((layout.run / f"{name}.pid").read_text())
            if Path(f"/proc/{pid}/comm").read_text().startswith("fairlead-"):
                return os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
        except (OSError, ValueError):
            continue
    raise NotRunningError(layout)


def in_network(layout: Layout, node: str, work: Callable[[], T]) -> T:
    """Calls `work` in a node's network, in a thread of its own. Raises NotRunningError, OSError."""
    outcome: list[T] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            mounts = _mount_namespace(layout)
            libc.unshare(libc.CLONE_FS)
            libc.setns(mounts, libc.CLONE_NEWNS)
            os.close(mounts)
            network = os.open(layout.namespace(node), os.O_RDONLY | os.O_CLOEXEC)
            libc.setns(network, libc.CLONE_NEWNET)
            os.close(network)
            outcome.append(work())
        except BaseException as error:  # noqa: BLE001  # raised again in the thread that asked
            failure.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return outcome[0]


def become(layout: Layout, plan: AddressPlan, node: str) -> None:
    """Moves this process, which must have one thread, onto a node: network, cgroup, host name, view of names."""
    folder = Path.cwd()
    mounts = _mount_namespace(layout)
    libc.setns(mounts, libc.CLONE_NEWNS)
    os.close(mounts)
    cgroups.join(cgroups.folder_of(layout, node))
    for kind, flag in (("net", libc.CLONE_NEWNET), ("uts", libc.CLONE_NEWUTS)):
        descriptor = os.open(layout.namespace(node).with_name(kind), os.O_RDONLY | os.O_CLOEXEC)
        libc.setns(descriptor, flag)
        os.close(descriptor)
    libc.unshare(libc.CLONE_NEWNS)
    libc.mount("none", "/", flags=libc.MS_REC | libc.MS_PRIVATE)
    _name_files(layout, plan, node)
    try:
        os.chdir(folder)
    except OSError:
        os.chdir("/")


def _name_files(layout: Layout, plan: AddressPlan, node: str) -> None:
    """/etc/hosts with all nodes, as an administrator would write it; and the sysfs of this network."""
    run = layout.node_run(node)
    run.mkdir(parents=True, exist_ok=True)
    lines = ["127.0.0.1\tlocalhost", "::1\tlocalhost", *(f"{each.address}\t{each.name}" for each in plan.nodes)]
    (run / "hosts").write_text("\n".join(lines) + "\n")
    (run / "hostname").write_text(f"{node}\n")
    for name in ("hosts", "hostname"):
        if Path("/etc", name).exists():
            libc.mount(str(run / name), f"/etc/{name}", flags=libc.MS_BIND)


def environment(layout: Layout, node: str) -> dict[str, str]:
    """What a shell on a node finds."""
    found = dict(os.environ)
    found["KUBECONFIG"] = str(layout.kubeconfig)
    found["HOSTNAME"] = node
    found.setdefault("HOME", "/root")
    return found
