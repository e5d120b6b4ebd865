"""Connections carried from a client to an endpoint: bytes as they come, ends and resets as they are."""

import asyncio
import logging
import socket
from collections.abc import Callable, Iterable
from typing import cast

log = logging.getLogger(__name__)

Target = tuple[str, int]
Client = tuple[str, int] | tuple[str, int, int, int]  # as the socket names it
Choose = Callable[[str], Iterable[Target]]  # the client's address → endpoints, in the order to try them

CONNECT_SECONDS = 2.0  # for one endpoint, then the next
UDP_IDLE_SECONDS = 30.0
DATAGRAM = 65535


class _Side(asyncio.Protocol):
    """One of the two connections. What it hears it says to the other; it listens no faster than that one takes."""

    def __init__(self, other: "_Side | None" = None) -> None:
        self.transport: asyncio.Transport | None = None
        self.other = other
        self.lost = False
        self._ended = False  # it will say nothing more
        self._early: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.write(data)
        else:
            self._early.append(data)

    def join(self, other: "_Side") -> None:
        """What was said before there was anybody to hear it is said now."""
        self.other = other
        assert other.transport is not None
        for data in self._early:
            other.transport.write(data)
        self._early.clear()
        if self._ended:
            other.transport.write_eof()

    def eof_received(self) -> bool:
        """Half of it goes on while the other direction may have more to say."""
        self._ended = True
        if self.other is None or self.other.transport is None:
            return True
        if self.other.transport.is_closing():
            return False
        self.other.transport.write_eof()
        if self.other._ended:  # noqa: SLF001  # of the same class
            self.other.transport.close()
            return False
        return True

    def pause_writing(self) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        self.lost = True
        if self.other is None or self.other.transport is None:
            return
        if error is None:
            self.other.transport.close()
        else:
            self.other.transport.abort()


class _Client(_Side):
    def __init__(self, choose: Choose, tasks: set[asyncio.Task[None]]) -> None:
        super().__init__()
        self._choose = choose
        self._tasks = tasks

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        assert self.transport is not None
        self.transport.pause_reading()  # until there is somebody to tell; a loop may have something read already
        task = asyncio.get_running_loop().create_task(self._reach())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _reach(self) -> None:
        assert self.transport is not None
        client = self.transport.get_extra_info("peername")
        loop = asyncio.get_running_loop()
        for address, port in self._choose(client[0]) if client else ():
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    transport, server = await loop.create_connection(lambda: _Side(self), address, port)
            except (OSError, TimeoutError) as error:
                log.debug("%s:%d does not take a connection: %s", address, port, error)
                continue
            if self.lost:
                transport.abort()
                return
            self.join(server)
            self.transport.resume_reading()
            return
        self.transport.abort()


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


class TcpDoor:
    """A listening socket and the connections that came by it."""

    def __init__(self, address: str, choose: Choose) -> None:
        self._socket = socket.socket(_family(address), socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        self._socket.bind((address, 0))
        self._socket.listen(1024)
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        loop = asyncio.get_running_loop()
        self._opening = loop.create_task(self._open(choose))  # clients that come earlier wait in the backlog

    @property
    def port(self) -> int:
        number: int = self._socket.getsockname()[1]
        return number

    def drop(self, gone: set[Target]) -> None:
        """Connections to endpoints that are gone end when their ends say so."""

    def close(self) -> None:
        """Nobody new; who is in may stay."""
        self._opening.cancel()
        if self._server is not None:
            self._server.close()
        else:
            self._socket.close()

    async def _open(self, choose: Choose) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Client(choose, self._tasks), sock=self._socket, backlog=1024)


class UdpDoor:
    """A socket for all clients, and one towards an endpoint for each of them."""

    def __init__(self, address: str, choose: Choose) -> None:
        self._choose = choose
        self._loop = asyncio.get_running_loop()
        self._socket = socket.socket(_family(address), socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.bind((address, 0))
        self._flows: dict[Client, _Flow] = {}
        self._loop.add_reader(self._socket, self._heard)
        self._timer = self._loop.call_later(UDP_IDLE_SECONDS, self._expire)

    @property
    def port(self) -> int:
        number: int = self._socket.getsockname()[1]
        return number

    def drop(self, gone: set[Target]) -> None:
        """What comes next from clients of endpoints that are gone is for others."""
        for client in [client for client, flow in self._flows.items() if flow.target in gone]:
            self._flows.pop(client).close()

    def close(self) -> None:
        self._timer.cancel()
        self._loop.remove_reader(self._socket)
        self._socket.close()
        for flow in self._flows.values():
            flow.close()
        self._flows.clear()

    def _heard(self) -> None:
        for _ in range(64):
            try:
                data, client = self._socket.recvfrom(DATAGRAM)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:  # an answer of ours did not arrive
                log.debug("udp: %s", error)
                continue
            flow = self._flows.get(client)
            if flow is None:
                target = next(iter(self._choose(client[0])), None)
                if target is None:
                    continue
                flow = self._flows[client] = _Flow(self._loop, self._socket, client, target)
            flow.send(data)

    def _expire(self) -> None:
        limit = self._loop.time() - UDP_IDLE_SECONDS
        for client in [client for client, flow in self._flows.items() if flow.used < limit]:
            self._flows.pop(client).close()
        self._timer = self._loop.call_later(UDP_IDLE_SECONDS / 4, self._expire)


class _Flow:
    """One client's datagrams to one endpoint, and the answers."""

    def __init__(self, loop: asyncio.AbstractEventLoop, front: socket.socket, client: Client, target: Target) -> None:
        self.target = target
        self.used = loop.time()
        self._loop = loop
        self._front = front
        self._client = client
        self._socket = socket.socket(_family(target[0]), socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.connect(target)
        loop.add_reader(self._socket, self._answered)

    def send(self, data: bytes) -> None:
        self.used = self._loop.time()
        try:
            self._socket.send(data)
        except OSError as error:  # refused before, or no room: datagrams may be lost
            log.debug("udp to %s: %s", self.target, error)

    def _answered(self) -> None:
        for _ in range(64):
            try:
                data = self._socket.recv(DATAGRAM)
                self._front.sendto(data, self._client)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                log.debug("udp from %s: %s", self.target, error)
                return
            self.used = self._loop.time()

    def close(self) -> None:
        self._loop.remove_reader(self._socket)
        self._socket.close()
