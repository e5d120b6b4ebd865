"""The channel protocols that Kubernetes lays over WebSocket: which ones we speak, and their messages.

Source: apiserver `util/httpstream/wsstream` and `util/remotecommand`: a message's first byte is the channel; the base64
variants write it as a digit and the rest in base64, in text messages. v4 added a Status object on the error channel,
v5 the message that closes one channel.
"""

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from fairlead.http.websocket import Message, Opcode, RemoteProtocolError, encode

STDIN: Final = 0
STDOUT: Final = 1
STDERR: Final = 2
ERROR: Final = 3
RESIZE: Final = 4
_CLOSE: Final = 255

PORT_FORWARD_TUNNEL: Final = "SPDY/3.1+portforward.k8s.io"


@dataclass(frozen=True, slots=True)
class Subprotocol:
    name: str
    text: bool  # base64 in text messages
    status: bool  # the error channel carries a Status object, not plain text
    closes: bool  # one channel can be closed by itself


# The empty name is what a client gets that asks for no subprotocol at all.
SUBPROTOCOLS: Final = {
    protocol.name: protocol
    for protocol in (
        Subprotocol("v5.channel.k8s.io", text=False, status=True, closes=True),
        Subprotocol("v4.channel.k8s.io", text=False, status=True, closes=False),
        Subprotocol("v4.base64.channel.k8s.io", text=True, status=True, closes=False),
        Subprotocol("channel.k8s.io", text=False, status=False, closes=False),
        Subprotocol("base64.channel.k8s.io", text=True, status=False, closes=False),
        Subprotocol("", text=False, status=False, closes=False),
    )
}


def choose(offered: Iterable[str]) -> Subprotocol | None:
    """The first offered subprotocol that we speak; None: refuse the handshake."""
    offers = [offer for offer in offered if offer] or [""]
    return next((SUBPROTOCOLS[offer] for offer in offers if offer in SUBPROTOCOLS), None)


@dataclass(frozen=True, slots=True)
class ChannelData:
    channel: int
    data: bytes


@dataclass(frozen=True, slots=True)
class ChannelClosed:
    channel: int


def parse(protocol: Subprotocol, message: Message) -> ChannelData | ChannelClosed:
    """Raises RemoteProtocolError for a message without a channel or with bad base64."""
    if not message.data:
        raise RemoteProtocolError("a message without a channel")
    if message.opcode is Opcode.TEXT or protocol.text:
        return _parse_text(message.data)
    channel = message.data[0]
    if channel == _CLOSE and protocol.closes:
        if len(message.data) != 2:
            raise RemoteProtocolError("a close message names one channel")
        return ChannelClosed(message.data[1])
    return ChannelData(channel, message.data[1:])


def _parse_text(data: bytes) -> ChannelData:
    channel = data[0] - ord("0")
    if not 0 <= channel <= 9:
        raise RemoteProtocolError("a message without a channel")
    try:
        return ChannelData(channel, base64.b64decode(data[1:], validate=True))
    except binascii.Error as error:
        raise RemoteProtocolError(f"bad base64 on channel {channel}") from error


def render(protocol: Subprotocol, channel: int, data: bytes) -> bytes:
    """The frame for `data` on a channel."""
    if protocol.text:
        return encode(Opcode.TEXT, b"%d%s" % (channel, base64.b64encode(data)))
    return encode(Opcode.BINARY, bytes((channel,)) + data)
