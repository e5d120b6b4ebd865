"""The process that waits for the warden's end and starts the next one: a program of its own, as small as can be.

    python -I -S guard.py RUN WARDEN-PID COMMAND…

It imports nothing of Fairlead: it is there all the time, and shares no memory with the others.
"""

import os
import select
import signal
import sys
import time

POLL_MILLISECONDS = 1000
BROKEN_SECONDS = 1.0  # a warden that ends earlier is not started again at once


def become(run: str, warden: int, command: list[str]) -> None:
    """In place of the calling process, which must be a child subreaper already (it stays one). Does not return."""
    os.execv(sys.executable, [sys.executable, "-I", "-S", __file__, run, str(warden), *command])  # noqa: S606


def main(run: str, warden: int, command: list[str]) -> None:
    """`command` starts a warden; our pid is appended to it."""
    with open("/proc/self/comm", "w") as name:  # noqa: PTH123  # pathlib costs a megabyte
        name.write("fairlead-guard")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    poll = select.poll()
    pidfd, started = -1, 0.0
    while True:
        if pidfd < 0:
            pidfd = os.pidfd_open(warden)
            poll.register(pidfd, select.POLLIN)
        if poll.poll(POLL_MILLISECONDS):
            poll.unregister(pidfd)
            os.close(pidfd)
            pidfd = -1
            time.sleep(BROKEN_SECONDS if time.monotonic() - started < BROKEN_SECONDS else 0)
            started = time.monotonic()
            warden = os.posix_spawn(command[0], [*command, str(os.getpid())], os.environ, setsid=True)
        reap(run)


def reap(run: str) -> None:
    """Orphans, whose codes agents ask for. Of the warden too: none waits for that."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        code = os.waitstatus_to_exitcode(status)
        path = f"{run}/exits/{pid}"
        with open(f"{path}.new", "w") as file:  # noqa: PTH123
            file.write(str(code if code >= 0 else 128 - code))
        os.replace(f"{path}.new", path)  # noqa: PTH105


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3:])
