"""exec and attach, the server's end: one interface, once over SPDY streams and once over WebSocket channels.

Source: kubelet `cri-client/pkg/streaming` and client-go `tools/remotecommand`. A session holds no socket: feed it bytes
with `receive`, write what `take` returns.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from fairlead.http import websocket
from fairlead.node.streaming import channels, spdy
from fairlead.node.streaming.resize import Resized, ResizeReader

Json = dict[str, Any]

# What SPDY clients offer in X-Stream-Protocol-Version. v1 ends in another way, and nobody is left to speak it.
SPDY_PROTOCOLS: Final = ("v2.channel.k8s.io", "v3.channel.k8s.io", "v4.channel.k8s.io")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the request's query asked for."""

    stdin: bool
    stdout: bool
    stderr: bool
    tty: bool


@dataclass(frozen=True, slots=True)
class Ready:
    """All streams are there: start the command."""


@dataclass(frozen=True, slots=True)
class Stdin:
    data: bytes


@dataclass(frozen=True, slots=True)
class StdinClosed:
    pass


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The client is leaving; the command may go on, as in Kubernetes."""


Event = Ready | Stdin | StdinClosed | Resized | Disconnected


class CommandSession(Protocol):
    def open(self) -> list[Event]:
        """What is known before the first byte."""

    def receive(self, data: bytes) -> list[Event]:
        """Raises `spdy.RemoteProtocolError` or `websocket.RemoteProtocolError`; then the session is over."""

    def stdout(self, data: bytes) -> None: ...

    def stderr(self, data: bytes) -> None: ...

    def finish(self, status: Json) -> None:
        """The command ended, with a Status object as `succeeded`, `exited` and `failed` make it. The last call."""

    def take(self) -> bytes:
        """What is to be written to the client now."""


def succeeded() -> Json:
    return {"metadata": {}, "status": "Success"}


def exited(code: int) -> Json:
    """kubectl exits with the code that it finds among the causes."""
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"command terminated with non-zero exit code: exit status {code}",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }


def failed(message: str) -> Json:
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"Internal error occurred: {message}",
        "reason": "InternalError",
        "details": {"causes": [{"message": message}]},
        "code": 500,
    }


def choose_spdy(offered: Iterable[str]) -> str | None:
    """The first offered version that we speak, as kubelet chooses."""
    return next((offer for offer in offered if offer in SPDY_PROTOCOLS), None)


@dataclass(slots=True)
class SpdySession:
    """The client opens one stream a channel, named by the header `streamtype`."""

    protocol: str
    wanted: Wanted
    _spdy: spdy.Connection = field(default_factory=spdy.Connection)
    _streams: dict[str, int] = field(default_factory=dict)
    _outgoing: bytearray = field(default_factory=bytearray)
    _resizes: ResizeReader = field(default_factory=ResizeReader)

    def open(self) -> list[Event]:
        return []

    def receive(self, data: bytes) -> list[Event]:
        events: list[Event] = []
        for event in self._spdy.receive(data):
            events += self._handle(event)
        return events

    def stdout(self, data: bytes) -> None:
        self._outgoing += self._spdy.send(self._streams["stdout"], data)

    def stderr(self, data: bytes) -> None:
        self._outgoing += self._spdy.send(self._streams["stderr"], data)

    def finish(self, status: Json) -> None:
        for name in ("stdout", "stderr"):
            if name in self._streams:
                self._outgoing += self._spdy.send(self._streams[name], b"", finish=True)
        if "error" in self._streams:
            body = _outcome(status, as_status=self.protocol == "v4.channel.k8s.io")
            self._outgoing += self._spdy.send(self._streams["error"], body, finish=True)
        self._outgoing += self._spdy.go_away()

    def take(self) -> bytes:
        out = bytes(self._outgoing)
        self._outgoing.clear()
        return out

    def _handle(self, event: spdy.Event) -> list[Event]:
        match event:
            case spdy.StreamOpened(stream, headers, _):
                return self._opened(stream, headers)
            case spdy.DataReceived(stream, data, finished):
                return self._data(stream, data, finished)
            case spdy.PingReceived(number):
                self._outgoing += self._spdy.pong(number)
                return []
            case spdy.StreamReset(stream, _) if stream == self._streams.get("stdin"):
                return [StdinClosed()]
            case spdy.WentAway():
                return [Disconnected()]
        return []

    def _opened(self, stream: int, headers: Mapping[str, str]) -> list[Event]:
        name = headers.get("streamtype", "")
        if name not in self._expected() or name in self._streams:
            self._outgoing += self._spdy.reset(stream, spdy.Reset.REFUSED_STREAM)
            return []
        self._streams[name] = stream
        self._outgoing += self._spdy.reply(stream)
        return [Ready()] if self._streams.keys() == self._expected() else []

    def _expected(self) -> set[str]:
        names = {"error"}
        names |= {name for name in ("stdin", "stdout") if getattr(self.wanted, name)}
        if self.wanted.stderr and not self.wanted.tty:
            names.add("stderr")
        if self.wanted.tty and self.protocol != "v2.channel.k8s.io":
            names.add("resize")
        return names

    def _data(self, stream: int, data: bytes, finished: bool) -> list[Event]:
        events: list[Event] = []
        if stream == self._streams.get("stdin"):
            if data:
                events.append(Stdin(data))
            if finished:
                events.append(StdinClosed())
        elif stream == self._streams.get("resize"):
            events += self._resizes.receive(data)
        return events


@dataclass(slots=True)
class WebSocketSession:
    """The channels are numbers, and all there from the start."""

    protocol: channels.Subprotocol
    wanted: Wanted
    _receiver: websocket.Receiver = field(default_factory=websocket.Receiver)
    _outgoing: bytearray = field(default_factory=bytearray)
    _resizes: ResizeReader = field(default_factory=ResizeReader)

    def open(self) -> list[Event]:
        # kubelet tells the client with an empty message that the far end is there.
        channel = channels.STDOUT if self.wanted.stdout else channels.STDERR if self.wanted.stderr else channels.ERROR
        self._outgoing += channels.render(self.protocol, channel, b"")
        return [Ready()]

    def receive(self, data: bytes) -> list[Event]:
        events: list[Event] = []
        for event in self._receiver.receive(data):
            match event:
                case websocket.Message():
                    events += self._message(channels.parse(self.protocol, event))
                case websocket.PingReceived(payload):
                    self._outgoing += websocket.encode(websocket.Opcode.PONG, payload)
                case websocket.Closed():
                    events.append(Disconnected())
        return events

    def stdout(self, data: bytes) -> None:
        self._outgoing += channels.render(self.protocol, channels.STDOUT, data)

    def stderr(self, data: bytes) -> None:
        self._outgoing += channels.render(self.protocol, channels.STDERR, data)

    def finish(self, status: Json) -> None:
        body = _outcome(status, as_status=self.protocol.status)
        if body:
            self._outgoing += channels.render(self.protocol, channels.ERROR, body)
        self._outgoing += websocket.close()

    def take(self) -> bytes:
        out = bytes(self._outgoing)
        self._outgoing.clear()
        return out

    def _message(self, message: channels.ChannelData | channels.ChannelClosed) -> list[Event]:
        match message:
            case channels.ChannelData(channels.STDIN, data) if self.wanted.stdin and data:
                return [Stdin(data)]
            case channels.ChannelData(channels.RESIZE, data) if self.wanted.tty:
                return list(self._resizes.receive(data))
            case channels.ChannelClosed(channels.STDIN) if self.wanted.stdin:
                return [StdinClosed()]
        return []


def _outcome(status: Json, *, as_status: bool) -> bytes:
    """What the error channel says at the end: a Status, or in the old protocols the text of a failure."""
    if as_status:
        return json.dumps(status, separators=(",", ":")).encode()
    return str(status.get("message", "")).encode()
