"""Children by pid file descriptor: started, waited for without a thread, bounded in time."""

import asyncio
import os
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fairlead.host import libc

MOST_CODES = 4096
_codes: dict[int, int] = {}  # of children that `reap_all` took, oldest first


@dataclass(frozen=True, slots=True)
class Completed:
    """`code` is 128 + signal for a killed process."""

    code: int
    output: bytes  # standard output and standard error


def become_subreaper() -> None:
    """Grandchildren whose parent ends become ours: prctl(2), PR_SET_CHILD_SUBREAPER."""
    libc.prctl(libc.PR_SET_CHILD_SUBREAPER, 1)


def spawn(
    argv: Sequence[str],
    *,
    stdin: int,
    stdout: int,
    stderr: int,
    env: Mapping[str, str] | None = None,
    session: bool = False,
) -> int:
    """The pid. Descriptors beside the three are those that are inheritable. Raises OSError."""
    actions = [(os.POSIX_SPAWN_DUP2, stdin, 0), (os.POSIX_SPAWN_DUP2, stdout, 1), (os.POSIX_SPAWN_DUP2, stderr, 2)]
    pid = os.posix_spawnp(
        argv[0],
        list(argv),
        dict(os.environ if env is None else env),
        file_actions=actions,
        setsid=session,
        setsigmask=(),
        setsigdef=(signal.SIGPIPE, signal.SIGINT),
    )
    _codes.pop(pid, None)  # of an earlier process with this number
    return pid


async def exited(pidfd: int) -> None:
    """Returns when the process has ended, ours or not; reaps nothing."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()

    def readable() -> None:
        loop.remove_reader(pidfd)
        if not ended.done():
            ended.set_result(None)

    loop.add_reader(pidfd, readable)
    try:
        await ended
    finally:
        loop.remove_reader(pidfd)


async def gone(pid: int, began: int) -> None:
    """Returns when this very process has ended, ours or not; reaps nothing."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if is_there(pid, began):  # else its number is another's by now
            await exited(pidfd)
    finally:
        os.close(pidfd)


async def wait(pid: int) -> int:
    """The exit code of a child, which is reaped. Raises ChildProcessError for what is no child of ours."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:  # reaped already
        return reap(pid)
    try:
        await exited(pidfd)
    finally:
        os.close(pidfd)
    return reap(pid)


def reap(pid: int) -> int:
    """The exit code of a child that has ended. Raises ChildProcessError."""
    if (code := _codes.pop(pid, None)) is not None:
        return code
    return _code(os.waitpid(pid, 0)[1])


def reap_all() -> None:
    """For a process that adopts others' children: takes every one that has ended, so that no zombie keeps a namespace
    alive, and remembers its code for whoever asks by `reap`. Called on SIGCHLD."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
        _codes[pid] = _code(status)
        if len(_codes) > MOST_CODES:
            del _codes[next(iter(_codes))]


def _code(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


async def run(
    argv: Sequence[str], *, seconds: float, stdin: bytes = b"", env: Mapping[str, str] | None = None
) -> Completed:
    """Runs a program to its end. Raises TimeoutError (it is killed then) and OSError.

    Output goes to memory, not to a pipe: what the program leaves running behind may keep it open.
    """
    memory = os.memfd_create("output", os.MFD_CLOEXEC)
    source = os.memfd_create("input", os.MFD_CLOEXEC)
    try:
        os.write(source, stdin)
        os.lseek(source, 0, os.SEEK_SET)
        pid = spawn(argv, stdin=source, stdout=memory, stderr=memory, env=env)
        try:
            async with asyncio.timeout(seconds):
                code = await wait(pid)
        except BaseException:  # too slow, or we are cancelled: it does not outlive the call
            os.kill(pid, signal.SIGKILL)
            reap(pid)
            raise
        return Completed(code, os.pread(memory, 1 << 20, 0))
    finally:
        os.close(memory)
        os.close(source)


def started_at(pid: int) -> int:
    """When a process began, in clock ticks since boot: with the pid it names a process for ever (proc(5)). Raises
    OSError for one that is gone."""
    stat = Path(f"/proc/{pid}/stat").read_bytes()
    return int(stat[stat.rindex(b")") + 2 :].split()[19])


def age() -> float:
    """Seconds since this process began, to a hundredth."""
    ticks = started_at(os.getpid())
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")


def is_alive(pid: int, began: int) -> bool:
    """Whether this very process runs still; a zombie does not."""
    return _state(pid, began) not in (b"", b"Z", b"X")


def is_there(pid: int, began: int) -> bool:
    """Whether this very process runs still, or has ended and nobody has reaped it."""
    return _state(pid, began) != b""


def _state(pid: int, began: int) -> bytes:
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return b""
    fields = stat[stat.rindex(b")") + 2 :].split()
    return fields[0] if int(fields[19]) == began else b""
