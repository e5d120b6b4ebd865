"""The warm process: everything is imported once; every part is a fork of it, and shares its memory.

It starts the parts of the cluster again when they end, forks parts that nodes' agents ask for (`zygote.sock`), and
writes down the exit code of every orphan that it reaps. It has one thread and no event loop, so that forking is safe. A
second process watches it, and it watches that one: whichever is killed, the other makes it anew.

Only the API server does not wait until everything is imported: all others wait for it, so it is imported and forked
first, and starts while the rest is imported.
"""

import contextlib
import gc
import json
import logging
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fairlead.cluster import cgroups, guard
from fairlead.cluster.layout import Layout
from fairlead.cluster.sharing import keep_shared, shake_hands
from fairlead.host import libc, process

log = logging.getLogger(__name__)

Run = Callable[[list[str]], None]  # the command line
FIRST_WAIT, LONGEST_WAIT = 0.05, 5.0  # seconds before a part that ended starts again
FIRST = "apiserver"  # what all others wait for
QUIET = 30.0  # seconds that make one forget its failures


@dataclass(slots=True)
class _Part:
    spec: dict[str, Any]
    pid: int = 0
    began: int = 0
    pidfd: int = -1
    started: float = 0.0
    failures: int = 0
    due: float = 0.0


class Warden:
    def __init__(self, layout: Layout, run: Run) -> None:
        self._layout = layout
        self._run = run
        self._parts: dict[str, _Part] = {}
        self._poll = select.poll()
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._wakeup, self._wakeup_end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._twin = -1  # pidfd of the guard
        self._ending = False

    def main(self, twin: int) -> None:
        """`twin`: the guard's pid. Returns when told to end."""
        process.become_subreaper()
        libc.set_process_name("fairlead-warden")
        libc.set_command_line(f"fairlead warden {self._layout.name}")
        (self._layout.run / "warden.pid").write_text(str(os.getpid()))
        signal.set_wakeup_fd(self._wakeup_end, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: setattr(self, "_ending", True))
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        self._watch_twin(twin)
        self._load()
        warm_up_first()
        shake_hands(self._layout.pki)
        keep_shared()
        self._start_due(only=FIRST)
        warm_up()
        keep_shared()
        self._listen()
        self._poll.register(self._wakeup, select.POLLIN)
        self._poll.register(self._listener.fileno(), select.POLLIN)
        while not self._ending:
            self._start_due()
            for descriptor, _ in self._poll.poll(self._timeout()):
                self._handle(descriptor)
            self._reap()
        self._end()

    # Events.

    def _handle(self, descriptor: int) -> None:
        if descriptor == self._wakeup:
            try:
                os.read(self._wakeup, 4096)
            except BlockingIOError:
                pass
        elif descriptor == self._listener.fileno():
            self._serve()
        elif descriptor == self._twin:
            self._replace_twin()
        else:
            for part in self._parts.values():
                if part.pidfd == descriptor:
                    self._ended(part)

    def _timeout(self) -> int:
        """Milliseconds until the next part is due."""
        waiting = [part.due for part in self._parts.values() if not part.pid]
        return max(1, int((min(waiting) - time.monotonic()) * 1000)) if waiting else 60_000

    def _reap(self) -> None:
        """All children that have ended; agents ask `exits/` for those that were theirs."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            code = os.waitstatus_to_exitcode(status)
            path = self._layout.exits / str(pid)
            path.with_suffix(".new").write_text(str(code if code >= 0 else 128 - code))
            path.with_suffix(".new").replace(path)
            for part in self._parts.values():
                if part.pid == pid:
                    self._ended(part)

    # Parts of the cluster.

    def _load(self) -> None:
        """Parts that an earlier warden started and that still run are kept."""
        plan = json.loads(self._layout.plan.read_text())
        for spec in plan["parts"]:
            part = self._parts[spec["name"]] = _Part(spec)
            try:
                known = json.loads(self._state(part).read_text())
            except (OSError, ValueError):
                continue
            if process.is_alive(known["pid"], known["began"]):
                self._follow(part, known["pid"])

    def _state(self, part: _Part) -> Path:
        return self._layout.run / "parts" / f"{part.spec['name']}.json"

    def _start_due(self, only: str | None = None) -> None:
        now = time.monotonic()
        for name, part in self._parts.items():
            if not part.pid and part.due <= now and only in (None, name):
                self._start(part)

    def _start(self, part: _Part) -> None:
        spec = part.spec
        folder = cgroups.folder_of(self._layout, Path(spec["network"]).parent.name)
        output = os.open(spec["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
        try:
            pid = self._fork(list(spec["argv"]), {}, spec["network"], folder, spec["name"], output, output)
        finally:
            os.close(output)
        part.started = time.monotonic()
        self._follow(part, pid)

    def _follow(self, part: _Part, pid: int) -> None:
        part.pid = pid
        try:
            part.began = process.started_at(pid)
            part.pidfd = os.pidfd_open(pid)
        except OSError:
            part.due = time.monotonic()
            part.pid = 0
            return
        self._poll.register(part.pidfd, select.POLLIN)
        path = self._state(part)
        path.with_suffix(".new").write_text(json.dumps({"pid": pid, "began": part.began}))
        path.with_suffix(".new").replace(path)

    def _ended(self, part: _Part) -> None:
        if part.pidfd >= 0:
            self._poll.unregister(part.pidfd)
            os.close(part.pidfd)
        now = time.monotonic()
        part.failures = 0 if now - part.started > QUIET else part.failures + 1
        wait = 0.0 if part.failures <= 1 else min(FIRST_WAIT * 2**part.failures, LONGEST_WAIT)
        part.pid, part.pidfd, part.due = 0, -1, now + wait

    # Forking.

    def _listen(self) -> None:
        path = self._layout.zygote
        path.unlink(missing_ok=True)
        self._listener.bind(str(path))
        path.chmod(0o600)
        self._listener.listen(64)

    def _serve(self) -> None:
        """One request: `{argv, env, net, cgroup, title}` and the two descriptors for its output."""
        connection, _ = self._listener.accept()
        with connection:
            connection.settimeout(2)
            try:
                data, descriptors, _, _ = socket.recv_fds(connection, 65536, 2)
                request = json.loads(data)
                output, errors = descriptors
                network, folder = request["net"], Path(request["cgroup"]) if request["cgroup"] else None
                pid = self._fork(request["argv"], request["env"], network, folder, request["title"], output, errors)
                answer: dict[str, Any] = {"pid": pid}
            except (OSError, ValueError, KeyError) as error:
                descriptors = []
                answer = {"error": str(error)}
            for descriptor in descriptors:
                os.close(descriptor)
            try:
                connection.send(json.dumps(answer).encode())
            except OSError as error:
                log.warning("who asked for a fork is gone: %s", error)

    def _fork(
        self,
        argv: list[str],
        env: dict[str, str],
        network: str,
        folder: Path | None,
        title: str,
        output: int,
        errors: int,
    ) -> int:
        """In the child: a session of its own, its node's cgroup (`folder`), its network, its output; then the command,
        as if from a shell."""
        before = _pipes()
        pid = os.fork()
        if pid:
            return pid
        code = 1
        try:
            signals = {descriptor for descriptor, what in _pipes().items() if before.get(descriptor) != what}
            os.setsid()
            os.dup2(output, 1)
            os.dup2(errors, 2)
            if folder is not None:
                cgroups.join(folder)
            for kind in ("net", "uts"):
                path = Path(network).with_name(kind)
                if path.exists():
                    descriptor = os.open(path, os.O_RDONLY)
                    libc.setns(descriptor, libc.CLONE_NEWNET if kind == "net" else libc.CLONE_NEWUTS)
            for descriptor in set(range(3, 256)) - signals:
                with contextlib.suppress(OSError):  # it is not open
                    os.close(descriptor)
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.SIG_DFL)
            libc.prctl(libc.PR_SET_CHILD_SUBREAPER, 0)
            libc.set_process_name(f"fl-{title}")
            libc.set_command_line(f"{title} (fairlead {' '.join(argv)})")
            os.environ.update(env)
            gc.enable()
            code = _exit_code(self._run, argv)
        except BaseException as error:  # noqa: BLE001  # the child must never return into its parent's loop
            os.write(2, f"cannot start {title}: {type(error).__name__}: {error}\n".encode())
        finally:
            os._exit(code)

    # The twin.

    def _watch_twin(self, pid: int) -> None:
        self._twin = os.pidfd_open(pid)
        self._poll.register(self._twin, select.POLLIN)

    def _replace_twin(self) -> None:
        self._poll.unregister(self._twin)
        os.close(self._twin)
        own = os.getpid()
        pid = os.fork()
        if pid == 0:
            try:
                os.setsid()
                signal.set_wakeup_fd(-1)
                os.closerange(3, 256)
                be_guarded_by_this_process(self._layout, own)
            finally:
                os._exit(0)
        self._watch_twin(pid)

    def _end(self) -> None:
        """The guard first, or it would start us again; then the parts."""
        try:
            signal.pidfd_send_signal(self._twin, signal.SIGKILL)
        except ProcessLookupError:
            pass
        for number, seconds in ((signal.SIGTERM, 3.0), (signal.SIGKILL, 2.0)):
            alive = [part for part in self._parts.values() if part.pid and process.is_alive(part.pid, part.began)]
            for part in alive:
                os.kill(part.pid, number)
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline and any(process.is_alive(p.pid, p.began) for p in alive):
                self._reap()
                time.sleep(0.005)
        self._layout.zygote.unlink(missing_ok=True)


def be_guarded_by_this_process(layout: Layout, warden: int) -> None:
    """The calling process becomes the guard: the parent of the next warden. Does not return."""
    process.become_subreaper()
    (layout.run / "guard.pid").write_text(str(os.getpid()))
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    command = [sys.executable, "-m", "fairlead", "warden", "--name", layout.name, "--guard"]
    guard.become(str(layout.run), warden, command)


def _exit_code(run: Run, argv: list[str]) -> int:
    try:
        run(argv)
    except SystemExit as end:
        sys.stdout.flush()
        sys.stderr.flush()
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def warm_up_first() -> None:
    """Imports the API server, and does once what every part would begin with."""
    import asyncio
    import ssl

    import uvloop

    import fairlead.apiserver.part  # noqa: F401

    uvloop.run(asyncio.sleep(0))
    for side in (ssl.PROTOCOL_TLS_CLIENT, ssl.PROTOCOL_TLS_SERVER):
        ssl.SSLContext(side)  # OpenSSL sets itself up


def warm_up() -> None:
    """Imports all that the other parts need."""
    import fairlead.controllers.part
    import fairlead.dns.part
    import fairlead.dns.watcher
    import fairlead.dns.worker
    import fairlead.loadbalancer.part
    import fairlead.node.part
    import fairlead.proxy.part
    import fairlead.scheduler.part  # noqa: F401


def _pipes() -> dict[int, str]:
    """Descriptor → which pipe. libuv makes its pipe of signals anew in every child of a fork, and closes what it takes
    for the old one: were the new one closed here, a later fork would close whatever has got its numbers."""
    found = {}
    for each in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # the descriptor of this listing
            if (what := str(each.readlink())).startswith("pipe:"):
                found[int(each.name)] = what
    return found
