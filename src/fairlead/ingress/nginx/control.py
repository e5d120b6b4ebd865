"""Telling nginx: frames over its Unix socket, on one connection that stays."""

import asyncio
from pathlib import Path

SECONDS = 30.0  # for one answer


class NginxError(Exception):
    """nginx refused what it was told. `full`: its shared memory has no room."""

    def __init__(self, text: str, *, full: bool = False) -> None:
        super().__init__(text)
        self.full = full


class Control:
    """Raises OSError (TimeoutError among them) while nginx is not there."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._lock = asyncio.Lock()
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def apply(self, frame: bytes) -> int:
        """All of a frame or nothing of it. The new generation. Raises NginxError."""
        status, body = await self._request(b"POST /apply", frame)
        if status != 200:
            raise NginxError(body.decode(errors="replace"), full=status == 507)
        return int(body)

    async def generation(self) -> int:
        return int((await self._request(b"GET /generation"))[1])

    async def metrics(self) -> bytes:
        return (await self._request(b"GET /metrics"))[1]

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def _request(self, line: bytes, body: bytes = b"") -> tuple[int, bytes]:
        async with self._lock, asyncio.timeout(SECONDS):
            try:
                if self._streams is None:
                    self._streams = await asyncio.open_unix_connection(str(self._socket))
                reader, writer = self._streams
                writer.write(line + b" HTTP/1.1\r\nhost: nginx\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
                return await _answer(reader)
            except BaseException:  # cancelled, too: half an answer must not be the beginning of the next one
                self.close()
                raise


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        status = int(head.split(b" ", 2)[1])
        headers = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(b":") for line in head.split(b"\r\n")[1:])
        }
        if b"content-length" in headers:
            return status, await reader.readexactly(int(headers[b"content-length"]))
        body = b""
        while size := int((await reader.readuntil(b"\r\n")).strip(), 16):
            body += await reader.readexactly(size)
            await reader.readexactly(2)
        await reader.readexactly(2)
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        raise ConnectionResetError("nginx cut its answer off") from error
    return status, body
