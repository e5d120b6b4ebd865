"""The HTTP/1.1 client: pooled connections to one server, whole answers, streams, and upgraded connections."""

import asyncio
import ssl as tls
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import httptools

from fairlead.http.duplex import Duplex

# Tries of a connection. A kernel whose first SYN is lost sends the next a second later, which is long for a Service
# whose rules have come in the meantime.
CONNECT_SECONDS = (0.25, 0.5, 1.0, 2.0, 6.0)
REQUEST_SECONDS = 60.0
POOL = 16  # idle connections kept


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]  # names lowered
    body: bytes


@dataclass(frozen=True, slots=True)
class StreamedAnswer:
    """`chunks` yields the body as it arrives. `fields`: the headers as they came, in order, none joined to another."""

    status: int
    headers: dict[str, str]
    chunks: AsyncIterator[bytes]
    fields: list[tuple[str, str]]


class _Connection(asyncio.Protocol):
    """One connection; one request at a time."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.duplex: Duplex | None = None
        self._parser: httptools.HttpResponseParser
        self._head: asyncio.Future[tuple[int, dict[str, str]]] | None = None
        self._headers: dict[str, str] = {}
        self.fields: list[tuple[str, str]] = []
        self._arrived = asyncio.Event()
        self._chunks: list[bytes] = []
        self._complete = False
        self._keep_alive = False
        self.lost = False
        self.used = False

    @property
    def reusable(self) -> bool:
        return self._complete and not self.lost and self._keep_alive

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # uvloop's class is not asyncio's

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        if self._head is not None and not self._head.done():
            self._head.set_exception(ConnectionResetError("the server closed the connection"))
        if self.duplex is not None:
            self.duplex.feed_eof()
        self._arrived.set()

    def eof_received(self) -> bool:
        if self.duplex is not None:
            self.duplex.feed_eof()
            return self.transport is not None and self.transport.can_write_eof()
        return False

    def pause_writing(self) -> None:
        if self.duplex is not None:
            self.duplex.pause_writing()

    def resume_writing(self) -> None:
        if self.duplex is not None:
            self.duplex.resume_writing()

    def data_received(self, data: bytes) -> None:
        if self.duplex is not None:
            self.duplex.feed(data)
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            assert self.transport is not None
            self.duplex = Duplex(self.transport)
            if rest := data[upgrade.args[0] :]:
                self.duplex.feed(rest)
        except httptools.HttpParserError:
            if self.transport is not None:
                self.transport.abort()

    def on_header(self, name: bytes, value: bytes) -> None:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        self.fields.append((key, text))
        known = self._headers.get(key)
        self._headers[key] = text if known is None else f"{known}, {text}"

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status != 100 and self._head is not None and not self._head.done():
            self._head.set_result((status, self._headers))

    def on_body(self, body: bytes) -> None:
        self._chunks.append(body)
        self._arrived.set()

    def on_message_complete(self) -> None:
        if self._parser.get_status_code() == 100:
            return
        self._complete = True
        self._keep_alive = self._parser.should_keep_alive()  # behind this call the parser has forgotten the length
        self._arrived.set()

    async def send(self, data: bytes) -> tuple[int, dict[str, str]]:
        """Writes a request and waits for the head of its answer."""
        self._parser = httptools.HttpResponseParser(self)
        self._headers = {}
        self.fields = []
        self._chunks = []
        self._complete = False
        self._arrived.clear()
        self._head = asyncio.get_running_loop().create_future()
        if self.transport is None or self.lost:
            raise ConnectionResetError("the connection is closed")
        self.transport.write(data)
        return await self._head

    async def chunks(self) -> AsyncIterator[bytes]:
        while True:
            while self._chunks:
                yield self._chunks.pop(0)
            if self._complete:
                return
            if self.lost:
                raise ConnectionResetError("the answer is cut off")
            self._arrived.clear()
            await self._arrived.wait()

    async def body(self) -> bytes:
        return b"".join([chunk async for chunk in self.chunks()])

    def close(self) -> None:
        if self.transport is not None:
            self.transport.close()


class HttpClient:
    """Requests to one server. Raises OSError (ConnectionError, TimeoutError among them) when it does not answer."""

    def __init__(
        self,
        base: str,
        *,
        ssl: tls.SSLContext | None = None,
        headers: dict[str, str] | None = None,
        server_name: str | None = None,
    ) -> None:
        """`server_name`: whom the certificate must name, where that is not the host of `base`."""
        parts = urlsplit(base)
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._ssl = ssl if parts.scheme == "https" else None
        self._server_name = server_name if self._ssl is not None else None
        self._prefix = parts.path.rstrip("/")
        host = f"[{self._host}]" if ":" in self._host else self._host
        self._common = {"host": f"{host}:{self._port}", **(headers or {})}
        self._idle: list[_Connection] = []
        self._active: set[_Connection] = set()

    async def request(
        self,
        method: str,
        target: str,
        *,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
        seconds: float = REQUEST_SECONDS,
    ) -> Answer:
        """One whole answer. A kept connection that turns out closed is replaced once, before anything was answered."""
        data = self._render(method, target, headers or {}, body)
        async with asyncio.timeout(seconds):
            while True:
                connection = await self._take()
                fresh = not connection.used
                connection.used = True
                try:
                    status, answered = await connection.send(data)
                    content = b"" if method == "HEAD" else await connection.body()
                except ConnectionError:
                    self._drop(connection)
                    if fresh or method not in ("GET", "HEAD"):
                        raise
                    continue
                except BaseException:  # a cancellation, too: half an answer makes a connection useless
                    self._drop(connection)
                    raise
                self._give_back(connection)
                return Answer(status, answered, content)

    @asynccontextmanager
    async def stream(
        self, method: str, target: str, *, headers: dict[str, str] | None = None, body: bytes = b""
    ) -> AsyncIterator[StreamedAnswer]:
        """An answer read as it comes, on a connection of its own, closed on leaving."""
        connection = await self._connect()
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                status, answered = await connection.send(self._render(method, target, headers or {}, body))
            yield StreamedAnswer(status, answered, connection.chunks(), connection.fields)
        finally:
            self._drop(connection)

    async def upgrade(self, method: str, target: str, *, headers: dict[str, str]) -> tuple[Answer, Duplex | None]:
        """Asks for another protocol. With 101 the duplex is the caller's, to close; else the answer says why not."""
        connection = await self._connect()
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                status, answered = await connection.send(self._render(method, target, headers, b""))
                if status != 101:
                    content = await connection.body()
                    self._drop(connection)
                    return Answer(status, answered, content), None
        except BaseException:  # likewise
            self._drop(connection)
            raise
        self._active.discard(connection)
        if connection.duplex is None:
            assert connection.transport is not None
            connection.duplex = Duplex(connection.transport)
        return Answer(status, answered, b""), connection.duplex

    async def close(self) -> None:
        for connection in (*self._idle, *self._active):
            connection.close()
        self._idle.clear()

    async def _take(self) -> _Connection:
        while self._idle:
            connection = self._idle.pop()
            if not connection.lost:
                self._active.add(connection)
                return connection
        return await self._connect()

    async def _connect(self) -> _Connection:
        loop = asyncio.get_running_loop()
        for seconds in CONNECT_SECONDS:
            try:
                async with asyncio.timeout(seconds):
                    _, connection = await loop.create_connection(
                        _Connection, self._host, self._port, ssl=self._ssl, server_hostname=self._server_name
                    )
            except TimeoutError:
                continue
            self._active.add(connection)
            return connection
        raise TimeoutError(f"no connection to {self._host}:{self._port} in {sum(CONNECT_SECONDS):.0f} s")

    def _give_back(self, connection: _Connection) -> None:
        self._active.discard(connection)
        if connection.reusable and len(self._idle) < POOL:
            self._idle.append(connection)
        else:
            connection.close()

    def _drop(self, connection: _Connection) -> None:
        self._active.discard(connection)
        connection.close()

    def _render(self, method: str, target: str, headers: dict[str, str], body: bytes) -> bytes:
        lines = [f"{method} {self._prefix}{target} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in (self._common | headers).items()]
        if body or method in ("POST", "PUT", "PATCH"):
            lines.append(f"content-length: {len(body)}")
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def client_tls(ca: str | bytes | None, certificate: str | None = None, key: str | None = None) -> tls.SSLContext:
    """A client's context: the CA as a PEM file's path or as PEM bytes; certificate and key as paths."""
    context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    if ca is None:
        context.load_default_certs()
    elif isinstance(ca, bytes):
        context.load_verify_locations(cadata=ca.decode())
    else:
        context.load_verify_locations(ca)
    if certificate is not None:
        context.load_cert_chain(certificate, key)
    return context
