"""Questions to one name server: over UDP from changing ports, over TCP, and over TLS (RFC 7858)."""

import asyncio
import random
import secrets
import ssl
from typing import Protocol

from fairlead.dns.config.settings import Upstream
from fairlead.dns.wire import HEADER, QR, Reply, decode_reply, encode_query

SOCKETS = 8  # with ports of their own, so that an answer is hard to guess (RFC 5452)
CONNECT_SECONDS = 5.0


class _Pending:
    """Questions that wait, by id; an answer must repeat its question."""

    def __init__(self) -> None:
        self._waiting: dict[int, tuple[bytes, asyncio.Future[bytes]]] = {}

    def add(self, packet_for: "_PacketFor") -> tuple[bytes, asyncio.Future[bytes]]:
        ident = secrets.randbelow(1 << 16)
        while ident in self._waiting:
            ident = secrets.randbelow(1 << 16)
        packet = packet_for(ident)
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        future.add_done_callback(lambda _: self._waiting.pop(ident, None))
        self._waiting[ident] = packet[HEADER.size : packet.index(0, HEADER.size) + 5], future
        return packet, future

    def arrived(self, packet: bytes) -> None:
        if len(packet) < HEADER.size:
            return
        ident, flags, *_ = HEADER.unpack_from(packet)
        question, future = self._waiting.get(ident, (b"", None))
        same = packet[HEADER.size : HEADER.size + len(question)].lower() == question.lower()
        if future is not None and not future.done() and flags & QR and (same or len(packet) == HEADER.size):
            future.set_result(packet)

    def fail(self, error: Exception) -> None:
        for _, future in list(self._waiting.values()):
            if not future.done():
                future.set_exception(error)

    def __len__(self) -> int:
        return len(self._waiting)


class _PacketFor(Protocol):
    def __call__(self, ident: int, /) -> bytes: ...


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.pending = _Pending()
        self.transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # uvloop's class is not asyncio's

    def datagram_received(self, data: bytes, addr: object) -> None:
        self.pending.arrived(data)

    def error_received(self, exc: Exception) -> None:
        self.pending.fail(exc)

    def connection_lost(self, exc: Exception | None) -> None:
        self.pending.fail(exc or ConnectionResetError("the socket was closed"))


class _Stream(asyncio.Protocol):
    """Messages with their length before them, several on the way at once (RFC 7766)."""

    def __init__(self) -> None:
        self.pending = _Pending()
        self.transport: asyncio.Transport | None = None
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # uvloop's class is not asyncio's

    def data_received(self, data: bytes) -> None:
        self._rest += data
        while len(self._rest) >= 2 and len(self._rest) >= (size := 2 + int.from_bytes(self._rest[:2], "big")):
            self.pending.arrived(self._rest[2:size])
            self._rest = self._rest[size:]

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        self.pending.fail(exc or ConnectionResetError("the server closed the connection"))


class Connection:
    """To one upstream. `ask` raises OSError, TimeoutError, WireError."""

    def __init__(self, upstream: Upstream, tls: ssl.SSLContext | None, expire: float) -> None:
        """`tls`: for upstreams that are asked so; `expire`: seconds for which an idle connection is kept."""
        self.upstream = upstream
        self._tls = tls
        self._expire = expire
        self._sockets: list[tuple[float, _Datagrams]] = []
        self._stream: _Stream | None = None
        self._connecting: asyncio.Lock = asyncio.Lock()
        self._closer: asyncio.TimerHandle | None = None

    async def ask(
        self, name: str, qtype: int, *, dnssec_ok: bool, tcp: bool, seconds: float, recursion: bool = True
    ) -> Reply:
        """A truncated answer is asked for again over TCP."""

        def packet_for(ident: int) -> bytes:
            return encode_query(ident, name, qtype, recursion=recursion, dnssec_ok=dnssec_ok)

        if not tcp and self.upstream.transport == "dns":
            reply, truncated = decode_reply(await self._by_datagram(packet_for, seconds))
            if not truncated:
                return reply
        reply, _ = decode_reply(await self._by_stream(packet_for, seconds))
        return reply

    async def _by_datagram(self, packet_for: _PacketFor, seconds: float) -> bytes:
        protocol = await self._datagrams()
        packet, future = protocol.pending.add(packet_for)
        assert protocol.transport is not None
        protocol.transport.sendto(packet)
        async with asyncio.timeout(seconds):
            return await future

    async def _datagrams(self) -> _Datagrams:
        """One of a few sockets, each used for a while only."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        for opened, protocol in [each for each in self._sockets if now - each[0] > self._expire]:
            if not len(protocol.pending):
                self._sockets.remove((opened, protocol))
                _close(protocol)
        if len(self._sockets) >= SOCKETS:
            return random.choice(self._sockets)[1]
        address = (self.upstream.address, self.upstream.port)
        _, protocol = await loop.create_datagram_endpoint(_Datagrams, remote_addr=address)
        self._sockets.append((now, protocol))
        return protocol

    async def _by_stream(self, packet_for: _PacketFor, seconds: float) -> bytes:
        """Once more on a new connection, where the server has closed the old one meanwhile."""
        for fresh in (False, True):
            stream, is_new = await self._connected()
            packet, future = stream.pending.add(packet_for)
            assert stream.transport is not None
            stream.transport.write(len(packet).to_bytes(2, "big") + packet)
            try:
                async with asyncio.timeout(seconds):
                    return await future
            except (ConnectionError, ssl.SSLError):
                if is_new or fresh:
                    raise
        raise ConnectionResetError("the server closes every connection")

    async def _connected(self) -> tuple[_Stream, bool]:
        loop = asyncio.get_running_loop()
        async with self._connecting:
            if self._closer is not None:
                self._closer.cancel()
            self._closer = loop.call_later(self._expire, self._close_stream)
            if self._stream is not None and self._stream.transport is not None:
                return self._stream, False
            name = self.upstream.server_name or None
            async with asyncio.timeout(CONNECT_SECONDS):
                _, self._stream = await loop.create_connection(
                    _Stream,
                    self.upstream.address,
                    self.upstream.port,
                    ssl=self._tls if self.upstream.transport == "tls" else None,
                    server_hostname=(name or self.upstream.address) if self.upstream.transport == "tls" else None,
                )
            return self._stream, True

    def _close_stream(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None and stream.transport is not None:
            stream.transport.close()

    def close(self) -> None:
        if self._closer is not None:
            self._closer.cancel()
        self._close_stream()
        for _, protocol in self._sockets:
            _close(protocol)
        self._sockets.clear()


def _close(protocol: _Datagrams) -> None:
    if protocol.transport is not None:
        protocol.transport.close()
