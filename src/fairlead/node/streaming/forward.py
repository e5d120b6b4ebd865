"""port-forward, the server's end: SPDY stream pairs (plain or inside WebSocket) and WebSocket channel pairs.

Source: kubelet `cri-client/pkg/streaming/portforward`, and KEP-4006 for SPDY inside WebSocket. A session holds no
socket. A *connection* is one that a client's program made to the forwarded port; sessions number them.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from fairlead.http import websocket
from fairlead.node.streaming import channels, spdy

PROTOCOL: Final = "portforward.k8s.io"


@dataclass(frozen=True, slots=True)
class Connect:
    """Dial this port in the pod."""

    connection: int
    port: int


@dataclass(frozen=True, slots=True)
class Received:
    connection: int
    data: bytes


@dataclass(frozen=True, slots=True)
class SendingDone:
    """The client's program closed its writing half."""

    connection: int


@dataclass(frozen=True, slots=True)
class Aborted:
    connection: int


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The client leaves, and all connections with it."""


Event = Connect | Received | SendingDone | Aborted | Disconnected


class ForwardSession(Protocol):
    def open(self) -> list[Event]: ...

    def receive(self, data: bytes) -> list[Event]:
        """Raises `spdy.RemoteProtocolError` or `websocket.RemoteProtocolError`; then the session is over."""

    def send(self, connection: int, data: bytes) -> None: ...

    def finish(self, connection: int, error: str = "") -> None:
        """The pod's side is at its end; `error` is what the client is told."""

    def take(self) -> bytes: ...


@dataclass(slots=True)
class _Pair:
    """The two streams of one connection; they come one after the other."""

    port: int
    data: int | None = None
    error: int | None = None


@dataclass(slots=True)
class SpdySession:
    """Stream pairs with the headers streamtype (data, error), port and requestid, in either order."""

    _spdy: spdy.Connection = field(default_factory=spdy.Connection)
    _pairs: dict[str, _Pair] = field(default_factory=dict)  # by requestid
    _by_stream: dict[int, str] = field(default_factory=dict)  # data stream → requestid
    _outgoing: bytearray = field(default_factory=bytearray)

    def open(self) -> list[Event]:
        return []

    def receive(self, data: bytes) -> list[Event]:
        events: list[Event] = []
        for event in self._spdy.receive(data):
            events += self._handle(event)
        return events

    def send(self, connection: int, data: bytes) -> None:
        self._outgoing += self._spdy.send(connection, data)

    def finish(self, connection: int, error: str = "") -> None:
        request = self._by_stream.pop(connection, None)
        if request is None:
            return
        pair = self._pairs.pop(request)
        if pair.error is not None:
            self._outgoing += self._spdy.send(pair.error, error.encode(), finish=True)
        self._outgoing += self._spdy.send(connection, b"", finish=True)

    def take(self) -> bytes:
        out = bytes(self._outgoing)
        self._outgoing.clear()
        return out

    def _handle(self, event: spdy.Event) -> list[Event]:
        match event:
            case spdy.StreamOpened(stream, headers, _):
                return self._opened(stream, headers.get("streamtype"), headers.get("port"), headers.get("requestid"))
            case spdy.DataReceived(stream, data, finished) if stream in self._by_stream:
                events: list[Event] = [Received(stream, data)] if data else []
                return [*events, SendingDone(stream)] if finished else events
            case spdy.StreamReset(stream, _) if stream in self._by_stream:
                return [Aborted(stream)]
            case spdy.PingReceived(number):
                self._outgoing += self._spdy.pong(number)
            case spdy.WentAway():
                return [Disconnected()]
        return []

    def _opened(self, stream: int, kind: str | None, port: str | None, request: str | None) -> list[Event]:
        if kind not in ("data", "error") or not _is_port(port):
            self._outgoing += self._spdy.reset(stream, spdy.Reset.REFUSED_STREAM)
            return []
        # Clients older than 1.2 send no requestid and open the error stream just before the data stream.
        request = request or str(stream if kind == "error" else stream - 2)
        pair = self._pairs.setdefault(request, _Pair(int(port or 0)))
        if getattr(pair, kind) is not None:
            self._outgoing += self._spdy.reset(stream, spdy.Reset.REFUSED_STREAM)
            return []
        setattr(pair, kind, stream)
        self._outgoing += self._spdy.reply(stream)
        if pair.data is None or pair.error is None:
            return []
        self._by_stream[pair.data] = request
        return [Connect(pair.data, pair.port)]


@dataclass(slots=True)
class TunnelSession:
    """SPDY inside the binary messages of a WebSocket: kubectl ≥ 1.31."""

    _inner: SpdySession = field(default_factory=SpdySession)
    _receiver: websocket.Receiver = field(default_factory=websocket.Receiver)
    _outgoing: bytearray = field(default_factory=bytearray)

    def open(self) -> list[Event]:
        return self._inner.open()

    def receive(self, data: bytes) -> list[Event]:
        events: list[Event] = []
        for event in self._receiver.receive(data):
            match event:
                case websocket.Message(websocket.Opcode.BINARY, payload):
                    events += self._inner.receive(payload)
                case websocket.Message():
                    raise websocket.RemoteProtocolError("a text message", websocket.CloseCode.UNSUPPORTED)
                case websocket.PingReceived(payload):
                    self._outgoing += websocket.encode(websocket.Opcode.PONG, payload)
                case websocket.Closed():
                    self._outgoing += websocket.close()
                    events.append(Disconnected())
        return events

    def send(self, connection: int, data: bytes) -> None:
        self._inner.send(connection, data)

    def finish(self, connection: int, error: str = "") -> None:
        self._inner.finish(connection, error)

    def take(self) -> bytes:
        if inner := self._inner.take():
            self._outgoing += websocket.encode(websocket.Opcode.BINARY, inner)
        out = bytes(self._outgoing)
        self._outgoing.clear()
        return out


@dataclass(slots=True)
class ChannelSession:
    """Port i of the query on channels 2i (data) and 2i+1 (error): the older WebSocket form, of the client libraries.

    Each channel starts with the port in two bytes, little-endian.
    """

    protocol: channels.Subprotocol
    ports: Sequence[int]
    _receiver: websocket.Receiver = field(default_factory=websocket.Receiver)
    _outgoing: bytearray = field(default_factory=bytearray)
    _left: set[int] = field(default_factory=set)  # connections that are not finished

    def open(self) -> list[Event]:
        events: list[Event] = []
        for number, port in enumerate(self.ports):
            for channel in (2 * number, 2 * number + 1):
                self._outgoing += channels.render(self.protocol, channel, struct.pack("<H", port))
            self._left.add(2 * number)
            events.append(Connect(2 * number, port))
        return events

    def receive(self, data: bytes) -> list[Event]:
        events: list[Event] = []
        for event in self._receiver.receive(data):
            match event:
                case websocket.Message():
                    events += self._message(channels.parse(self.protocol, event))
                case websocket.PingReceived(payload):
                    self._outgoing += websocket.encode(websocket.Opcode.PONG, payload)
                case websocket.Closed():
                    self._outgoing += websocket.close()
                    events.append(Disconnected())
        return events

    def send(self, connection: int, data: bytes) -> None:
        self._outgoing += channels.render(self.protocol, connection, data)

    def finish(self, connection: int, error: str = "") -> None:
        if connection not in self._left:
            return
        if error:
            self._outgoing += channels.render(self.protocol, connection + 1, error.encode())
        self._left.discard(connection)
        if not self._left:
            self._outgoing += websocket.close()

    def take(self) -> bytes:
        out = bytes(self._outgoing)
        self._outgoing.clear()
        return out

    def _message(self, message: channels.ChannelData | channels.ChannelClosed) -> list[Event]:
        if message.channel not in self._left:
            return []
        if isinstance(message, channels.ChannelClosed):
            return [SendingDone(message.channel)]
        return [Received(message.channel, message.data)] if message.data else []


def _is_port(text: str | None) -> bool:
    return text is not None and text.isascii() and text.isdigit() and 0 < int(text) < 1 << 16
