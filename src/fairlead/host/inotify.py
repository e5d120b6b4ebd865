"""Being told that a file grew or a directory changed (inotify(7))."""

import asyncio
import ctypes
import os
from pathlib import Path
from types import TracebackType
from typing import Final, Self

_MODIFY: Final = 0x2
_MOVE_SELF: Final = 0x800
_DELETE_SELF: Final = 0x400
_EVENTS: Final = _MODIFY | _MOVE_SELF | _DELETE_SELF
_libc = ctypes.CDLL(None, use_errno=True)


class FileWatch:
    """`async with FileWatch(path) as watch: await watch.changed()`. Raises OSError when the path is not there."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = -1
        self._changed = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._fd = _libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "inotify_init1")
        if _libc.inotify_add_watch(self._fd, os.fsencode(self._path), _EVENTS) < 0:
            number = ctypes.get_errno()
            os.close(self._fd)
            raise OSError(number, os.strerror(number), str(self._path))
        asyncio.get_running_loop().add_reader(self._fd, self._read)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.get_running_loop().remove_reader(self._fd)
        os.close(self._fd)

    async def changed(self) -> None:
        """Returns when something happened since the last return."""
        await self._changed.wait()
        self._changed.clear()

    def _read(self) -> None:
        try:
            while os.read(self._fd, 4096):
                self._changed.set()
        except BlockingIOError:
            pass
