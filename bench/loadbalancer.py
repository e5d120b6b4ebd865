"""The load balancer's device beside the node ports that it stands before; how soon an address answers; a thousand load
balancers."""

import asyncio
import json
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import harmonic_mean, median
from typing import Any

import uvloop

from bench.cluster import NAME, Cluster, cluster
from bench.load import wrk
from bench.pods import LARGE
from bench.result import Result
from fairlead.client.rest import Client
from fairlead.cluster.enter import in_network
from fairlead.cluster.layout import Layout
from fairlead.host import namespaces, sysctl
from fairlead.loadbalancer.device.apply import Device
from fairlead.loadbalancer.device.plan import Planner
from fairlead.loadbalancer.model import Balanced, Frontend

ROUNDS, SECONDS = 5, 1
ASSIGNED, MANY = 40, 1000
SERVER, PORT = "192.168.109.101", 8088  # a process of node1
CONFIG = """
daemon off; master_process off; worker_processes 1; error_log {folder}/error.log crit; pid {folder}/nginx.pid;
events {{ worker_connections 4096; }}
http {{ access_log off; keepalive_requests 1000000; sendfile on;
       client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
       uwsgi_temp_path {folder}; scgi_temp_path {folder};
       server {{ listen {port} backlog=4096; root {folder}; location = / {{ return 200 "ok"; }} }} }}
"""


def run() -> Iterator[Result]:
    yield from _one_of_many()
    with cluster() as running, _server():
        # Connections of both ways come to the server from the same addresses and ports, one after the other. It knows a
        # new one by time stamps that are the clock's; with an offset for each address, many look old and wait (PAWS).
        sysctl.write({"net.ipv4.tcp_timestamps": "2"})
        yield from uvloop.run(_through_and_beside(running))
        yield from uvloop.run(_assigned(running))
        uvloop.run(_fill(running))
        used = next(each["pss"] for each in running.status()["processes"] if each["name"] == "loadbalancer")
        yield Result(f"memory with {MANY} load balancers", used / 1e6, "MB", target="≤ 100")


def _one_of_many() -> Iterator[Result]:
    """A change of one among many, in the kernel; in a network that has nothing else."""
    with tempfile.TemporaryDirectory() as name:
        namespaces.create(Path(name) / "lan", ["net"])
        took = namespaces.run_in(Path(name) / "lan/net", _changes)
        namespaces.remove(Path(name) / "lan")
    for share, what in ((0.5, "p50"), (0.99, "p99")):
        value = sorted(took)[int(len(took) * share)] * 1e3
        yield Result(f"change of one among {MANY}, {what}", value, "ms", target="≤ 5")


def _changes() -> list[float]:
    subprocess.run(["ip", "link", "add", "eth0", "type", "veth", "peer", "name", "other"], check=True)
    device, planner = Device("eth0"), Planner()
    nodes = {f"node{number}": (f"10.0.0.{number + 1}",) for number in range(20)}
    changes = planner.nodes(nodes, ()) | planner.everywhere(nodes)
    for number in range(MANY):
        changes |= planner.service(f"bench/{number}", _balanced(number, 80), ())
    device.apply(changes)
    took = []
    for number in range(300):
        balanced = _balanced(number, 81)
        began = time.perf_counter()
        device.apply(planner.service(f"bench/{number}", balanced, ()))
        took.append(time.perf_counter() - began)
    device.close()
    return took


def _balanced(number: int, port: int) -> Balanced:
    return Balanced((Frontend(f"198.18.{number >> 8}.{number & 255}", "TCP", port),))


@contextmanager
def _server() -> Iterator[None]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "nginx.conf").write_text(CONFIG.format(folder=folder, port=PORT))
        with (folder / "large").open("wb") as file:
            file.truncate(LARGE)
        folder.chmod(0o755)
        server = in_network(
            Layout(NAME), "node1", lambda: subprocess.Popen(["nginx", "-c", str(folder / "nginx.conf")])
        )
        try:
            yield
        finally:
            server.kill()
            server.wait()


async def _through_and_beside(running: Cluster) -> list[Result]:
    client = Client(running.config)
    await _create(client, "bench")
    service = await _shown(client, "bench")
    await client.close()
    address, number = _address(service), service["spec"]["ports"][0]["nodePort"]
    nodes = [each["address"] for each in running.status()["nodes"]]
    await asyncio.to_thread(_until_answered, address)
    return [
        _compared(what, [f"http://{each}:{number}{path}" for each in nodes], f"http://{address}{path}", headers, *unit)
        for what, path, headers, unit in (
            ("requests/s, connections kept", "/", (), (1.0, "1/s")),
            ("new connections/s", "/", ("Connection: close",), (1.0, "1/s")),
            ("Gbit/s", "/large", (), (LARGE * 8 / 1e9, "Gbit/s")),
        )
    ]


def _compared(what: str, beside: list[str], through: str, headers: tuple[str, ...], factor: float, unit: str) -> Result:
    """A round asks each node once, as the device spreads over all of them: one of them has the server itself, and takes
    half of the others' way. Of the rounds' ratios, the median."""
    peers, ratios = [], []
    for round_ in range(ROUNDS):
        rates: dict[str, list[float]] = {"beside": [], "through": []}
        for url in beside:
            pair = (("beside", url), ("through", through))
            for side, target in pair if round_ % 2 else pair[::-1]:
                rates[side].append(_load(target, headers))
        peers.append(harmonic_mean(rates["beside"]) * factor)
        ratios.append(harmonic_mean(rates["through"]) * factor / peers[-1])
    peer = median(peers)
    return Result(f"device: {what}", peer * median(ratios), unit, "the node ports", peer, "≥ 0.85 ×")


def _load(url: str, headers: tuple[str, ...]) -> float:
    return wrk(url, connections=4 if url.endswith("/large") else 16, seconds=SECONDS, headers=headers).rate


async def _assigned(running: Cluster) -> list[Result]:
    client = Client(running.config)
    shown, served = [], []
    for number in range(ASSIGNED):
        began = time.monotonic()
        await _create(client, f"one-{number}")
        committed = time.monotonic()
        address = _address(await _shown(client, f"one-{number}"))
        shown.append(time.monotonic() - committed)
        await asyncio.to_thread(_until_answered, address)
        served.append(time.monotonic() - committed)
        commit = committed - began
        await client.delete("services", f"one-{number}", "default")
    await client.close()
    found = [Result("address in the status, p50", sorted(shown)[ASSIGNED // 2] * 1e3, "ms", "commit", commit * 1e3)]
    for share, what in ((0.5, "p50"), (0.99, "p99")):
        value = sorted(served)[int(ASSIGNED * share)] * 1e3
        found.append(Result(f"assigned and serving, {what}", value, "ms", target="≤ 300"))
    return found


async def _fill(running: Cluster) -> None:
    client = Client(running.config)
    config = await client.get("configmaps", "load-balancer", "kube-system", type=dict[str, Any])
    wider = re.sub(r"pools:\n", "pools:\n- {name: wide, addresses: [198.18.0.0/20]}\n", config["data"]["config.yaml"])
    body = {"data": {"config.yaml": wider}}
    await client.patch("configmaps", "load-balancer", "kube-system", body, type=dict[str, Any])
    for start in range(0, MANY, 50):
        await asyncio.gather(*(_create(client, f"many-{number}") for number in range(start, start + 50)))
    await _shown(client, f"many-{MANY - 1}")
    await asyncio.sleep(3)
    await client.close()


async def _create(client: Client, name: str) -> None:
    """Its endpoint first, so that it serves as soon as it can."""
    labels = {"kubernetes.io/service-name": name}
    slice_ = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": name, "labels": labels},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [SERVER], "nodeName": "node1"}],
        "ports": [{"name": "", "port": PORT, "protocol": "TCP"}],
    }
    ports = [{"port": 80, "targetPort": PORT, "protocol": "TCP"}]
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"type": "LoadBalancer", "ports": ports},
    }
    await client.create("endpointslices.discovery.k8s.io", slice_, "default")
    await client.create("services", service, "default")


async def _shown(client: Client, name: str) -> dict[str, Any]:
    async with asyncio.timeout(20):
        while True:
            service = await client.get("services", name, "default", type=dict[str, Any])
            if service["status"]["loadBalancer"].get("ingress"):
                return service
            await asyncio.sleep(0.002)


def _address(service: dict[str, Any]) -> str:
    return str(service["status"]["loadBalancer"]["ingress"][0]["ip"])


def _until_answered(address: str) -> None:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        command = ["curl", "-s", "--max-time", "0.2", f"http://{address}/"]
        if subprocess.run(command, capture_output=True, check=False).returncode == 0:
            return
    raise RuntimeError(json.dumps({"address": address, "answers": False}))
