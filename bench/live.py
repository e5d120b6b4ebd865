"""From an endpoint's change in the API to the rules of every node, as `nft monitor` on each node sees it."""

import asyncio
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import uvloop

from bench.cluster import FAIRLEAD, NAME, Cluster, cluster
from bench.filling import await_rules, fill
from bench.result import Result
from fairlead.client.rest import Client

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
    seen: dict[str, list[float]] = {}
    nodes = running.nodes
    monitors = [await _monitor(node, seen) for node in nodes]
    delays, commits = [], []
    for number in numbers:
        began = time.monotonic()
        await client.update("endpointslices.discovery.k8s.io", {**_slice(number), **_named()})
        answered = time.monotonic()
        commits.append(answered - began)
        while len(seen.get(_address(number), ())) < len(nodes) and time.monotonic() < answered + 2:  # noqa: ASYNC110  # bounded
            await asyncio.sleep(0.0005)
        times = seen.get(_address(number), [])
        delays.append(max(0.0, max(times) - answered) if len(times) == len(nodes) else 2.0)
        await asyncio.sleep(0.01)
    for monitor, reader in monitors:
        reader.cancel()
        monitor.kill()
        await monitor.wait()
    await client.close()
    return delays, commits


def _named() -> dict[str, Any]:
    labels = {"kubernetes.io/service-name": "bench"}
    return {"metadata": {"name": "bench", "namespace": "default", "labels": labels}}


async def _monitor(node: str, seen: dict[str, list[float]]) -> tuple[asyncio.subprocess.Process, Any]:
    monitor = await asyncio.create_subprocess_exec(
        FAIRLEAD, "exec", "--name", NAME, node, "--", "nft", "monitor", "new", "elements", stdout=subprocess.PIPE
    )
    output = monitor.stdout
    assert output is not None

    async def read() -> None:
        while line := await output.readline():
            now = time.monotonic()
            text = line.decode()
            if "endpoints-tcp" in text and " : 10.244." in text:
                seen.setdefault(text.split(" : ")[1].split()[0], []).append(now)

    reader = asyncio.get_running_loop().create_task(read())
    await asyncio.sleep(1)
    return monitor, reader
