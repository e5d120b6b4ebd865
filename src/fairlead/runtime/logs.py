"""A container's output on its way into its log file, in CRI's format.

The container writes into two FIFOs that we hold open both ways: it never sees a broken pipe, whether we run or not, and
what it wrote while no agent ran is still in there.
"""

import asyncio
import os
import time
from datetime import UTC, datetime
from pathlib import Path

LONGEST = 16384  # bytes of one line; more goes on in a part of its own


def stamp(now: float) -> bytes:
    """RFC 3339 with nine digits."""
    whole = int(now)
    return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%dT%H:%M:%S}.{int((now - whole) * 1e9):09d}Z".encode()


class Pump:
    """Both streams of one container."""

    def __init__(self, folder: Path, log: Path) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
        self._rest = {b"stdout": b"", b"stderr": b""}
        self.descriptors: dict[bytes, int] = {}
        for name in self._rest:
            path = folder / name.decode()
            if not path.exists():
                os.mkfifo(path, 0o600)
            self.descriptors[name] = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        loop = asyncio.get_running_loop()
        for name, descriptor in self.descriptors.items():
            loop.add_reader(descriptor, self._read, name)

    def close(self) -> None:
        """Takes what is left, and ends."""
        loop = asyncio.get_running_loop()
        for name, descriptor in self.descriptors.items():
            loop.remove_reader(descriptor)
            while self._read(name):
                pass
            if rest := self._rest[name]:
                os.write(self._log, b"%b %b F %b\n" % (stamp(time.time()), name, rest))
            os.close(descriptor)
        self.descriptors.clear()
        os.close(self._log)

    def _read(self, name: bytes) -> bool:
        try:
            data = os.read(self.descriptors[name], 65536)
        except BlockingIOError:
            return False
        if not data:
            return False
        *lines, rest = (self._rest[name] + data).split(b"\n")
        head = b"%b %b " % (stamp(time.time()), name)
        out = [head + b"F " + line + b"\n" for line in lines]
        while len(rest) > LONGEST:
            out.append(head + b"P " + rest[:LONGEST] + b"\n")
            rest = rest[LONGEST:]
        self._rest[name] = rest
        if out:
            os.write(self._log, b"".join(out))
        return True
