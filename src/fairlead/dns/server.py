"""The sockets: DNS over UDP and TCP (RFC 1035 4.2, RFC 7766), one answer function behind both."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass

from fairlead.dns.wire import Query, Rcode, Reply, Type, WireError, decode_query, encode_reply

log = logging.getLogger(__name__)

Answer = Callable[[str, int, int], Reply]
Observe = Callable[[Query, Reply, str, int], None]  # query, reply, "udp" or "tcp", bytes sent

TCP_LIMIT = 65535
TCP_IDLE_SECONDS = 10.0
ANY_PORT_TRIES = 16
TCP_CONNECTIONS = 1000
OPCODE_QUERY = 0


@dataclass(frozen=True, slots=True)
class Responder:
    """From packet to packet. Pure but for what `answer` and `observe` do."""

    answer: Answer
    observe: Observe

    def respond(self, packet: bytes, transport: str) -> bytes | None:
        """None: say nothing, as to responses and to what is too short to hold an id."""
        try:
            query = decode_query(packet)
        except WireError as error:
            return error.reply
        reply = self._reply(query)
        limit = query.udp_limit if transport == "udp" else TCP_LIMIT
        data = encode_reply(query, reply, limit)
        self.observe(query, reply, transport, len(data))
        return data

    def _reply(self, query: Query) -> Reply:
        if query.opcode != OPCODE_QUERY:
            return Reply(Rcode.NOTIMP, authoritative=False)
        if query.edns is not None and query.edns.version != 0:
            return Reply(Rcode.BADVERS, authoritative=False)
        if query.type == Type.AXFR:
            return Reply(Rcode.REFUSED, authoritative=False)
        return self.answer(query.name, query.type, query.klass)


class UdpServer(asyncio.DatagramProtocol):
    def __init__(self, responder: Responder) -> None:
        self._respond = responder.respond
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # uvloop's class is not asyncio's

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        reply = self._respond(data, "udp")
        if reply is not None and self._transport is not None:
            self._transport.sendto(reply, addr)

    def error_received(self, exc: Exception) -> None:
        log.debug("a client's port is gone: %s", exc)


class TcpServer:
    """Length-prefixed messages, several to a connection; idle ones are closed, and no more than a bound are open."""

    def __init__(self, responder: Responder) -> None:
        self._respond = responder.respond
        self._open = 0

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._open >= TCP_CONNECTIONS:
            writer.close()
            return
        self._open += 1
        try:
            await self._converse(reader, writer)
        except (TimeoutError, asyncio.IncompleteReadError, ConnectionError) as ended:
            log.debug("a TCP client ended: %r", ended)
        finally:
            self._open -= 1
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            async with asyncio.timeout(TCP_IDLE_SECONDS):
                length = int.from_bytes(await reader.readexactly(2), "big")
                packet = await reader.readexactly(length)
            reply = self._respond(packet, "tcp")
            if reply is None:
                return
            writer.write(len(reply).to_bytes(2, "big") + reply)
            async with asyncio.timeout(TCP_IDLE_SECONDS):
                await writer.drain()


@dataclass(slots=True)
class Listening:
    """The open sockets of one address."""

    udp: asyncio.DatagramTransport
    tcp: asyncio.Server

    def close(self) -> None:
        self.udp.close()
        self.tcp.close()


async def listen(responder: Responder, host: str, port: int) -> Listening:
    """Opens both sockets; with port 0 (tests) on any port that both can have. Raises OSError where the address is
    taken; then neither stays open."""
    for _ in range(ANY_PORT_TRIES if port == 0 else 0):
        with contextlib.suppress(OSError):
            return await _listen(responder, host, 0)
    return await _listen(responder, host, port)


async def _listen(responder: Responder, host: str, port: int) -> Listening:
    loop = asyncio.get_running_loop()
    udp, _ = await loop.create_datagram_endpoint(lambda: UdpServer(responder), local_addr=(host, port))
    try:
        taken = udp.get_extra_info("sockname")[1]
        tcp = await asyncio.start_server(TcpServer(responder).handle, host, taken)
    except OSError:
        udp.close()
        raise
    return Listening(udp, tcp)
