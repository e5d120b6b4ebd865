"""A raw, flow-controlled byte stream over a transport: what is left of a connection after `101 Switching Protocols`."""

import asyncio

HIGH_WATER = 1 << 20  # bytes buffered before reading pauses


class Duplex:
    """Both ends use it: `read` until b"" (the peer is done), `write` and `drain`, `close`."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._chunks: list[bytes] = []
        self._size = 0
        self._ended = False
        self._paused = False
        self._readable = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()

    @property
    def buffered(self) -> int:
        """Bytes that were written and that the peer has not taken yet."""
        return self._transport.get_write_buffer_size()

    async def read(self) -> bytes:
        """What has arrived, at least one byte; b"" once the peer has closed."""
        while not self._chunks:
            if self._ended:
                return b""
            self._readable.clear()
            await self._readable.wait()
        data = b"".join(self._chunks)
        self._chunks.clear()
        self._size = 0
        if self._paused and not self._ended:
            self._paused = False
            self._transport.resume_reading()
        return data

    def write(self, data: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(data)

    async def drain(self) -> None:
        """Waits until the peer has taken most of what was written. Raises ConnectionError when it is gone."""
        if self._transport.is_closing():
            raise ConnectionResetError("the peer is gone")
        await self._writable.wait()

    def write_eof(self) -> None:
        """Half-closes where the transport can (TLS cannot: there, nothing happens)."""
        if self._transport.can_write_eof() and not self._transport.is_closing():
            self._transport.write_eof()

    def close(self) -> None:
        self._transport.close()

    # Called by the protocol that owns the transport.

    def feed(self, data: bytes) -> None:
        self._chunks.append(data)
        self._size += len(data)
        self._readable.set()
        if self._size > HIGH_WATER and not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def feed_eof(self) -> None:
        self._ended = True
        self._readable.set()
        self._writable.set()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()
