"""The HTTP/1.1 server: an asyncio protocol on httptools, with TLS and client certificates.

ASGI cannot hand a handler the raw connection behind `Upgrade: SPDY/3.1`, which kubectl up to 1.30 uses; here a handler
answers with a `Response`, a `Stream` that it goes on writing, or an `Upgrade` that takes the connection over.
"""

import asyncio
import contextlib
import logging
import ssl as tls
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import parse_qs, unquote

import httptools

from fairlead.http.duplex import Duplex

log = logging.getLogger(__name__)

EVERYWHERE = ("", "0.0.0.0", "::")
MAX_BODY = 3 << 20  # bytes; the limit of Kubernetes' API server
IDLE_SECONDS = 300.0
COPIED = 64 << 10  # bytes; a longer body is not copied to stand behind its head
_REASONS = {status.value: status.phrase for status in HTTPStatus}
_STATUS_LINES = {code: f"HTTP/1.1 {code} {phrase}\r\n".encode() for code, phrase in _REASONS.items()}


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end: the address, and what a verified client certificate says."""

    address: str
    common_name: str | None = None
    organizations: tuple[str, ...] = ()


class Request:
    """One request. `oversized`: the body was over the limit and is not there."""

    def __init__(self, method: str, target: str, headers: dict[str, str], peer: Peer) -> None:
        self.method = method
        self.target = target
        self.raw_path, _, self.raw_query = target.partition("?")
        self.headers = headers  # names lowered
        self.peer = peer
        self.body = b""
        self.oversized = False

    @property
    def path(self) -> str:
        return unquote(self.raw_path) if "%" in self.raw_path else self.raw_path

    @cached_property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(self.raw_query, keep_blank_values=True) if self.raw_query else {}

    def parameter(self, name: str) -> str | None:
        """The first value of a query parameter."""
        values = self.query.get(name)
        return values[0] if values else None

    def listed(self, name: str) -> list[str]:
        """A header as the list that it is (RFC 9110, 5.6.1); `name` lowered."""
        return [each.strip() for each in self.headers.get(name, "").split(",") if each.strip()]

    def flag(self, name: str) -> bool:
        """A boolean query parameter as Go's strconv reads it; an empty value means true."""
        value = self.parameter(name)
        return value is not None and value.lower() in ("", "1", "t", "true")


Headers = list[tuple[str, str]]


@dataclass(slots=True)
class Response:
    status: int = 200
    body: bytes | list[bytes] = b""
    content_type: str = "application/json"
    headers: Headers = field(default_factory=list)


class StreamWriter(Protocol):
    """Writes pieces of one response. What a slow reader has not taken yet is `buffered`, in bytes."""

    @property
    def buffered(self) -> int: ...

    def write(self, data: bytes) -> None:
        """One piece, sent at once. Nothing happens when the peer is gone: the producer is being cancelled then."""

    async def drain(self) -> None: ...


class _Chunks:
    """The pieces are chunks (RFC 9112, 7.1)."""

    def __init__(self, connection: "_Connection") -> None:
        self._connection = connection

    @property
    def buffered(self) -> int:
        transport = self._connection.transport
        return 0 if transport is None else transport.get_write_buffer_size()

    def write(self, data: bytes) -> None:
        transport = self._connection.transport
        if data and transport is not None and not transport.is_closing():
            transport.write(b"%x\r\n%b\r\n" % (len(data), data))

    async def drain(self) -> None:
        await self._connection.writable.wait()


@dataclass(slots=True)
class Stream:
    """A response of unknown length: `produce` writes it, and is cancelled when the client leaves."""

    produce: Callable[[StreamWriter], Awaitable[None]]
    status: int = 200
    content_type: str = "application/json"
    headers: Headers = field(default_factory=list)


@dataclass(slots=True)
class Upgrade:
    """`101 Switching Protocols`; then the connection belongs to `run`, and is closed when it returns."""

    run: Callable[[Duplex], Awaitable[None]]
    headers: Headers


Handler = Callable[[Request], Awaitable[Response | Stream | Upgrade]]


class _Connection(asyncio.Protocol):
    """One connection: parses requests, runs them one after another, writes what the handler gives."""

    def __init__(self, server: "Server") -> None:
        self._server = server
        self._parser = httptools.HttpRequestParser(self)
        self.transport: asyncio.Transport | None = None
        self.writable = asyncio.Event()
        self.writable.set()
        self._peer = Peer("")
        self._waiting: list[Request] = []
        self._task: asyncio.Task[None] | None = None
        self._duplex: Duplex | None = None
        self._early: list[bytes] = []
        self._upgrading = False
        self._target = b""
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._size = 0

    # The transport's calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # uvloop's class is not asyncio's
        self._peer = _peer(transport)
        self._server.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.connections.discard(self)
        self.transport = None
        self.writable.set()
        if self._duplex is not None:
            self._duplex.feed_eof()
        elif self._task is not None:
            self._task.cancel()

    def pause_writing(self) -> None:
        self.writable.clear()
        if self._duplex is not None:
            self._duplex.pause_writing()

    def resume_writing(self) -> None:
        self.writable.set()
        if self._duplex is not None:
            self._duplex.resume_writing()

    def eof_received(self) -> bool:
        if self._duplex is not None:
            self._duplex.feed_eof()
            return _half_closes(self.transport)  # what the other side still says must get through
        return False

    def data_received(self, data: bytes) -> None:
        if self._duplex is not None:
            self._duplex.feed(data)
            return
        if self._upgrading:
            self._early.append(data)
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._upgrading = True
            self._early.append(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            log.debug("not HTTP from %s: %s", self._peer.address, error)
            self._refuse(400, "Bad Request")

    # The parser's calls.

    def on_message_begin(self) -> None:
        self._target = b""
        self._headers = {}
        self._body = []
        self._size = 0

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        key = _lowered(name)
        text = value.decode("latin-1")
        known = self._headers.get(key)
        self._headers[key] = text if known is None else f"{known}, {text}"

    def on_headers_complete(self) -> None:
        if self._headers.get("expect", "").lower() == "100-continue" and self.transport is not None:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        self._size += len(body)
        if self._size <= self._server.max_body:
            self._body.append(body)

    def on_message_complete(self) -> None:
        method = self._parser.get_method().decode()
        request = Request(method, self._target.decode("latin-1"), self._headers, self._peer)
        request.oversized = self._size > self._server.max_body
        request.body = b"" if request.oversized else b"".join(self._body)
        self._body = []
        keep_alive = self._parser.should_keep_alive()
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run(request, keep_alive))
        else:
            self._waiting.append(request)  # pipelined

    # One request after another.

    async def _run(self, request: Request, keep_alive: bool) -> None:
        while True:
            try:
                answer = await self._server.handler(request)
            except asyncio.CancelledError:
                return
            except Exception:  # a handler's own fault, which none expects: this request fails, the server goes on
                log.exception("%s %s failed", request.method, request.target)
                answer = Response(500, b"internal error\n", "text/plain")
            goes_on = await self._send(answer, request, keep_alive)
            if not goes_on or not self._waiting:
                break
            request = self._waiting.pop(0)
        self._task = None
        if not goes_on and self.transport is not None:
            self.transport.close()

    async def _send(self, answer: Response | Stream | Upgrade, request: Request, keep_alive: bool) -> bool:
        """True when the connection can carry another request."""
        transport = self.transport
        if transport is None:
            return False
        match answer:
            case Response():
                keep_alive = keep_alive and not self._upgrading
                _write(transport, answer, request.method == "HEAD", keep_alive)
                return keep_alive
            case Stream():
                transport.write(_head(answer.status, answer.content_type, answer.headers, "transfer-encoding: chunked"))
                return await self._stream(answer, transport) and keep_alive
            case Upgrade():
                head = "".join(f"{name}: {value}\r\n" for name, value in answer.headers)
                transport.write(b"HTTP/1.1 101 Switching Protocols\r\n" + head.encode("latin-1") + b"\r\n")
                self._duplex = Duplex(transport)
                for data in self._early:
                    if data:
                        self._duplex.feed(data)
                with contextlib.suppress(ConnectionError):
                    await answer.run(self._duplex)
                return False

    async def _stream(self, answer: Stream, transport: asyncio.Transport) -> bool:
        try:
            await answer.produce(_Chunks(self))
        except asyncio.CancelledError:
            return False
        except Exception:  # likewise, with the head sent already
            log.exception("a stream broke")
            return False  # no final chunk: the client sees that it is cut
        if not transport.is_closing():
            transport.write(b"0\r\n\r\n")
        return True

    def _refuse(self, status: int, text: str) -> None:
        if self.transport is not None:
            _write(self.transport, Response(status, text.encode(), "text/plain"), False, False)
            self.transport.close()

    def abort(self) -> None:
        if self._task is not None:
            self._task.cancel()
        if self.transport is not None:
            self.transport.close()


@dataclass(slots=True)
class Server:
    """Listening. `port` is the real one where 0 was asked for."""

    handler: Handler
    max_body: int
    connections: set[_Connection] = field(default_factory=set)
    sockets: list[asyncio.Server] = field(default_factory=list)

    @property
    def port(self) -> int:
        port: int = self.sockets[0].sockets[0].getsockname()[1]
        return port

    async def close(self) -> None:
        """Stops listening and drops every connection."""
        for server in self.sockets:
            server.close()
        for connection in list(self.connections):
            connection.abort()
        await asyncio.sleep(0)


async def listen(
    handler: Handler,
    host: str | Sequence[str],
    port: int,
    *,
    ssl: tls.SSLContext | None = None,
    max_body: int = MAX_BODY,
) -> Server:
    """Serves until closed. `host`: an address, or several; `0.0.0.0`, `::` or an empty one is all of both families, as
    with Go's net.Listen. Raises OSError where one is taken."""
    server = Server(handler, max_body)
    where = None if host in EVERYWHERE else host
    loop = asyncio.get_running_loop()
    server.sockets.append(
        await loop.create_server(
            lambda: _Connection(server), where, port, ssl=ssl, backlog=1024, reuse_address=True, start_serving=True
        )
    )
    return server


def server_tls(certificate: str, key: str, client_ca: str | None = None) -> tls.SSLContext:
    """A server's context from PEM files; with `client_ca`, certificates of clients are asked for and verified."""
    context = tls.SSLContext(tls.PROTOCOL_TLS_SERVER)
    context.minimum_version = tls.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    context.set_alpn_protocols(["http/1.1"])
    if client_ca is not None:
        context.load_verify_locations(client_ca)
        context.verify_mode = tls.CERT_OPTIONAL
    return context


def _peer(transport: asyncio.BaseTransport) -> Peer:
    name: Any = transport.get_extra_info("peername")
    address = str(name[0]) if isinstance(name, tuple) else ""
    certificate = transport.get_extra_info("peercert") or {}
    names = [pair for part in certificate.get("subject", ()) for pair in part]
    common_name = next((value for key, value in names if key == "commonName"), None)
    return Peer(address, common_name, tuple(value for key, value in names if key == "organizationName"))


def _half_closes(transport: asyncio.Transport | None) -> bool:
    """TLS cannot be closed on one side only."""
    return transport is not None and transport.can_write_eof()


@lru_cache(maxsize=512)
def _lowered(name: bytes) -> str:
    return name.decode("latin-1").lower()


def _head(status: int, content_type: str, headers: Headers, length: str) -> bytes:
    line = _STATUS_LINES.get(status) or f"HTTP/1.1 {status} \r\n".encode()
    extra = "".join([f"{name}: {value}\r\n" for name, value in headers]) if headers else ""
    return line + f"content-type: {content_type}\r\n{length}\r\n{extra}\r\n".encode("latin-1", "replace")


def _write(transport: asyncio.Transport, response: Response, head_only: bool, keep_alive: bool) -> None:
    pieces = [response.body] if isinstance(response.body, bytes) else response.body
    size = sum(map(len, pieces))
    length = f"content-length: {size}" + ("" if keep_alive else "\r\nconnection: close")
    head = _head(response.status, response.content_type, response.headers, length)
    if head_only:
        transport.write(head)
    elif size < COPIED:
        transport.write(b"".join((head, *pieces)))
    else:
        transport.writelines((head, *pieces))
