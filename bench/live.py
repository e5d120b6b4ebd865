"""From an endpoint's change in the API to the rules of every node, as the kernel of each node tells it."""

import asyncio
import re
import socket
import time
from collections.abc import Iterator
from typing import Any

import uvloop

from bench.cluster import NAME, Cluster, cluster
from bench.filling import await_rules, fill
from bench.result import Result
from fairlead.client.rest import Client
from fairlead.cluster.enter import in_network
from fairlead.cluster.layout import Layout
from fairlead.host.nft_watch import ADD_MEMBERSHIP, GROUP_NFTABLES, NETLINK_NETFILTER, SOL_NETLINK

CHANGES, MANY = 200, 10_000
SERVICE: dict[str, Any] = {
    "metadata": {"name": "bench"},
    "spec": {"clusterIP": "10.97.1.1", "ports": [{"port": 80, "protocol": "TCP"}]},
}


def _slice(number: int) -> dict[str, Any]:
    """Two endpoints, one of which is another each time."""
    return {
        "metadata": {"name": "bench", "labels": {"kubernetes.io/service-name": "bench"}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["10.244.9.1"]}, {"addresses": [_address(number)]}],
        "ports": [{"name": "", "port": 80, "protocol": "TCP"}],
    }


def _address(number: int) -> str:
    return f"10.244.{10 + number // 250}.{1 + number % 250}"


def run() -> Iterator[Result]:
    with cluster() as running:
        uvloop.run(_create(running))
        yield from _delays(running, "", range(1, CHANGES + 1))
        uvloop.run(fill(running.config, range(MANY)))
        await_rules(running, MANY - 1)
        time.sleep(5)
        yield from _delays(running, f", {MANY} Services × 5", range(CHANGES + 1, 2 * CHANGES + 1))


def _delays(running: Cluster, among: str, numbers: range) -> Iterator[Result]:
    delays, commits = uvloop.run(_measure(running, numbers))
    for name, share in (("p50", 0.5), ("p99", 0.99)):
        value, commit = (sorted(each)[int(len(each) * share)] * 1e3 for each in (delays, commits))
        target = "≤ 10" if name == "p99" else ""
        yield Result(f"endpoint change in every kernel{among}, {name}", value, "ms", "the API's commit", commit, target)


async def _create(running: Cluster) -> None:
    client = Client(running.config)
    await client.create("services", SERVICE, "default")
    await client.create("endpointslices.discovery.k8s.io", _slice(0), "default")
    await client.close()


async def _measure(running: Cluster, numbers: range) -> tuple[list[float], list[float]]:
    """Seconds from the answer of each change to the last node's rules, and from its request to its answer."""
    client = Client(running.config)
    seen: dict[str, dict[str, float]] = {}
    nodes = running.nodes
    monitors = [_Monitor(node, seen) for node in nodes]
    delays, commits = [], []
    for number in numbers:
        began = time.monotonic()
        await client.update("endpointslices.discovery.k8s.io", {**_slice(number), **_named()})
        answered = time.monotonic()
        commits.append(answered - began)
        while len(seen.get(_address(number), ())) < len(nodes) and time.monotonic() < answered + 2:  # noqa: ASYNC110  # bounded
            await asyncio.sleep(0.0005)
        times = seen.get(_address(number), {}).values()
        delays.append(max(0.0, max(times) - answered) if len(times) == len(nodes) else 2.0)
        await asyncio.sleep(0.01)
    for monitor in monitors:
        monitor.close()
    await client.close()
    return delays, commits


def _named() -> dict[str, Any]:
    labels = {"kubernetes.io/service-name": "bench"}
    return {"metadata": {"name": "bench", "namespace": "default", "labels": labels}}


class _Monitor:
    """Notes when a node's kernel has an element with an address: from its messages, as nft(8) would read all that is
    there first. `seen`: address → node → when."""

    def __init__(self, node: str, seen: dict[str, dict[str, float]]) -> None:
        self._node = node
        self._seen = seen
        self._socket = in_network(Layout(NAME), node, self._listen)
        asyncio.get_running_loop().add_reader(self._socket, self._hear)

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()

    @staticmethod
    def _listen() -> socket.socket:
        made = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, NETLINK_NETFILTER)
        made.bind((0, 0))
        made.setsockopt(SOL_NETLINK, ADD_MEMBERSHIP, GROUP_NFTABLES)
        return made

    def _hear(self) -> None:
        now = time.monotonic()
        data = self._socket.recv(1 << 20)
        for found in re.finditer(rb"\x0a\xf4..", data, re.DOTALL):  # 10.244.0.0/16
            self._seen.setdefault(socket.inet_ntoa(found[0]), {}).setdefault(self._node, now)
