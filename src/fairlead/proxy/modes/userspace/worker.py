"""What a process that carries connections is told by the proxy, and what it makes of it."""

import socket
import time
from collections.abc import Iterator

import msgspec

from fairlead.proxy.mode import Node
from fairlead.proxy.modes.userspace.balance import Balancer
from fairlead.proxy.modes.userspace.carry import Carrier, Target
from fairlead.services.model import ServicePort

MOST = 1 << 22  # bytes of one message: a Service with some ten thousand endpoints


class Known(msgspec.Struct, tag="known", array_like=True):
    """A service port as it is from now on; as bytes, for most are never dialled on this node."""

    port: int
    what: bytes


class Forgotten(msgspec.Struct, tag="forgotten", array_like=True):
    port: int


class Opened(msgspec.Struct, tag="opened", array_like=True):
    """The message brings the listener."""

    door: int
    port: int
    from_outside: bool


class Closed(msgspec.Struct, tag="closed", array_like=True):
    door: int


Message = Known | Forgotten | Opened | Closed
encode_port = msgspec.msgpack.Encoder().encode
_decode_port = msgspec.msgpack.Decoder(ServicePort).decode
_decode = msgspec.msgpack.Decoder(Message).decode


class Worker:
    """Ends when the proxy closes its end of `told`."""

    def __init__(self, told: socket.socket, node: Node) -> None:
        self._told = told
        self._node = node
        self._carrier = Carrier()
        self._known: dict[int, bytes] = {}
        self._balancers: dict[int, Balancer] = {}  # of ports that somebody has dialled

    def run(self) -> None:
        self._carrier.watch(self._told.fileno(), self._hear)
        self._carrier.run()

    def _hear(self) -> None:
        data, descriptors, _, _ = socket.recv_fds(self._told, MOST, 1)
        if not data:
            self._carrier.stop()
            return
        message = _decode(data)
        match message:
            case Known():
                self._learn(message)
            case Forgotten():
                self._known.pop(message.port, None)
                self._balancers.pop(message.port, None)
            case Opened():
                self._open(message, descriptors[0])
            case Closed():
                self._carrier.close(message.door)

    def _learn(self, message: Known) -> None:
        if (balancer := self._balancers.get(message.port)) is None:
            self._known[message.port] = message.what
        else:
            balancer.update(_decode_port(message.what))

    def _open(self, message: Opened, descriptor: int) -> None:
        number, outside = message.port, message.from_outside
        family = socket.AF_INET6 if self._node.family == "IPv6" else socket.AF_INET
        listener = socket.SocketType(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK, 0, fileno=descriptor)
        self._carrier.open(message.door, listener, lambda client: self._targets(number, client, outside))

    def _targets(self, number: int, client: str, from_outside: bool) -> Iterator[Target]:
        balancer = self._balancers.get(number)
        if balancer is None:
            port = _decode_port(self._known.pop(number))
            balancer = self._balancers[number] = Balancer(port, self._node, time.monotonic)
        return balancer.targets(client, from_outside=from_outside)
