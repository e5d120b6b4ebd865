"""A cluster that is none of ours but for its API server: nodes, Services and slices are written by hand, no controller
and no agent runs, and who serves load balancers may do what its manifest says and nothing else."""

import asyncio
import contextlib
import json
import socket
import subprocess
import threading
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import yaml

from fairlead.api.resources import BY_KIND
from fairlead.api.status import ApiError
from fairlead.apiserver.server import Answer
from fairlead.client.config import Config
from fairlead.client.rest import Client
from fairlead.http.server import Request, listen
from tests.loadbalancer.lan import CLIENT, NODES, VIPS, Lan
from tests.unit.api_server import ADMIN, IPV4, IPV6, in_memory

T = TypeVar("T")
Json = dict[str, Any]
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
FAIRLEAD = EXAMPLES.parent / ".venv/bin/fairlead"
SYSTEM = "kube-system"
POOLS = f"""\
apiVersion: loadbalancer.fairlead.dev/v1alpha1
kind: LoadBalancerConfiguration
defaultClass: {{class}}
pools:
- {{{{name: lan, class: {{class}}, addresses: [{VIPS["IPv4"]}, "{VIPS["IPv6"]}"]}}}}
"""


class Foreign:
    """Calls are synchronous; the API server has the client's address on the LAN, and a thread of its own. The manifest
    has the ServiceAccount of those who serve the class."""

    def __init__(self, lan: Lan, folder: Path, manifest: str, class_: str) -> None:
        self.lan = lan
        self._pools = POOLS.format_map({"class": class_})
        self._folder = folder
        self._documents: list[Json] = list(yaml.safe_load_all((EXAMPLES / manifest).read_text()))
        self._account = next(each["metadata"]["name"] for each in self._documents if each["kind"] == "ServiceAccount")
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=lambda: lan.run("client", self._loop.run_forever), daemon=True)
        self._stack = contextlib.AsyncExitStack()
        self._parts: dict[str, subprocess.Popen[bytes]] = {}

    def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)

    @contextlib.contextmanager
    def running(self) -> Iterator["Foreign"]:
        self._thread.start()
        self.call(self._serve())
        for name, addresses in NODES.items():
            self.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}})
            told = [{"type": "InternalIP", "address": each} for each in addresses]
            self.patch("nodes", name, {"status": {"addresses": told}}, None, "status")
        for each in self._documents:
            if each["kind"] not in ("DaemonSet", "ConfigMap"):
                self.apply(each)
        config = {"name": "load-balancer", "namespace": SYSTEM}
        self.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": config, "data": {"config.yaml": self._pools}})
        try:
            yield self
        finally:
            for role in list(self._parts):
                self.kill(role)
            self.call(self._stack.aclose())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(5)

    async def _serve(self) -> None:
        """With a second door for this test, who may do everything; and each node's proxy says that it is well."""

        async def as_admin(request: Request) -> Answer:
            request.peer = ADMIN
            return await server.handle(request)

        async def well(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            await writer.drain()
            writer.close()

        server = await self._stack.enter_async_context(in_memory(self._folder, (IPV4, IPV6)))
        listening = await listen(server.handle, CLIENT[0], 0)
        self._server = f"http://{CLIENT[0]}:{listening.port}"
        door = await listen(as_admin, CLIENT[0], 0)
        self._client = Client(Config(f"http://{CLIENT[0]}:{door.port}"))
        for each in (listening.close, door.close, self._client.close):
            self._stack.push_async_callback(each)
        for node in NODES:
            made = self.lan.run(node, lambda: socket.create_server(("", 10256)))
            self._stack.callback((await asyncio.start_server(well, sock=made)).close)

    # Who serves.

    def start(self, role: str, *options: str) -> None:
        """`fairlead loadbalancer` on a machine of the LAN."""
        token, _ = self.call(self._client.token(SYSTEM, self._account))
        named = {"name": "x", "cluster": {"server": self._server}}
        context = {"name": "x", "context": {"cluster": "x", "user": "x"}}
        users = [{"name": "x", "user": {"token": token}}]
        kubeconfig = self._folder / "kubeconfig"
        document = {"current-context": "x", "clusters": [named], "contexts": [context], "users": users}
        kubeconfig.write_text(json.dumps(document))
        command = [
            "nsenter",
            f"--net={self.lan.path(role)}",
            str(FAIRLEAD),
            "loadbalancer",
            f"--kubeconfig={kubeconfig}",
        ]
        with self._log(role).open("ab") as log:
            self._parts[role] = subprocess.Popen([*command, *options], stderr=log)

    def kill(self, role: str) -> None:
        process = self._parts.pop(role)
        process.kill()
        process.wait(5)

    def log(self, role: str) -> str:
        return self._log(role).read_text()

    def _log(self, role: str) -> Path:
        return self._folder / f"{role}.log"

    # The API.

    def apply(self, obj: Json) -> Json:
        resource = BY_KIND[obj["apiVersion"], obj["kind"]].qualified
        return self.call(self._client.create(resource, obj, obj["metadata"].get("namespace")))

    def patch(self, resource: str, name: str, body: Json, namespace: str | None = "default", sub: str = "") -> Json:
        return self.call(self._client.patch(resource, name, namespace, body, subresource=sub, type=dict[str, Any]))

    def get(self, resource: str, name: str, namespace: str = "default") -> Json:
        return self.call(self._client.get(resource, name, namespace, type=dict[str, Any]))

    def has(self, resource: str, name: str, namespace: str = "default") -> bool:
        try:
            self.get(resource, name, namespace)
        except ApiError as error:
            if not error.is_not_found:
                raise
            return False
        return True

    def delete(self, resource: str, name: str, namespace: str | None = "default") -> None:
        self.call(self._client.delete(resource, name, namespace))

    def reasons(self, name: str) -> list[str]:
        """Of the events about an object."""
        listed = self.call(self._client.list("events", type=dict[str, Any]))
        return [each["reason"] for each in listed.items if each["involvedObject"]["name"] == name]
