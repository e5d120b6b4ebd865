"""The file that nginx starts from: what it was told, appended frame by frame, rewritten when most of it is out of date.

It holds private keys, so it lies on a tmpfs with the rest of what runs (`nginx.place`).
"""

import os
from pathlib import Path

from fairlead.ingress.nginx import frames
from fairlead.ingress.nginx.frames import Record

SLACK = 4 << 20  # bytes that may be out of date before it is rewritten


class Snapshot:
    """`known` says of each key that is in the file what its value hashes to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.known: dict[str, int] = {}
        self._size = 0
        self._sizes: dict[str, int] = {}
        self._live = 0
        self._file = -1

    def open(self) -> None:
        """Reads what is there, up to the first damage, and rewrites it clean."""
        self._rewrite()

    def append(self, records: list[Record]) -> None:
        """After nginx has them."""
        self._count(records)
        data = frames.encode(records)
        os.write(self._file, data)
        self._size += len(data)
        if self._size > 2 * self._live + SLACK:
            self._rewrite()

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _count(self, records: list[Record]) -> None:
        for key, value in records:
            self._live -= self._sizes.pop(key, 0)
            self.known.pop(key, None)
            if value is not None:
                self.known[key] = hash(value)
                self._sizes[key] = len(value)
                self._live += len(value)

    def _read(self) -> dict[str, bytes]:
        values: dict[str, bytes] = {}
        try:
            for records in frames.decode(self.path.read_bytes()):
                for key, value in records:
                    values.pop(key, None)
                    if value is not None:
                        values[key] = value
        except (FileNotFoundError, frames.FrameError):
            pass  # what was read until here is whole
        return values

    def _rewrite(self) -> None:
        fresh = self.path.with_suffix(".new")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self.known, self._sizes, self._live, self._size = {}, {}, 0, 0
        for batch in frames.batches(self._read().items()):
            self._count(batch)
            data = frames.encode(batch)
            os.write(descriptor, data)
            self._size += len(data)
        fresh.replace(self.path)
        self.close()
        self._file = descriptor
