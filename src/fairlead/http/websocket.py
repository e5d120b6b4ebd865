"""WebSocket framing (RFC 6455), the server's side, without sockets.

Written here and not taken from wsproto because a masked megabyte must not cost a second: unmasking is one XOR of two
long integers. wsproto is the independent implementation that the tests talk to.
"""

import base64
import hashlib
import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

MAX_MESSAGE: Final = 1 << 20  # kubectl writes 32 KiB at a time
_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_FIN: Final = 0x80
_MASKED: Final = 0x80


class Opcode(IntEnum):
    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


class CloseCode(IntEnum):
    NORMAL = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    UNSUPPORTED = 1003
    TOO_BIG = 1009
    INTERNAL_ERROR = 1011


class RemoteProtocolError(Exception):
    """The other side broke RFC 6455; `code` goes into the close frame."""

    def __init__(self, message: str, code: CloseCode = CloseCode.PROTOCOL_ERROR) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Message:
    """A whole message, its fragments joined."""

    opcode: Opcode  # TEXT or BINARY
    data: bytes


@dataclass(frozen=True, slots=True)
class PingReceived:
    """Answer with `encode(Opcode.PONG, data)`."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Closed:
    """The client's close frame. Answer with `close` unless ours went first."""

    code: int | None


Event = Message | PingReceived | Closed


def accept_key(key: str) -> str:
    """The value of Sec-WebSocket-Accept for a Sec-WebSocket-Key (section 4.2.2)."""
    return base64.b64encode(hashlib.sha1(key.strip().encode() + _GUID, usedforsecurity=False).digest()).decode()


def handshake(key: str, protocol: str) -> list[tuple[str, str]]:
    """The headers of an answer that accepts; `protocol`: what was chosen of the subprotocols offered, or ""."""
    headers = [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", accept_key(key))]
    return [*headers, ("Sec-WebSocket-Protocol", protocol)] if protocol else headers


def encode(opcode: Opcode, data: bytes) -> bytes:
    """One unfragmented, unmasked frame, as servers send."""
    length = len(data)
    if length < 126:
        return bytes((_FIN | opcode, length)) + data
    if length < 1 << 16:
        return struct.pack(">BBH", _FIN | opcode, 126, length) + data
    return struct.pack(">BBQ", _FIN | opcode, 127, length) + data


def close(code: CloseCode = CloseCode.NORMAL, reason: str = "") -> bytes:
    return encode(Opcode.CLOSE, struct.pack(">H", code) + reason.encode()[:123])


class Receiver:
    """Turns a client's bytes into messages."""

    def __init__(self) -> None:
        self._received = bytearray()
        self._opcode: Opcode | None = None  # of the message whose fragments are being joined
        self._fragments = bytearray()

    def receive(self, data: bytes) -> list[Event]:
        """All events that are complete. Raises RemoteProtocolError; then the connection is over."""
        self._received += data
        events: list[Event] = []
        while (frame := self._next_frame()) is not None:
            event = self._frame(*frame)
            if event is not None:
                events.append(event)
        return events

    def _next_frame(self) -> tuple[bool, Opcode, bytes] | None:
        buffer = self._received
        if len(buffer) < 2:
            return None
        first, second = buffer[0], buffer[1]
        if first & 0x70:
            raise RemoteProtocolError("reserved bits without an extension")
        if not second & _MASKED:
            raise RemoteProtocolError("a client's frame must be masked")
        length, at = second & 0x7F, 2
        for marker, form in ((126, ">H"), (127, ">Q")):
            if length == marker:
                at += struct.calcsize(form)
                if len(buffer) < at:
                    return None
                (length,) = struct.unpack_from(form, buffer, 2)
                break
        if length > MAX_MESSAGE:
            raise RemoteProtocolError(f"a message of {length} bytes", CloseCode.TOO_BIG)
        end = at + 4 + length
        if len(buffer) < end:
            return None
        payload = _unmask(bytes(buffer[at + 4 : end]), bytes(buffer[at : at + 4]))
        del buffer[:end]
        try:
            return bool(first & _FIN), Opcode(first & 0x0F), payload
        except ValueError as error:
            raise RemoteProtocolError(f"unknown opcode {first & 0x0F}") from error

    def _frame(self, final: bool, opcode: Opcode, payload: bytes) -> Event | None:
        if opcode >= Opcode.CLOSE:
            if not final or len(payload) > 125:
                raise RemoteProtocolError("a control frame that is fragmented or too long")
            return _control(opcode, payload)
        if (opcode is Opcode.CONTINUATION) != (self._opcode is not None):
            raise RemoteProtocolError("a fragment out of order")
        if self._opcode is None:
            self._opcode = opcode
        self._fragments += payload
        if len(self._fragments) > MAX_MESSAGE:
            raise RemoteProtocolError(f"a message of more than {MAX_MESSAGE} bytes", CloseCode.TOO_BIG)
        if not final:
            return None
        message = Message(self._opcode, bytes(self._fragments))
        self._opcode = None
        self._fragments.clear()
        return message


def _control(opcode: Opcode, payload: bytes) -> Event | None:
    if opcode is Opcode.PING:
        return PingReceived(payload)
    if opcode is Opcode.CLOSE:
        return Closed(struct.unpack_from(">H", payload)[0] if len(payload) >= 2 else None)
    return None  # an unasked pong is allowed and means nothing


def _unmask(payload: bytes, mask: bytes) -> bytes:
    if not payload:
        return payload
    repeated = (mask * (len(payload) // 4 + 1))[: len(payload)]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")).to_bytes(len(payload), "big")
