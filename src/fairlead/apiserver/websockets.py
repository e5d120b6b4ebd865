"""Streamed answers over WebSocket, for clients that have nothing else: what a page in a browser watches and follows.

Source: apiserver `util/httpstream/wsstream` (stream.go), `endpoints/handlers/watch.go` and
`authentication/request/websocket/protocol.go`.
"""

import asyncio
import base64
import binascii
from collections.abc import Callable, Iterator

from fairlead.api.status import bad_request
from fairlead.http import websocket
from fairlead.http.duplex import Duplex
from fairlead.http.server import Request, Stream, Upgrade
from fairlead.http.websocket import CloseCode, Opcode

TOKEN = "base64url.bearer.authorization.k8s.io."  # a page cannot set headers: it offers its token as a subprotocol

Frames = Callable[[bytes], Iterator[bytes]]


def is_asked(request: Request) -> bool:
    connection = request.headers.get("connection", "").lower()
    return "upgrade" in connection and request.headers.get("upgrade", "").lower() == "websocket"


def token(request: Request) -> str | None:
    """The bearer token among the subprotocols that a client offers, which may not be all that it offers."""
    if not is_asked(request):
        return None
    offered = request.listed("sec-websocket-protocol")
    given = next((each for each in offered if each.startswith(TOKEN)), None)
    if given is None:
        return None
    encoded = given.removeprefix(TOKEN)
    try:
        text = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
    return text if len(offered) > 1 else ""


def events(request: Request, stream: Stream) -> Upgrade:
    """A watch: a text message for each event."""
    return _upgrade(request, stream, "", _lines)


def log(request: Request, stream: Stream) -> Upgrade:
    """What is followed, as it comes. Raises ApiError (400) where no subprotocol that is offered is known."""
    offered = [each for each in request.listed("sec-websocket-protocol") if not each.startswith(TOKEN)] or [""]
    chosen = next((each for each in offered if each in _LOG), None)
    if chosen is None:
        raise bad_request("none of the offered subprotocols is known")
    return _upgrade(request, stream, chosen, _LOG[chosen])


def _lines(data: bytes) -> Iterator[bytes]:
    for line in data.splitlines(keepends=True):
        yield websocket.encode(Opcode.TEXT, line)


def _binary(data: bytes) -> Iterator[bytes]:
    yield websocket.encode(Opcode.BINARY, data)


def _base64(data: bytes) -> Iterator[bytes]:
    yield websocket.encode(Opcode.TEXT, base64.b64encode(data))


_LOG: dict[str, Frames] = {"": _binary, "binary.k8s.io": _binary, "base64.binary.k8s.io": _base64}


class _Writer:
    """Writes the pieces of a stream as messages."""

    def __init__(self, duplex: Duplex, frames: Frames) -> None:
        self._duplex = duplex
        self._frames = frames

    @property
    def buffered(self) -> int:
        return self._duplex.buffered

    def write(self, data: bytes) -> None:
        for frame in self._frames(data):
            self._duplex.write(frame)

    async def drain(self) -> None:
        await self._duplex.drain()


def _upgrade(request: Request, stream: Stream, protocol: str, frames: Frames) -> Upgrade:
    async def run(duplex: Duplex) -> None:
        """Until the stream or the client ends."""
        producer = asyncio.ensure_future(stream.produce(_Writer(duplex, frames)))
        listener = asyncio.ensure_future(_listen(duplex))
        try:
            await asyncio.wait([producer, listener], return_when=asyncio.FIRST_COMPLETED)
            duplex.write(websocket.close(listener.result() if listener.done() else CloseCode.NORMAL))
        finally:
            producer.cancel()
            listener.cancel()
            await asyncio.gather(producer, listener, return_exceptions=True)

    return Upgrade(run, websocket.handshake(request.headers.get("sec-websocket-key", ""), protocol))


async def _listen(duplex: Duplex) -> CloseCode:
    """What a client says is not heard, but that it is still there, or that it leaves."""
    receiver = websocket.Receiver()
    while data := await duplex.read():
        try:
            for event in receiver.receive(data):
                match event:
                    case websocket.PingReceived(payload):
                        duplex.write(websocket.encode(Opcode.PONG, payload))
                    case websocket.Closed():
                        return CloseCode.NORMAL
        except websocket.RemoteProtocolError as error:
            return error.code
    return CloseCode.NORMAL
