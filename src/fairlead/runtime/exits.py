"""How a process ended, who may be our child or a child of the process above us, which writes down what it reaps."""

import asyncio
import time
from pathlib import Path

from fairlead.host import process

UNKNOWN = 137  # it ended while nobody looked: as if killed
SLOWEST = 10.0  # seconds that whoever reaps may be late: on a busy machine, or killed and started again
LOOK = 0.005  # seconds between two looks


def exit_code(folder: Path, pid: int, since: float) -> int | None:
    """Of a process that has ended and began after `since` (seconds since 1970): its number may have been another's
    before. None where nobody has told yet."""
    try:
        return process.reap(pid)
    except ChildProcessError:
        pass
    path = folder / str(pid)
    try:
        return int(path.read_text()) if path.stat().st_mtime >= since else None
    except (OSError, ValueError):
        return None


async def told(folder: Path, pid: int, since: float) -> int:
    """The same, once somebody has told."""
    latest = time.monotonic() + SLOWEST
    while time.monotonic() < latest:
        if (code := exit_code(folder, pid, since)) is not None:
            return code
        await asyncio.sleep(LOOK)
    return UNKNOWN
