"""Connections that nginx does not speak for: TCP and UDP Services by port, and TLS that goes to pods unopened.

One endpoint in turn for each connection; what is open goes on when endpoints or ports change.
"""

import asyncio
import contextlib
import ipaddress
import itertools
import logging
from collections.abc import Callable, Mapping

from fairlead.ingress.plan.client_hello import Incomplete, server_name
from fairlead.ingress.plan.streams import Stream

log = logging.getLogger(__name__)

CHUNK = 1 << 16
CONNECT_SECONDS, HELLO_SECONDS = 5.0, 5.0
UDP_IDLE = 60.0  # seconds that a client's flow is remembered
MOST_FLOWS = 10_000
Address = tuple[str, int]
Endpoints = Callable[[Stream], tuple[Address, ...]]


class Streams:
    """`endpoints` is asked for each connection, so that a change of them holds at once."""

    def __init__(self, addresses: tuple[str, ...], endpoints: Endpoints) -> None:
        self._addresses = addresses
        self._endpoints = endpoints
        self._turn = itertools.count()
        self._tcp: dict[int, tuple[Stream, list[asyncio.Server]]] = {}
        self._udp: dict[int, tuple[Stream, list[asyncio.DatagramTransport]]] = {}

    async def set_tcp(self, wanted: Mapping[int, Stream]) -> list[str]:
        """What is wrong, by the ports that cannot be had."""
        faults = []
        for port in [each for each in self._tcp if self._tcp[each][0] != wanted.get(each)]:
            for server in self._tcp.pop(port)[1]:
                server.close()
        for port, stream in wanted.items():
            if port not in self._tcp:
                try:
                    servers = [await self._listen(address, port, stream) for address in self._addresses]
                except OSError as error:
                    faults.append(f"port {port}: {error}")
                    continue
                self._tcp[port] = (stream, servers)
        return faults

    async def set_udp(self, wanted: Mapping[int, Stream]) -> list[str]:
        faults = []
        for port in [each for each in self._udp if self._udp[each][0] != wanted.get(each)]:
            for transport in self._udp.pop(port)[1]:
                transport.close()
        for port, stream in wanted.items():
            if port not in self._udp:
                made = []
                try:
                    for address in self._addresses:
                        made.append(await self._open_udp(address, port, stream))
                except OSError as error:
                    faults.append(f"port {port}: {error}")
                    continue
                self._udp[port] = (stream, made)
        return faults

    async def close(self) -> None:
        await self.set_tcp({})
        await self.set_udp({})

    async def _listen(self, address: str, port: int, stream: Stream) -> asyncio.Server:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await relay(reader, writer, self._pick(stream), b"", announce=stream.send_proxy)

        return await asyncio.start_server(serve, address or None, port, backlog=1024)

    async def _open_udp(self, address: str, port: int, stream: Stream) -> asyncio.DatagramTransport:
        def make() -> _Flows:
            return _Flows(lambda: self._pick(stream))

        local = (address or "0.0.0.0", port)
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(make, local_addr=local)
        return transport

    def _pick(self, stream: Stream) -> Address | None:
        found = self._endpoints(stream)
        return found[next(self._turn) % len(found)] if found else None


class Passthrough:
    """Listens where TLS comes in: names that are passed on go to their pods, all else to nginx, which is told by the
    PROXY protocol who the client is."""

    def __init__(self, nginx: Address, endpoints: Callable[[str], tuple[Address, ...] | None]) -> None:
        """`endpoints` of a name; None: it is nginx's."""
        self._nginx = nginx
        self._endpoints = endpoints
        self._turn = itertools.count()

    async def serve(self, address: str, port: int) -> None:
        server = await asyncio.start_server(self._one, address or None, port, backlog=4096)
        async with server:
            await server.serve_forever()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        data, name = b"", ""
        try:
            async with asyncio.timeout(HELLO_SECONDS):
                while True:
                    chunk = await reader.read(CHUNK)
                    data += chunk
                    try:
                        name = server_name(data)
                    except Incomplete:
                        if chunk and len(data) < CHUNK:
                            continue
                    break
        except (TimeoutError, OSError):
            writer.close()
            return
        found = self._endpoints(name.lower().rstrip("."))
        if found is None:
            await relay(reader, writer, self._nginx, data, announce=True)
        else:
            target = found[next(self._turn) % len(found)] if found else None
            await relay(reader, writer, target, data, announce=False)


async def relay(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: Address | None, first: bytes, *, announce: bool
) -> None:
    """Both ways until both have ended. `announce`: with the PROXY protocol's line (version 1)."""
    if target is None:
        writer.close()
        return
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            far_reader, far_writer = await asyncio.open_connection(target[0].strip("[]"), target[1])
    except (OSError, TimeoutError) as error:
        log.info("%s:%d is not reached: %s", *target, error)
        writer.close()
        return
    if announce:
        far_writer.write(_announcement(writer))
    far_writer.write(first)
    try:
        await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))
    finally:
        far_writer.close()
        writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
    with contextlib.suppress(OSError, RuntimeError):
        if writer.can_write_eof():
            writer.write_eof()


def _announcement(writer: asyncio.StreamWriter) -> bytes:
    source, own = writer.get_extra_info("peername"), writer.get_extra_info("sockname")
    family = "TCP6" if ipaddress.ip_address(source[0]).version == 6 else "TCP4"
    return f"PROXY {family} {source[0]} {own[0]} {source[1]} {own[1]}\r\n".encode()


class _Flows(asyncio.DatagramProtocol):
    """One port's clients: each has a socket of its own to its endpoint."""

    def __init__(self, pick: Callable[[], Address | None]) -> None:
        self._pick = pick
        self._flows: dict[Address, tuple[asyncio.DatagramTransport, asyncio.TimerHandle]] = {}
        self._opening: set[asyncio.Task[None]] = set()
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # uvloop's class is not asyncio's

    def datagram_received(self, data: bytes, address: Address) -> None:
        known = self._flows.get(address)
        if known is not None:
            known[1].cancel()
            self._keep(address, known[0])
            known[0].sendto(data)
        elif len(self._flows) < MOST_FLOWS:
            task = asyncio.get_running_loop().create_task(self._open(data, address))
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    async def _open(self, data: bytes, client: Address) -> None:
        target = self._pick()
        if target is None or self._transport is None:
            return
        back = _Back(self._transport, client)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: back, remote_addr=(target[0].strip("[]"), target[1]))
        self._keep(client, transport)
        transport.sendto(data)

    def _keep(self, client: Address, transport: asyncio.DatagramTransport) -> None:
        timer = asyncio.get_running_loop().call_later(UDP_IDLE, self._forget, client)
        self._flows[client] = (transport, timer)

    def _forget(self, client: Address) -> None:
        self._flows.pop(client)[0].close()

    def connection_lost(self, exc: Exception | None) -> None:
        for transport, timer in self._flows.values():
            timer.cancel()
            transport.close()
        self._flows.clear()


class _Back(asyncio.DatagramProtocol):
    """Answers to one client."""

    def __init__(self, front: asyncio.DatagramTransport, client: Address) -> None:
        self._front = front
        self._client = client

    def datagram_received(self, data: bytes, _: Address) -> None:
        self._front.sendto(data, self._client)
