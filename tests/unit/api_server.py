"""The real API server, in this process and in memory, for controllers to work against; no kubelet and no TLS."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from fairlead.api.status import ApiError
from fairlead.apiserver.admission.webhooks import Webhooks
from fairlead.apiserver.allocation import Allocators
from fairlead.apiserver.authz import Authorizer
from fairlead.apiserver.bootstrap import ensure
from fairlead.apiserver.call import Api
from fairlead.apiserver.registry import Registry
from fairlead.apiserver.server import Answer, ApiServer
from fairlead.apiserver.tokens import Tokens
from fairlead.apiserver.tunnel import Kubelets
from fairlead.client.config import Config
from fairlead.client.rest import Client
from fairlead.http.server import Peer, Request, listen
from fairlead.store.memory import MemoryStore

Json = dict[str, Any]
IPV4, IPV6 = "10.96.0.0/12", "fd00:10:96::/112"
ADMIN = Peer("127.0.0.1", "admin", ("system:masters",))


@asynccontextmanager
async def in_memory(folder: Path, ranges: tuple[str, ...] = (IPV4,)) -> AsyncIterator[ApiServer]:
    """`folder` takes the tokens' key; `ranges` are the Services'."""
    key = ec.generate_private_key(ec.SECP256R1())
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "sa.key").write_bytes(key.private_bytes(*form))
    registry = Registry(MemoryStore())
    await registry.open()
    allocators = Allocators(registry.cache, ranges, (30000, 32767))
    tokens = Tokens(str(folder / "sa.key"), registry)
    kubelets = Kubelets(registry, ssl.create_default_context())
    api = Api(registry, Authorizer(registry.cache), tokens, allocators, kubelets, Webhooks(registry))
    address = "10.96.0.1" if ranges[0] == IPV4 else "fd00:10:96::1"
    await ensure(registry, allocators, address, "127.0.0.1" if ranges[0] == IPV4 else "fd00::1", 6443)
    try:
        yield ApiServer(api, {})
    finally:
        await registry.close()


@asynccontextmanager
async def api_server(folder: Path, ranges: tuple[str, ...] = (IPV4,)) -> AsyncIterator[Client]:
    """A client that may do everything."""
    async with in_memory(folder, ranges) as server, _listening(server) as client:
        yield client


@asynccontextmanager
async def _listening(server: ApiServer) -> AsyncIterator[Client]:
    async def as_admin(request: Request) -> Answer:
        request.peer = ADMIN
        return await server.handle(request)

    listening = await listen(as_admin, "127.0.0.1", 0)
    client = Client(Config(f"http://127.0.0.1:{listening.port}"))
    try:
        yield client
    finally:
        await client.close()
        await listening.close()


async def until(what: Callable[[], Awaitable[Any]], seconds: float = 5.0) -> Any:
    """The first true answer; an object that is not there yet counts as none. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while True:
            try:
                if found := await what():
                    return found
            except ApiError as error:
                if not error.is_not_found:
                    raise
            await asyncio.sleep(0.002)


async def add_node(client: Client, name: str, *, taints: tuple[Json, ...] = (), cpu: str = "4") -> None:
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}}}
    await client.create("nodes", {**node, "spec": {"taints": list(taints)}})
    amounts = {"cpu": cpu, "memory": "8Gi", "pods": "110"}
    conditions = [{"type": "Ready", "status": "True", "reason": "KubeletReady"}]
    status = {"capacity": amounts, "allocatable": amounts, "conditions": conditions}
    await client.patch("nodes", name, None, {"status": status}, subresource="status", type=dict)


async def make_ready(client: Client, pod: Json, *ips: str, ready: bool = True) -> None:
    moment = "2026-01-01T00:00:00Z"
    conditions = [{"type": "Ready", "status": "True" if ready else "False", "lastTransitionTime": moment}]
    status = {"phase": "Running", "podIP": ips[0], "podIPs": [{"ip": ip} for ip in ips], "conditions": conditions}
    metadata = pod["metadata"]
    await client.patch(
        "pods", metadata["name"], metadata["namespace"], {"status": status}, subresource="status", type=dict
    )


def deployment(name: str = "web", replicas: int = 3, image: str = "nginx:1", **spec: Any) -> Json:
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": image}]}},
            **spec,
        },
    }
