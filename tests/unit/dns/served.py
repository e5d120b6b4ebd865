"""The DNS part itself, as its own processes, fed by the real API server in memory."""

import asyncio
import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dns.asyncquery
import dns.message
import dns.rdatatype
import yaml

from fairlead.api.status import ApiError
from fairlead.client.rest import Client
from tests.unit.api_server import until

Json = dict[str, Any]
ADDRESS = "127.0.0.1"
COREFILE = """\
.:53 {{
    errors
    health 127.0.0.1:{port}
    ready 127.0.0.1:{port}
    prometheus 127.0.0.1:{port}
    kubernetes cluster.local in-addr.arpa ip6.arpa {{
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
        ttl 30
    }}
    loop
    loadbalance
    {more}
}}
"""


def free_port() -> int:
    """Of UDP and TCP, below those that the kernel gives to clients: one who asks there early could meet itself."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.socket() as tcp:
            try:
                udp.bind((ADDRESS, port))
                tcp.bind((ADDRESS, port))
            except OSError:
                continue
            return port


@dataclass(slots=True)
class Served:
    """`port`: of DNS; its TCP port serves /metrics, /health and /ready one above."""

    client: Client
    port: int
    status: int
    pid: int
    log: Path

    async def ask(self, name: str, qtype: str = "A", **options: Any) -> dns.message.Message:
        query = dns.message.make_query(name, qtype, **options)
        return await dns.asyncquery.udp(query, ADDRESS, port=self.port, timeout=5)

    async def tcp(self, name: str, qtype: str = "A") -> dns.message.Message:
        query = dns.message.make_query(name, qtype)
        return await dns.asyncquery.tcp(query, ADDRESS, port=self.port, timeout=5)

    async def get(self, path: str) -> tuple[int, str]:
        reader, writer = await asyncio.open_connection(ADDRESS, self.status)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        head, _, body = (await reader.read()).decode().partition("\r\n\r\n")
        writer.close()
        return int(head.split()[1]), body

    def corefile(self, more: str = "") -> str:
        return COREFILE.format(port=self.status, more=more)

    async def configure(self, text: str) -> None:
        """As `kubectl apply`."""
        body = {"metadata": {"name": "coredns", "namespace": "kube-system"}, "data": {"Corefile": text}}
        try:
            await self.client.update("configmaps", body)
        except ApiError:
            await self.client.create("configmaps", body, "kube-system")

    def children(self) -> dict[str, int]:
        """Processes by name: `fl-dns-watch`, `fl-dns-worker0`."""
        pids = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return {Path(f"/proc/{pid}/comm").read_text().strip(): int(pid) for pid in pids}


@contextlib.asynccontextmanager
async def served(client: Client, folder: Path, more: str = "", workers: int = 1) -> AsyncIterator[Served]:
    """Ready to answer."""
    kubeconfig = folder / "kubeconfig"
    config = {
        "clusters": [{"name": "c", "cluster": {"server": client.config.server}}],
        "contexts": [{"name": "c", "context": {"cluster": "c"}}],
        "current-context": "c",
    }
    kubeconfig.write_text(yaml.safe_dump(config))
    port, log = free_port(), folder / "dns.log"
    status = free_port()
    while status == port:
        status = free_port()
    found = Served(client, port, status, 0, log)
    await found.configure(found.corefile(more))
    command = [sys.executable, "-m", "fairlead", "dns", f"--kubeconfig={kubeconfig}", f"--listen={ADDRESS}"]
    command += [f"--port={port}", f"--workers={workers}", "--node-name=node1"]
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    found.pid = process.pid
    try:

        async def ready() -> bool:
            assert process.poll() is None, log.read_text()
            try:
                return (await found.get("/ready"))[0] == 200
            except OSError:
                return False

        await until(ready, 20)
        yield found
    finally:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)
        process.kill()
        process.wait()


async def create_service(client: Client, name: str, address: str = "", namespace: str = "default", **spec: Any) -> None:
    ports = spec.pop("ports", [{"name": "http", "port": 80}])
    body: Json = {"metadata": {"name": name}, "spec": {"ports": ports, **spec}}
    if address:
        body["spec"]["clusterIP"] = address
    await client.create("services", body, namespace)


async def create_slice(client: Client, owner: str, *endpoints: Json, namespace: str = "default") -> None:
    body = {
        "metadata": {"name": f"{owner}-x", "labels": {"kubernetes.io/service-name": owner}},
        "addressType": "IPv4",
        "endpoints": list(endpoints),
        "ports": [{"name": "http", "port": 80, "protocol": "TCP"}],
    }
    await client.create("endpointslices.discovery.k8s.io", body, namespace)


def addresses(reply: dns.message.Message) -> list[str]:
    return [str(record) for rrset in reply.answer for record in rrset if rrset.rdtype == dns.rdatatype.A]


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
