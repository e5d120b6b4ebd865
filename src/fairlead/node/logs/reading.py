"""Read a container's log file, from its end or from its beginning, and follow it while the container runs."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Final

from fairlead.host.inotify import FileWatch
from fairlead.node.logs.lines import Lines, Options

_BLOCK: Final = 1 << 16


async def read(path: Path, options: Options, ended: Callable[[], Awaitable[None]]) -> AsyncIterator[bytes]:
    """What `kubectl logs` prints, piece by piece. Following ends behind `ended`. Raises FileNotFoundError."""
    lines = Lines(options)
    with path.open("rb") as log:
        if options.tail_lines is not None:
            log.seek(tail_offset(log, options.tail_lines))
        if options.follow:
            async for piece in _follow(path, log, lines, ended()):
                yield piece
        else:
            for piece in _pieces(log, lines):
                yield piece


def tail_offset(log: BinaryIO, count: int) -> int:
    """Where the last `count` lines begin. A last line without its line feed counts as one."""
    size = at = log.seek(0, os.SEEK_END)
    if count == 0 or size == 0:
        return size
    log.seek(size - 1)
    # The line before the first one wanted ends with a line feed too.
    missing = count + 1 if log.read(1) == b"\n" else count
    while at > 0:
        start = max(0, at - _BLOCK)
        log.seek(start)
        block = log.read(at - start)
        found = block.count(b"\n")
        if found >= missing:
            end = len(block)
            for _ in range(missing):
                end = block.rindex(b"\n", 0, end)
            return start + end + 1
        missing -= found
        at = start
    return 0


def _pieces(log: BinaryIO, lines: Lines) -> Iterator[bytes]:
    """Everything up to the present end of the file."""
    while not lines.full and (block := log.read(_BLOCK)):
        if piece := lines.feed(block):
            yield piece


async def _follow(path: Path, log: BinaryIO, lines: Lines, ended: Awaitable[None]) -> AsyncIterator[bytes]:
    end = asyncio.ensure_future(ended)
    async with FileWatch(path) as watch:
        while True:
            finished = end.done()  # asked before reading: what is written until then is read
            for piece in _pieces(log, lines):
                yield piece
            if finished or lines.full:
                return
            change = asyncio.ensure_future(watch.changed())
            try:
                await asyncio.wait((change, end), return_when=asyncio.FIRST_COMPLETED)
            finally:
                change.cancel()
