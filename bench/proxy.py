"""The proxy's modes: one endpoint's change and a full load, plan and kernel together, beside kube-proxy's ways.

The peer is what kube-proxy does in the same place: a script by nft(8). bench/iptables has that mode.
"""

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from statistics import median

from bench.result import Result
from fairlead.host import cgroup2, namespaces
from fairlead.proxy.mode import Mode, Node
from fairlead.proxy.modes.ebpf import EbpfMode, Programs
from fairlead.proxy.modes.nftables import nftables
from fairlead.services.model import Endpoint, ServicePort, ServicePortName

ENDPOINTS, CHANGES = 5, 200
NODE = Node("node1", "10.244.0.0/16", "10.96.0.0/12", "192.168.109.101")
Services = dict[str, tuple[ServicePort, ...]]


def run() -> Iterator[Result]:
    with tempfile.TemporaryDirectory() as folder:
        for count in (1_000, 10_000, 30_000):
            yield from _measure("nftables", count, Path(folder) / f"n{count}", _nftables, CHANGES, "< 0.1")
            yield from _sockets(count, Path(folder) / f"e{count}")


def _nftables(namespace: Path) -> Mode:
    return namespaces.run_in(namespace, lambda: nftables(NODE))


def _measure(
    name: str, count: int, folder: Path, make: Callable[[Path], Mode], changes: int, target: str
) -> Iterator[Result]:
    namespaces.create(folder, ["net"])
    try:
        mode = make(folder / "net")
        everything = dict(service(number, 0) for number in range(count))
        began = time.perf_counter()
        mode.apply(everything)
        load = time.perf_counter() - began
        delays = []
        for number in range(changes):
            key, ports = service(number * (count // changes), number + 1)
            began = time.perf_counter()
            mode.apply({key: ports})
            delays.append(time.perf_counter() - began)
        change = sorted(delays)[len(delays) // 2] * 1e3
        peer, what = _peer(folder / "net")
        yield Result(f"{name}, {count} Services × {ENDPOINTS}: one endpoint changes", change, "ms", what, peer, target)
        target = "< 1.5" if (name, count) == ("nftables", 10_000) else ""
        yield Result("  full load", load, "s", "", None, target)
        again = make(folder / "net")
        began = time.perf_counter()
        again.apply(everything)
        yield Result("  taking over what is there", time.perf_counter() - began, "s", "a full load", load, target)
    finally:
        namespaces.remove(folder)


class _Timed:
    """A mode, and the seconds that it took."""

    def __init__(self, mode: Mode) -> None:
        self._mode = mode
        self.restart, self.owns, self.clean_up = mode.restart, mode.owns, mode.clean_up
        self.seconds = 0.0

    @property
    def known(self) -> Iterable[str]:
        return self._mode.known

    def apply(self, changes: Services) -> None:
        began = time.perf_counter()
        self._mode.apply(changes)
        self.seconds += time.perf_counter() - began


def _sockets(count: int, folder: Path) -> Iterator[Result]:
    """The eBPF mode: until sockets of the node and its pods meet the change, and until packets from outside do, too."""
    namespaces.create(folder, ["net"])
    cgroup = (cgroup2.mounted() or Path("/nowhere")) / f"bench-{os.getpid()}-{time.time_ns()}"
    cgroup.mkdir()
    behind = _Timed(namespaces.run_in(folder / "net", lambda: nftables(NODE)))
    mode = EbpfMode(Programs(cgroup, "IPv4"), behind, NODE)

    def measured(changes: Services) -> tuple[float, float]:
        began, before = time.perf_counter(), behind.seconds
        mode.apply(changes)
        whole = time.perf_counter() - began
        return whole - (behind.seconds - before), whole

    try:
        load, both = measured(dict(service(number, 0) for number in range(count)))
        delays = [measured(dict([service(number * (count // CHANGES), number + 1)])) for number in range(CHANGES)]
        change, whole = (median(each) * 1e3 for each in zip(*delays, strict=True))
        peer, what = _peer(folder / "net")
        name = f"ebpf, {count} Services × {ENDPOINTS}: one endpoint changes"
        yield Result(name, change, "ms", what, peer, "< 0.05")
        yield Result("  and for packets from outside", whole, "ms", what, peer)
        yield Result("  full load", load, "s", "", None, "< 1.5" if count == 10_000 else "")
        yield Result("  and for packets from outside", both, "s")
    finally:
        mode.clean_up()
        cgroup2.remove(cgroup)
        namespaces.remove(folder)


def _peer(namespace: Path) -> tuple[float, str]:
    """Milliseconds of what another proxy would run for the same change."""
    script = "add element ip kube-proxy hairpin-connections { 10.0.0.1 . 10.0.0.1 }\n"
    argv = ["nsenter", f"--net={namespace}", "--", "nft", "-f", "-"]
    began = time.perf_counter()
    subprocess.run(argv, input=script, text=True, check=True, capture_output=True)
    return (time.perf_counter() - began) * 1e3, "nft -f of one element"


def service(number: int, generation: int) -> tuple[str, tuple[ServicePort, ...]]:
    """The last of its endpoints is another in each generation."""
    endpoints = [Endpoint(f"10.{200 + n}.{number // 250}.{number % 250}", 8080, node="node2") for n in range(ENDPOINTS)]
    if generation:
        endpoints[-1] = Endpoint(f"10.244.{generation // 250}.{generation % 250}", 8080, node="node2")
    address = f"10.{96 + number // 62500}.{number // 250 % 250}.{number % 250 + 2}"
    port = ServicePort(ServicePortName("bench", f"s{number}", "", "TCP"), address, 80, endpoints=tuple(endpoints))
    return f"bench/s{number}", (port,)
