"""What the watcher answers: questions that need an upstream, and all that comes over TCP."""

import asyncio
import logging
import socket
import time
from collections.abc import AsyncIterator
from ipaddress import ip_address, ip_network

from fairlead.dns import logline
from fairlead.dns.chain import Chain, Resolution
from fairlead.dns.config.settings import Block
from fairlead.dns.messages import Ask
from fairlead.dns.responding import Turns, kind_of, question_of, refusal, udp_limit
from fairlead.dns.tally import Tally
from fairlead.dns.upstream.forwarder import Forwarder
from fairlead.dns.wire import Query, Rcode, Record, Reply, Type, WireError, decode_query, encode_reply
from fairlead.dns.zone import number_of
from fairlead.host.datagrams import host_of, port_of, send_from

log = logging.getLogger(__name__)

TCP_LIMIT = 65535
TCP_IDLE_SECONDS = 10.0
TCP_CONNECTIONS = 1000
TRANSFERRED_AT_ONCE = 500  # records of a zone in one message
NOT_YET = Reply(Rcode.SERVFAIL, authoritative=False)


class Serving:
    """`chain` and `forwarder` are replaced when the settings change; `ready` says that the index is complete."""

    def __init__(self, tally: Tally) -> None:
        self.chain: Chain | None = None
        self.forwarder: Forwarder | None = None
        self.ready = False
        self._tally = tally
        self._tasks: set[asyncio.Task[None]] = set()
        self._turn = 0
        self._open = 0

    async def resolve(self, query: Query, client: bytes) -> Resolution:
        """`client`: its address, packed."""
        reply = refusal(query)
        if reply is not None:
            return Resolution(reply)
        if self.chain is None or self.forwarder is None or (not self.ready and self.chain.is_own(query.name)):
            return Resolution(NOT_YET)
        steps = self.chain.resolve(question_of(query), number_of(client))
        dnssec_ok = query.edns is not None and query.edns.dnssec_ok
        try:
            ask = next(steps)
            while True:
                ask = steps.send(await self.forwarder.ask(ask, dnssec_ok=dnssec_ok))
        except StopIteration as end:
            found: Resolution = end.value
            return found

    # Over UDP, for the workers.

    def ask(self, message: Ask, sock: socket.socket) -> None:
        """`sock`: by which it came."""
        task = asyncio.get_running_loop().create_task(self._answer(message, sock))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, message: Ask, sock: socket.socket) -> None:
        began = time.perf_counter()
        try:
            query = decode_query(message.packet)
        except WireError:  # the worker has read it already
            return
        client = host_of(message.client)
        resolution = await self.resolve(query, client)
        data = self._finished(query, resolution, udp_limit(query))
        remote = (socket.inet_ntop(sock.family, client), port_of(message.client))
        self._count(query, resolution, "udp", remote, len(message.packet), data, time.perf_counter() - began)
        try:
            send_from(sock, data, message.client, message.destination)
        except OSError as error:
            log.debug("who asked is gone: %s", error)

    def _finished(self, query: Query, resolution: Resolution, limit: int) -> bytes:
        self._turn += 1
        return Turns(query, resolution, limit).at(self._turn)

    def _count(
        self,
        query: Query,
        resolution: Resolution,
        transport: str,
        remote: tuple[str, int],
        asked: int,
        data: bytes,
        seconds: float,
    ) -> None:
        family = 2 if ":" in remote[0] else 1
        kind = kind_of(query, resolution.reply, resolution, transport, family, asked, len(data))
        self._tally.hits[self._tally.number(kind)] += 1
        self._tally.took(seconds, 1)
        if resolution.block is not None and resolution.block.logs:
            flags = int.from_bytes(data[2:4], "big")
            logline.write(resolution.block, query, resolution.reply, flags, kind, remote, seconds)

    # Over TCP (RFC 7766).

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection; idle ones are closed, and no more than a bound are open."""
        if self._open >= TCP_CONNECTIONS:
            writer.close()
            return
        self._open += 1
        try:
            remote: tuple[str, int] = writer.get_extra_info("peername")[:2]
            while True:
                async with asyncio.timeout(TCP_IDLE_SECONDS):
                    length = int.from_bytes(await reader.readexactly(2), "big")
                    packet = await reader.readexactly(length)
                async for data in self._replies(packet, remote):
                    writer.write(len(data).to_bytes(2, "big") + data)
                    async with asyncio.timeout(TCP_IDLE_SECONDS):
                        await writer.drain()
        except (TimeoutError, asyncio.IncompleteReadError, ConnectionError, TypeError) as ended:
            log.debug("a TCP client ended: %r", ended)
        finally:
            self._open -= 1
            writer.close()

    async def _replies(self, packet: bytes, remote: tuple[str, int]) -> AsyncIterator[bytes]:
        began = time.perf_counter()
        try:
            query = decode_query(packet)
        except WireError as error:
            if error.reply is not None:
                yield error.reply
            raise ConnectionAbortedError("what came is no query") from error
        if query.type in (Type.AXFR, Type.IXFR):
            async for data in self._transfer(query, remote):
                yield data
            return
        resolution = await self.resolve(query, ip_address(remote[0].partition("%")[0]).packed)
        data = self._finished(query, resolution, TCP_LIMIT)
        self._count(query, resolution, "tcp", remote, len(packet), data, time.perf_counter() - began)
        yield data

    async def _transfer(self, query: Query, remote: tuple[str, int]) -> AsyncIterator[bytes]:
        """A whole zone, to who may have it (RFC 5936); IXFR gets it too, as RFC 1995 allows."""
        chain = self.chain
        block = chain.settings.block_for(query.name) if chain is not None else None
        answers = chain.answers_for(block) if chain is not None and block is not None else None
        kubernetes = block.kubernetes if block is not None else None
        own = kubernetes is not None and query.name in kubernetes.zones and not query.name.endswith(".arpa")
        if block is None or answers is None or not own or not _may_transfer(block, query.name, remote[0]):
            yield encode_reply(query, Reply(Rcode.REFUSED, authoritative=False), TCP_LIMIT)
            return
        if not self.ready:
            yield encode_reply(query, NOT_YET, TCP_LIMIT)
            return
        records: list[Record] = []
        for record in answers.transfer(query.name):
            records.append(record)
            if len(records) == TRANSFERRED_AT_ONCE:
                yield encode_reply(query, Reply(answers=tuple(records)), TCP_LIMIT)
                records = []
                await asyncio.sleep(0)
        yield encode_reply(query, Reply(answers=tuple(records)), TCP_LIMIT)


def _may_transfer(block: Block, zone: str, remote: str) -> bool:
    address = ip_address(remote.partition("%")[0])
    for transfer in block.transfers:
        if zone in transfer.zones or "" in transfer.zones:
            for peer in transfer.to:
                if peer == "*" or address in ip_network(peer, strict=False):
                    return True
    return False
