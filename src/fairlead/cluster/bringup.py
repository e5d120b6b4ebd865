"""`fairlead up`: from nothing, or from what an earlier cluster left, to a cluster that serves."""

import asyncio
import ipaddress
import json
import logging
import os
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fairlead.api.status import ApiError
from fairlead.api.types.core import Node
from fairlead.client.config import load_kubeconfig
from fairlead.client.rest import Client
from fairlead.cluster import cgroups, credentials, manifests, teardown, topology, warden
from fairlead.cluster.enter import in_network
from fairlead.cluster.layout import DOMAIN, IMAGES, IP_FAMILIES, AddressPlan, Layout, address_plan, free_network
from fairlead.cluster.parts import parts_of
from fairlead.host import libc, process, sysctl

log = logging.getLogger(__name__)

SECONDS = 30.0


class ClusterError(Exception):
    """What went wrong, for people; the logs' folder where that helps."""


@dataclass(slots=True)
class Timings:
    """(what, seconds since this process started), in order."""

    began: float = field(default_factory=lambda: time.perf_counter() - process.age())
    marks: list[tuple[str, float]] = field(default_factory=list)
    told: Callable[[str, float], None] = lambda _what, _seconds: None

    def mark(self, what: str) -> None:
        seconds = time.perf_counter() - self.began
        self.marks.append((what, seconds))
        self.told(what, seconds)


def start(
    layout: Layout, nodes: int, ip_family: str | None, run: warden.Run, timings: Timings, *, image_aliases: bool = True
) -> AddressPlan:
    """Starts the processes; returns when the API answers. `ip_family`: None is as before. Raises ClusterError."""
    families = _ip_family(layout, ip_family)
    teardown.remove_leftovers(layout)
    for folder in ("logs", "parts", "exits", "nodes", "netns"):
        (layout.run / folder).mkdir(parents=True, exist_ok=True)
    layout.state.mkdir(parents=True, exist_ok=True, mode=0o700)
    IMAGES.mkdir(parents=True, exist_ok=True)
    plan = address_plan(_network(layout), nodes, families)
    credentials.issue(layout, plan)
    timings.mark("certificates")
    parts = [part.to_json() for part in parts_of(layout, plan, image_aliases=image_aliases)]
    described = {
        "name": layout.name,
        "network": plan.network,
        "ipFamily": plan.ip_family,
        "nodes": [node.name for node in plan.nodes],
        "parts": parts,
    }
    layout.plan.write_text(json.dumps(described, indent=1))
    _daemonize(layout, plan, run)
    timings.mark("processes")
    return plan


def _ip_family(layout: Layout, wanted: str | None) -> str:
    """As in the cluster that is kept: its Services and nodes have their addresses. A new one has both families where
    this kernel has. Raises ClusterError."""
    remembered = layout.state / "ip-family"
    known = remembered.read_text() if remembered.exists() else None
    if known is None and (layout.state / "network").exists():
        known = "ipv4"  # made before there was a choice
    if known is not None and wanted not in (None, known):
        raise ClusterError(
            f"cluster {layout.name} is kept with --ip-family {known}: `fairlead down --delete-state` first"
        )
    chosen = known or wanted or ("dual" if _has_ipv6() else "ipv4")
    if "IPv6" in IP_FAMILIES[chosen] and not _has_ipv6():
        raise ClusterError(f"--ip-family {chosen}: IPv6 is not there, or is switched off, on this machine")
    remembered.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    remembered.write_text(chosen)
    return chosen


def _has_ipv6() -> bool:
    return sysctl.read("net.ipv6.conf.default.disable_ipv6", 1) == 0


def _network(layout: Layout) -> str:
    """The same as last time where it is kept, else one that is free."""
    remembered = layout.state / "network"
    taken = [route for route in _routes() if not route.endswith("/0")]
    if remembered.exists() and (known := remembered.read_text().strip()) not in taken:
        return known
    found = free_network(taken)
    remembered.write_text(found)
    return found


def _routes() -> list[str]:
    found = []
    for line in Path("/proc/net/route").read_text().splitlines()[1:]:
        fields = line.split()
        address, mask = (int.from_bytes(bytes.fromhex(fields[index])[::-1], "big") for index in (1, 7))
        prefix = mask.bit_count()
        found.append(str(ipaddress.IPv4Network((address, prefix))))
    routes6 = Path("/proc/net/ipv6_route")
    for line in routes6.read_text().splitlines() if routes6.exists() else ():
        fields = line.split()
        found.append(str(ipaddress.IPv6Network((bytes.fromhex(fields[0]), int(fields[1], 16)))))
    return found


def _daemonize(layout: Layout, plan: AddressPlan, run: warden.Run) -> None:
    """A process in a session and a mount namespace of its own; returns when it is set up. Raises ClusterError."""
    ready, told = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid:
        os.close(told)
        os.waitpid(pid, 0)
        with os.fdopen(ready, "rb") as answer:
            error = answer.read().decode()
        if error != "ready":
            raise ClusterError(f"cannot start: {error or 'the process ended'}; see {layout.run / 'logs'}")
        return
    code = 1
    try:
        os.close(ready)
        os.setsid()
        if os.fork():
            os._exit(0)
        code = _become_warden(layout, plan, run, told)
    finally:
        os._exit(code)


def _become_warden(layout: Layout, plan: AddressPlan, run: warden.Run, told: int) -> int:
    output = os.open(layout.run / "logs/warden.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
    null = os.open("/dev/null", os.O_RDWR)
    for target, source in ((0, null), (1, output), (2, output)):
        os.dup2(source, target)
    os.chdir("/")
    os.umask(0o022)
    try:
        libc.unshare(libc.CLONE_NEWNS)
        libc.mount("none", "/", flags=libc.MS_REC | libc.MS_PRIVATE)
        _leave_hybrid_cgroups()
        cgroups.mount(layout)
        topology.build(layout, plan)
    except Exception as error:
        log.exception("cannot start")
        os.write(told, str(error).encode())
        return 1
    guard_pid = os.getpid()
    pid = os.fork()
    if pid == 0:
        try:
            os.setsid()
            os.write(told, b"ready")
            os.close(told)
            warden.Warden(layout, run).main(guard_pid)
        finally:
            os._exit(0)
    os.close(told)
    warden.be_guarded_by_this_process(layout, pid)
    return 0


def _leave_hybrid_cgroups() -> None:
    """crun refuses a machine with both kinds mounted: here, we do not see the second one."""
    if Path("/sys/fs/cgroup/unified").is_mount():
        try:
            libc.umount("/sys/fs/cgroup/unified")
        except OSError as error:
            log.warning("cannot hide /sys/fs/cgroup/unified: %s", error)


# Until it serves.


async def wait_until_serving(layout: Layout, plan: AddressPlan, proxy_mode: str | None, timings: Timings) -> None:
    """API, nodes, Services, DNS. Raises ClusterError."""
    client = Client(load_kubeconfig(str(layout.kubeconfig)))
    try:
        async with asyncio.timeout(SECONDS):
            await _until(lambda: client.send("GET", "/readyz"), 0.005)
            timings.mark("API ready")
            await manifests.apply(client, proxy_mode, plan)
            await _until(lambda: _nodes_ready(client, len(plan.nodes)), 0.01)
            timings.mark(f"{len(plan.nodes)} nodes Ready")
            await _until(lambda: _system_pods_ready(client, len(plan.nodes)), 0.02)
            timings.mark("proxies and DNS running")
            for node in plan.nodes:
                await _until(lambda at=node.name: _service_answers(layout, plan, at), 0.01)  # type: ignore[misc]
            timings.mark("Services answer on every node")
            await _until(lambda: _dns_answers(layout, plan), 0.02)
            timings.mark("DNS answers")
    except TimeoutError:
        done = ", ".join(what for what, _ in timings.marks)
        text = f"not serving after {SECONDS:.0f} s (done: {done}); see {layout.run / 'logs'}"
        raise ClusterError(text) from None
    finally:
        await client.close()


class _NotYet(Exception):  # noqa: N818  # an answer, not a fault
    pass


async def _until(check: Callable[[], Any], pause: float) -> None:
    while True:
        try:
            await check()
        except (_NotYet, ApiError, OSError):
            await asyncio.sleep(pause)
        else:
            return


async def _nodes_ready(client: Client, count: int) -> None:
    nodes = await client.list("nodes", type=Node)
    ready = [
        node
        for node in nodes.items
        if any(each.type == "Ready" and each.status == "True" for each in node.status.conditions)
    ]
    if len(ready) < count:
        raise _NotYet


async def _system_pods_ready(client: Client, nodes: int) -> None:
    pods = await client.list("pods", type=dict[str, Any], namespace="kube-system")
    ready = 0
    for pod in pods.items:
        conditions = pod.get("status", {}).get("conditions") or ()
        ready += any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
    if ready < 2 * nodes:
        raise _NotYet


async def _service_answers(layout: Layout, plan: AddressPlan, node: str) -> None:
    """Whether the node's proxy has made its rules: that a pod is ready says that it has started."""

    def dial() -> None:
        socket.create_connection((plan.service_address, 443), timeout=0.1).close()

    await asyncio.to_thread(in_network, layout, node, dial)


async def _dns_answers(layout: Layout, plan: AddressPlan) -> None:
    """Asked from a node, by the Service's own address."""

    def ask() -> bool:
        name = b"".join(bytes([len(part)]) + part.encode() for part in f"kubernetes.default.svc.{DOMAIN}".split("."))
        family, kind = (socket.AF_INET6, 28) if ":" in plan.dns_address else (socket.AF_INET, 1)  # AAAA or A
        with socket.socket(family, socket.SOCK_DGRAM) as asking:
            asking.settimeout(0.2)
            asking.connect((plan.dns_address, 53))
            asking.send(struct.pack(">6H", 1, 0x0100, 1, 0, 0, 0) + name + b"\0" + struct.pack(">2H", kind, 1))
            answer = asking.recv(512)
            return not answer[3] & 15  # NOERROR: the name is there

    try:
        answered = await asyncio.to_thread(in_network, layout, plan.control_plane.name, ask)
    except OSError:
        answered = False
    if not answered:
        raise _NotYet
