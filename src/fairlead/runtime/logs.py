"""A container's output on its way into its log file, in CRI's format.

The container writes into two FIFOs that we hold open both ways: it never sees a broken pipe, whether we run or not, and
what it wrote while no agent ran is still in there.
"""

import asyncio
import fcntl
import os
import time
from datetime import UTC, datetime
from pathlib import Path

PIPE = 1 << 20  # bytes that an attached client may be behind
LONGEST = 16384  # bytes of one line; more goes on in a part of its own


def stamp(now: float) -> bytes:
    """RFC 3339 with nine digits."""
    whole = int(now)
    return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%dT%H:%M:%S}.{int((now - whole) * 1e9):09d}Z".encode()


class Pump:
    """Both streams of one container, and its standard input where it has one."""

    def __init__(self, folder: Path, log: Path) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
        self._rest = {b"stdout": b"", b"stderr": b""}
        self._listening: dict[bytes, list[int]] = {b"stdout": [], b"stderr": []}
        self.descriptors: dict[bytes, int] = {}
        self._input: int | None = None
        for name in self._rest:
            path = folder / name.decode()
            if not path.exists():
                os.mkfifo(path, 0o600)
            self.descriptors[name] = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        loop = asyncio.get_running_loop()
        for name, descriptor in self.descriptors.items():
            loop.add_reader(descriptor, self._read, name)

    def open_input(self, *, once: bool) -> int:
        """The container's end of a FIFO for its standard input. Unless it is to end with the first client (`once`), the
        container holds both ends, and never sees the end of it, whether we run or not."""
        path = self._folder / "stdin"
        if not path.exists():
            os.mkfifo(path, 0o600)
        if not once:
            return os.open(path, os.O_RDWR | os.O_CLOEXEC)
        reading = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        self._input = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        os.set_blocking(reading, True)
        return reading

    def attach_input(self) -> int | None:
        """Our end of the standard input, the caller's to close; None: there is none, or it has ended."""
        if self._input is not None:
            ours, self._input = self._input, None  # with the client that has it, it ends
            return ours
        try:
            return os.open(self._folder / "stdin", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return None

    def listen(self, name: bytes) -> int:
        """The reading end of a pipe that carries from now on what one stream says; a client that does not keep up
        loses what the pipe cannot hold."""
        reading, writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, PIPE)
        self._listening[name].append(writing)
        return reading

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
        for listening in self._listening.values():
            for descriptor in listening:
                os.close(descriptor)
            listening.clear()
        if self._input is not None:
            os.close(self._input)
            self._input = None
        os.close(self._log)

    def _read(self, name: bytes) -> bool:
        try:
            data = os.read(self.descriptors[name], 65536)
        except BlockingIOError:
            return False
        if not data:
            return False
        self._tell(name, data)
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

    def _tell(self, name: bytes, data: bytes) -> None:
        for descriptor in list(self._listening[name]):
            try:
                os.write(descriptor, data)
            except BlockingIOError:
                continue
            except BrokenPipeError:
                self._listening[name].remove(descriptor)
                os.close(descriptor)
