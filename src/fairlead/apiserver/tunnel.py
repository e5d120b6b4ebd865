"""The way to a node's agent: logs, exec, attach, port-forward and `nodes/proxy`.

Bytes are passed on as they are: SPDY and WebSocket are spoken by the client and the agent, not here.
"""

import asyncio
import contextlib
import ssl
from typing import Any
from urllib.parse import urlencode

from fairlead.api.resources import NODES
from fairlead.api.status import ApiError, bad_request, internal, not_found
from fairlead.apiserver.registry import Registry
from fairlead.http.client import HttpClient
from fairlead.http.duplex import Duplex
from fairlead.http.server import Request, Stream, StreamWriter, Upgrade

Json = dict[str, Any]

PASSED_ON = (
    "upgrade",
    "connection",
    "x-stream-protocol-version",
    "sec-websocket-key",
    "sec-websocket-version",
    "sec-websocket-protocol",
    "sec-websocket-extensions",
    "accept",
)
ANSWERED = (
    "upgrade",
    "connection",
    "x-stream-protocol-version",
    "sec-websocket-accept",
    "sec-websocket-protocol",
    "sec-websocket-extensions",
)


class Kubelets:
    """Connections to agents, with the server's own client certificate."""

    def __init__(self, registry: Registry, tls: ssl.SSLContext) -> None:
        self._registry = registry
        self._tls = tls

    def address(self, node: str) -> str:
        """`https://192.168.109.101:10250`. Raises ApiError (404, 500)."""
        entry = self._registry.find(NODES, None, node)
        if entry is None:
            raise not_found(NODES, node)
        status = entry.decode().get("status", {})
        port = status.get("daemonEndpoints", {}).get("kubeletEndpoint", {}).get("Port", 10250)
        for address in status.get("addresses", ()):
            if address["type"] == "InternalIP":
                host = f"[{address['address']}]" if ":" in address["address"] else address["address"]
                return f"https://{host}:{port}"
        raise internal(f"node {node} has no address yet")

    async def stream(self, node: str, path: str, query: list[tuple[str, str]], request: Request) -> Stream:
        """A GET whose answer is passed on as it comes."""
        client = HttpClient(self.address(node), ssl=self._tls)
        target = f"{path}?{urlencode(query)}" if query else path
        context = client.stream(request.method, target, body=request.body)
        try:
            answer = await context.__aenter__()
        except OSError as error:
            raise _unreachable(node, error) from error
        media = answer.headers.get("content-type", "text/plain")
        if answer.status >= 400:
            body = b"".join([chunk async for chunk in answer.chunks])
            await context.__aexit__(None, None, None)
            raise ApiError(answer.status, _reason(answer.status), body.decode(errors="replace").strip())

        async def produce(writer: StreamWriter) -> None:
            try:
                with contextlib.suppress(ConnectionError):
                    async for chunk in answer.chunks:
                        writer.write(chunk)
                        await writer.drain()
            finally:
                await context.__aexit__(None, None, None)

        return Stream(produce, answer.status, media)

    async def upgrade(self, node: str, path: str, query: list[tuple[str, str]], request: Request) -> Upgrade:
        """Raises ApiError for a request that is no upgrade, or that the agent refuses."""
        if "upgrade" not in request.headers.get("connection", "").lower():
            raise bad_request("Upgrade request required")
        client = HttpClient(self.address(node), ssl=self._tls)
        headers = {name: request.headers[name] for name in PASSED_ON if name in request.headers}
        target = f"{path}?{urlencode(query)}" if query else path
        try:
            answer, agent = await client.upgrade(request.method, target, headers=headers)
        except OSError as error:
            raise _unreachable(node, error) from error
        if agent is None:
            message = answer.body.decode(errors="replace").strip()
            raise ApiError(answer.status, _reason(answer.status), message)

        async def run(caller: Duplex) -> None:
            await join(caller, agent)

        passed = [(name.title(), answer.headers[name]) for name in ANSWERED if name in answer.headers]
        return Upgrade(run, passed)


async def join(left: Duplex, right: Duplex) -> None:
    """Passes bytes both ways until either side has ended and the other has been told."""

    async def copy(source: Duplex, target: Duplex) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await source.read():
                target.write(data)
                await target.drain()

    copies = [asyncio.ensure_future(copy(left, right)), asyncio.ensure_future(copy(right, left))]
    try:
        await asyncio.wait(copies, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in copies:
            task.cancel()
        left.close()
        right.close()


def _unreachable(node: str, error: OSError) -> ApiError:
    return internal(f"error dialing backend: {node}: {error or type(error).__name__}")


def _reason(status: int) -> str:
    return {400: "BadRequest", 403: "Forbidden", 404: "NotFound"}.get(status, "InternalError")
