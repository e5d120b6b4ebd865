"""A command in a container, to its end."""

import asyncio
import contextlib
import os

from fairlead.host import process
from fairlead.runtime.interface import ContainerRecord, Runtime

MOST = 10240  # bytes of its output


async def run(runtime: Runtime, record: ContainerRecord, argv: list[str], seconds: float) -> tuple[int, str]:
    """Its exit code and output; it is killed when its time is over. Raises TimeoutError, OSError, RuntimeFault."""
    started = await runtime.execute(record, argv, tty=False, stdin=False)
    try:
        async with asyncio.timeout(seconds):
            code = await process.wait(started.pid)
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            os.kill(started.pid, 9)
        raise
    finally:
        output = b""
        for descriptor in (started.stdout, started.stderr):
            if descriptor is not None:
                os.set_blocking(descriptor, False)
                with contextlib.suppress(BlockingIOError):
                    output += os.read(descriptor, MOST)
                os.close(descriptor)
    return code, output.decode(errors="replace")
