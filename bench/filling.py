"""Many Services with hand-made endpoints, written to a cluster's API."""

import asyncio
import subprocess
import time
from collections.abc import Awaitable, Callable
from typing import Any

from bench.cluster import FAIRLEAD, NAME, Cluster
from fairlead.client.config import Config
from fairlead.client.rest import Client

ENDPOINTS, AT_ONCE = 5, 32
NAMESPACE = "bench"
Json = dict[str, Any]


async def fill(config: Config, numbers: range) -> None:
    """Services `s<number>` of ENDPOINTS endpoints each."""
    client = Client(config)
    if 0 in numbers:
        await client.create("namespaces", {"metadata": {"name": NAMESPACE}})
    await _all(numbers, lambda number: _make(client, number))
    await client.close()


async def _make(client: Client, number: int) -> None:
    name = f"s{number}"
    spec = {"ports": [{"port": 80, "protocol": "TCP"}], "clusterIP": cluster_ip(number)}
    await client.create("services", {"metadata": {"name": name}, "spec": spec}, NAMESPACE)
    body = {
        "metadata": {"name": name, "labels": {"kubernetes.io/service-name": name}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [f"10.{200 + each}.{number // 250}.{number % 250}"]} for each in range(ENDPOINTS)],
        "ports": [{"name": "", "port": 8080, "protocol": "TCP"}],
    }
    await client.create("endpointslices.discovery.k8s.io", body, NAMESPACE)


def cluster_ip(number: int) -> str:
    return f"10.{98 + number // 62500}.{number // 250 % 250}.{number % 250 + 2}"


async def _all(numbers: range, work: Callable[[int], Awaitable[None]]) -> None:
    left = iter(numbers)

    async def some() -> None:
        for number in left:
            await work(number)

    await asyncio.gather(*(some() for _ in range(AT_ONCE)))


def await_rules(running: Cluster, number: int) -> None:
    """Until every node has the Service of this number. Raises TimeoutError."""
    key = f"{{ {cluster_ip(number)} . tcp . 80 }}"
    for node in running.nodes:
        deadline = time.monotonic() + 60
        command = [FAIRLEAD, "exec", "--name", NAME, node, "--", "nft", "get", "element", "ip", "kube-proxy"]
        while subprocess.run([*command, "service-ips", key], capture_output=True, check=False).returncode:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{node} has no rule for Service {number}")
            time.sleep(0.1)
