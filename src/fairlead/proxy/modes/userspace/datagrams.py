"""Datagrams carried from clients to endpoints, and the answers back."""

import asyncio
import logging
import socket

from fairlead.proxy.modes.userspace.carry import Choose, Target, family

log = logging.getLogger(__name__)

Client = tuple[str, int] | tuple[str, int, int, int]  # as the socket names it

UDP_IDLE_SECONDS = 30.0
DATAGRAM = 65535


class UdpDoor:
    """A socket for all clients, and one towards an endpoint for each of them."""

    def __init__(self, address: str, choose: Choose) -> None:
        self._choose = choose
        self._loop = asyncio.get_running_loop()
        self._socket = socket.socket(family(address), socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
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
        self._socket = socket.socket(family(target[0]), socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
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
