"""Cluster DNS as a part: a supervisor that holds the sockets, a watcher, and workers; an ordinary client of the API.

The supervisor does nothing but keep the others alive. What it holds outlives them: a packet that comes while a worker
is started anew waits in its socket.
"""

import logging
import os
import select
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

from fairlead.client.config import load
from fairlead.dns.local import LocalAddresses
from fairlead.dns.options import Options
from fairlead.dns.sockets import Sockets, open_sockets
from fairlead.host import libc

log = logging.getLogger(__name__)

FIRST_WAIT, LONGEST_WAIT = 0.05, 2.0  # seconds before a child that ended at once is started again
QUIET = 5.0  # seconds that make one forget its failures
ENDING_SECONDS = 2.0


@dataclass(slots=True)
class _Child:
    name: str
    work: Callable[[], None]
    pid: int = 0
    pidfd: int = -1
    started: float = 0.0
    failures: int = 0
    due: float = 0.0


class Supervisor:
    def __init__(self, options: Options, sockets: Sockets) -> None:
        self._options = options
        self._sockets = sockets
        self._local = LocalAddresses(options.service_addresses, options.port)
        self._control, self._watchers_control = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._lameduck = 0.0
        self._ending = False
        self._poll = select.poll()
        self._wakeup, self._wakeup_end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._children = [_Child("dns-watch", self._watch)]
        for number in range(len(sockets.udp)):
            self._children.append(_Child(f"dns-worker{number}", lambda number=number: self._work(number)))  # type: ignore[misc]

    def run(self) -> None:
        """Until SIGTERM or SIGINT. Raises OSError where a Service's address cannot be had."""
        if self._options.service_addresses:
            self._local.add_addresses()
        signal.set_wakeup_fd(self._wakeup_end, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: setattr(self, "_ending", True))
        self._poll.register(self._wakeup, select.POLLIN)
        self._poll.register(self._control, select.POLLIN)
        while not self._ending:
            self._start_due()
            for descriptor, _ in self._poll.poll(self._timeout()):
                self._handle(descriptor)
        self._end()

    def _handle(self, descriptor: int) -> None:
        if descriptor == self._wakeup:
            os.read(self._wakeup, 4096)
        elif descriptor == self._control.fileno():
            self._hear(self._control.recv(4096))
        else:
            for child in self._children:
                if child.pidfd == descriptor:
                    self._ended(child)

    def _hear(self, told: bytes) -> None:
        """From the watcher: `ready`, `lameduck SECONDS`."""
        word, _, value = told.decode().partition(" ")
        if word == "lameduck":
            self._lameduck = float(value)
        elif word == "ready":
            self._local.apply_or_log()

    # Children.

    def _timeout(self) -> int | None:
        waiting = [child.due for child in self._children if not child.pid]
        return max(1, int((min(waiting) - time.monotonic()) * 1000)) if waiting else None

    def _start_due(self) -> None:
        for child in self._children:
            if not child.pid and child.due <= time.monotonic():
                self._start(child)

    def _start(self, child: _Child) -> None:
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            self._become(child, parent)
        child.pid, child.pidfd, child.started = pid, os.pidfd_open(pid), time.monotonic()
        self._poll.register(child.pidfd, select.POLLIN)

    def _become(self, child: _Child, parent: int) -> None:
        """Does not return."""
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.SIG_DFL)
            libc.prctl(libc.PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:
                os._exit(1)
            libc.set_process_name(f"fl-{child.name}")
            libc.set_command_line(f"{child.name} (fairlead dns)")
            self._local.forget()
            child.work()
            code = 0
        except SystemExit:
            code = 0
        except BaseException:  # the child must never return into its parent's loop
            log.exception("%s failed", child.name)
        finally:
            os._exit(code)

    def _work(self, number: int) -> None:
        from fairlead.dns.worker import Worker

        Worker(self._sockets.udp[number], self._sockets.channels[number][1]).run()

    def _watch(self) -> None:
        import uvloop

        def tell(text: str) -> None:
            self._watchers_control.send(text.encode())

        uvloop.run(watch(self._options, self._sockets, tell))

    def _ended(self, child: _Child) -> None:
        self._poll.unregister(child.pidfd)
        os.close(child.pidfd)
        _, status = os.waitpid(child.pid, 0)
        now = time.monotonic()
        child.failures = 0 if now - child.started > QUIET else child.failures + 1
        wait = 0.0 if child.failures <= 1 else min(FIRST_WAIT * 2**child.failures, LONGEST_WAIT)
        log.warning("%s has ended (%d) and is started again", child.name, os.waitstatus_to_exitcode(status))
        child.pid, child.pidfd, child.due = 0, -1, now + wait

    def _end(self) -> None:
        """The rules first: who asks then is led to another node. Those that ask here still are answered for a while."""
        self._local.remove()
        time.sleep(self._lameduck)
        alive = [child for child in self._children if child.pid]
        for child in alive:
            os.kill(child.pid, signal.SIGTERM)
        deadline = time.monotonic() + ENDING_SECONDS
        for child in alive:
            if not select.select([child.pidfd], [], [], max(0.0, deadline - time.monotonic()))[0]:
                os.kill(child.pid, signal.SIGKILL)
            os.waitpid(child.pid, 0)


async def watch(options: Options, sockets: Sockets, tell: Callable[[str], None]) -> None:
    from fairlead.dns.watcher import Watcher

    await Watcher(options, sockets.udp, sockets.tcp, [ends[0] for ends in sockets.channels], tell).run()


def alone(options: Options, sockets: Sockets) -> None:
    """All in this one process, where memory matters more than the last question: if it is killed, another node's
    DNS answers until it is back."""
    import asyncio
    import contextlib

    import uvloop

    local = LocalAddresses(options.service_addresses, options.port)
    lameduck = 0.0

    def hear(told: str) -> None:
        nonlocal lameduck
        word, _, value = told.partition(" ")
        if word == "lameduck":
            lameduck = float(value)
        else:
            local.apply_or_log()

    async def until_told() -> None:
        loop = asyncio.get_running_loop()
        task = asyncio.ensure_future(watch(options, sockets, hear))

        def end() -> None:
            local.remove()
            loop.call_later(lameduck, task.cancel)

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, end)
        with contextlib.suppress(asyncio.CancelledError):
            await task

    if options.service_addresses:
        local.add_addresses()
    uvloop.run(until_told())


def serve(options: Options) -> None:
    """Answers until told to end. Raises ConfigError, OSError."""
    load(options.kubeconfig)  # what is wrong with it is told here, once
    sockets = open_sockets(options)
    log.info("answering on %s port %d", ", ".join((*options.listen, *options.service_addresses)), options.port)
    try:
        if options.workers:
            Supervisor(options, sockets).run()
        else:
            alone(options, sockets)
    finally:
        sockets.close()
