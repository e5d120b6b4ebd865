"""SPDY/3.1 framing as kubectl and client-go speak it: multiplexed streams with compressed headers, no flow control.

Source: draft-mbelshe-httpbis-spdy-00 and moby/spdystream, which ignores windows, so neither side sends WINDOW_UPDATE.
One `Connection` is the server's side of one connection; it holds no socket.
"""

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from fairlead.node.streaming.dictionary import DICTIONARY

MAX_DATA: Final = 16384  # of the frames we send; small frames let streams share the connection
MAX_FRAME: Final = 1 << 20  # of the frames we accept; kubectl copies in 32 KiB pieces
MAX_HEADERS: Final = 1 << 16  # of a header block, inflated
MAX_STREAMS: Final = 4096

_VERSION: Final = 3
_FIN: Final = 1
_HEADER: Final = struct.Struct(">II")
_WORD: Final = struct.Struct(">I")


class Kind(IntEnum):
    """The types of control frame (section 2.6)."""

    SYN_STREAM = 1
    SYN_REPLY = 2
    RST_STREAM = 3
    SETTINGS = 4
    PING = 6
    GOAWAY = 7
    HEADERS = 8
    WINDOW_UPDATE = 9


class Reset(IntEnum):
    """Why a stream was reset (section 2.6.3)."""

    PROTOCOL_ERROR = 1
    INVALID_STREAM = 2
    REFUSED_STREAM = 3
    CANCEL = 5


class RemoteProtocolError(Exception):
    """The other side sent what SPDY/3.1 does not allow; the connection is unusable."""


@dataclass(frozen=True, slots=True)
class StreamOpened:
    """The client opened a stream. Header names are lower case. Answer with `reply` or `reset`."""

    stream: int
    headers: Mapping[str, str]
    finished: bool


@dataclass(frozen=True, slots=True)
class DataReceived:
    """`finished`: the client will send no more on this stream."""

    stream: int
    data: bytes
    finished: bool


@dataclass(frozen=True, slots=True)
class StreamReset:
    stream: int
    status: int


@dataclass(frozen=True, slots=True)
class PingReceived:
    """Answer with `pong`."""

    number: int


@dataclass(frozen=True, slots=True)
class WentAway:
    """The client will open no more streams."""


Event = StreamOpened | DataReceived | StreamReset | PingReceived | WentAway


class Connection:
    """The server's side: `receive` bytes and get events; every other method returns the bytes to send."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(zdict=DICTIONARY)
        self._deflate = zlib.compressobj(level=6, zdict=DICTIONARY)
        self._received = bytearray()
        self._last_stream = 0
        self._open: set[int] = set()  # streams on which the client may still send

    def receive(self, data: bytes) -> list[Event]:
        """All events that are complete. Raises RemoteProtocolError; then the connection is over."""
        self._received += data
        events: list[Event] = []
        while (frame := self._next_frame()) is not None:
            event = self._control(*frame) if frame[0] & 0x80000000 else self._data(*frame)
            if event is not None:
                events.append(event)
        return events

    def reply(self, stream: int, headers: Mapping[str, str] | None = None) -> bytes:
        """Accept a stream; client-go waits for this before it goes on."""
        return _control(Kind.SYN_REPLY, 0, _WORD.pack(stream) + self._compress(headers or {}))

    def reset(self, stream: int, status: Reset = Reset.CANCEL) -> bytes:
        self._open.discard(stream)
        return _control(Kind.RST_STREAM, 0, _HEADER.pack(stream, status))

    def pong(self, number: int) -> bytes:
        return _control(Kind.PING, 0, _WORD.pack(number))

    def go_away(self) -> bytes:
        return _control(Kind.GOAWAY, 0, _HEADER.pack(self._last_stream, 0))

    def send(self, stream: int, data: bytes, *, finish: bool = False) -> bytes:
        """Data in as many frames as needed; `finish` half-closes the stream behind it."""
        if not data:
            return _HEADER.pack(stream, _FIN << 24) if finish else b""
        out = bytearray()
        for start in range(0, len(data), MAX_DATA):
            piece = data[start : start + MAX_DATA]
            last = finish and start + MAX_DATA >= len(data)
            out += _HEADER.pack(stream, (_FIN << 24 if last else 0) | len(piece))
            out += piece
        return bytes(out)

    def _next_frame(self) -> tuple[int, int, bytes] | None:
        """(first word, flags, payload) of the next complete frame."""
        if len(self._received) < _HEADER.size:
            return None
        first, second = _HEADER.unpack_from(self._received)
        flags, length = second >> 24, second & 0xFFFFFF
        if length > MAX_FRAME:
            raise RemoteProtocolError(f"a frame of {length} bytes; the limit is {MAX_FRAME}")
        end = _HEADER.size + length
        if len(self._received) < end:
            return None
        payload = bytes(self._received[_HEADER.size : end])
        del self._received[:end]
        return first, flags, payload

    def _data(self, stream: int, flags: int, payload: bytes) -> Event | None:
        if stream not in self._open:
            return None  # frames in flight when we reset the stream
        finished = bool(flags & _FIN)
        if finished:
            self._open.discard(stream)
        return DataReceived(stream, payload, finished)

    def _control(self, first: int, flags: int, payload: bytes) -> Event | None:
        version, kind = (first >> 16) & 0x7FFF, first & 0xFFFF
        if version != _VERSION:
            raise RemoteProtocolError(f"SPDY version {version}; only 3 is spoken here")
        need = _SMALLEST.get(kind, 0)
        if len(payload) < need:
            raise RemoteProtocolError(f"control frame {kind} of {len(payload)} bytes; it has at least {need}")
        match kind:
            case Kind.SYN_STREAM:
                return self._syn_stream(flags, payload)
            case Kind.RST_STREAM:
                stream, status = _HEADER.unpack_from(payload)
                self._open.discard(stream)
                return StreamReset(stream, status)
            case Kind.PING:
                number: int = _WORD.unpack_from(payload)[0]
                # Odd numbers are the client's own; an even one would answer a ping that we never send.
                return PingReceived(number) if number % 2 else None
            case Kind.GOAWAY:
                return WentAway()
            case Kind.HEADERS | Kind.SYN_REPLY:
                # Nothing we need is in these, but all header blocks share one compression state.
                self._decompress(payload[4:])
                return None
        return None  # SETTINGS, WINDOW_UPDATE and unknown types are to be ignored (section 2.2.1)

    def _syn_stream(self, flags: int, payload: bytes) -> Event:
        stream = _WORD.unpack_from(payload)[0] & 0x7FFFFFFF
        if stream % 2 == 0 or stream <= self._last_stream:
            raise RemoteProtocolError(f"stream {stream} after stream {self._last_stream}")
        if len(self._open) >= MAX_STREAMS:
            raise RemoteProtocolError(f"more than {MAX_STREAMS} streams")
        headers = self._decompress(payload[10:])
        self._last_stream = stream
        finished = bool(flags & _FIN)
        if not finished:
            self._open.add(stream)
        return StreamOpened(stream, headers, finished)

    def _compress(self, headers: Mapping[str, str]) -> bytes:
        block = bytearray(_WORD.pack(len(headers)))
        for name, value in headers.items():
            for text in (name.lower().encode(), value.encode()):
                block += _WORD.pack(len(text)) + text
        return self._deflate.compress(bytes(block)) + self._deflate.flush(zlib.Z_SYNC_FLUSH)

    def _decompress(self, block: bytes) -> dict[str, str]:
        try:
            inflated = self._inflate.decompress(block, MAX_HEADERS)
        except zlib.error as error:
            raise RemoteProtocolError(f"a header block that does not inflate: {error}") from error
        if self._inflate.unconsumed_tail:
            raise RemoteProtocolError(f"a header block of more than {MAX_HEADERS} bytes")
        return _parse_headers(inflated)


_SMALLEST: Final[dict[int, int]] = {
    Kind.SYN_STREAM: 10,
    Kind.RST_STREAM: 8,
    Kind.PING: 4,
    Kind.HEADERS: 4,
    Kind.SYN_REPLY: 4,
}


def _control(kind: Kind, flags: int, payload: bytes) -> bytes:
    return _HEADER.pack(0x80000000 | _VERSION << 16 | kind, flags << 24 | len(payload)) + payload


def _parse_headers(block: bytes) -> dict[str, str]:
    """Count, then length-prefixed names and values. Several values of a name are separated by NUL; the first counts."""
    texts: list[str] = []
    at = 4
    try:
        (count,) = _WORD.unpack_from(block)
        for _ in range(min(count * 2, len(block))):
            (length,) = _WORD.unpack_from(block, at)
            at += 4
            if at + length > len(block):
                raise RemoteProtocolError("a header block that ends inside a header")
            texts.append(block[at : at + length].decode("utf-8", "replace"))
            at += length
    except struct.error as error:
        raise RemoteProtocolError("a header block that ends inside a header") from error
    return {n.lower(): v.split("\0")[0] for n, v in zip(texts[::2], texts[1::2], strict=True)}
