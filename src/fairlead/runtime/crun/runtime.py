"""The embedded runtime: sandboxes of pinned namespaces, containers by crun on an overlay of the image's layers."""

import asyncio
import contextlib
import dataclasses
import hashlib
import json
import logging
import os
import shutil
import signal
import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from fairlead.host import libc, namespaces, process
from fairlead.runtime import exits
from fairlead.runtime.crun import spec as oci
from fairlead.runtime.images.store import ImageStore
from fairlead.runtime.interface import (
    ContainerRecord,
    ContainerSpec,
    Image,
    Mount,
    Process,
    RuntimeFault,
    SandboxRecord,
    SandboxSpec,
)
from fairlead.runtime.logs import Pump
from fairlead.runtime.records import Records

log = logging.getLogger(__name__)

START_SECONDS = 30.0
GONE = -1  # the start time of a process that nobody saw
MOST_MESSAGE = 4096  # bytes of a termination message


class CrunRuntime:
    """`run_dir` for what a reboot may forget, `state_dir` for what containers write. Records are shared with others."""

    def __init__(self, run_dir: Path, state_dir: Path, exits_dir: Path, images: ImageStore, records: Records) -> None:
        self._run = run_dir
        self._state = state_dir
        self._exits = exits_dir
        self._images = images
        self._records = records
        self._pumps: dict[str, Pump] = {}
        self._terminals: dict[str, int] = {}
        self._ended: dict[str, asyncio.Event] = {}
        self.exited: Callable[[ContainerRecord], None] = lambda _: None
        self._tasks: set[asyncio.Task[None]] = set()
        for folder in (run_dir / "crun", run_dir / "bundles", run_dir / "ns", state_dir):
            folder.mkdir(parents=True, exist_ok=True)

    # Sandboxes.

    def namespace_folder(self, sandbox: str) -> Path:
        return self._run / "ns" / sandbox

    def create_sandbox(self, spec: SandboxSpec) -> SandboxRecord:
        folder = self.namespace_folder(spec.id)
        kinds = ("uts", "ipc") if spec.host_network else ("net", "uts", "ipc")
        namespaces.create(folder, kinds, hostname=spec.hostname)
        record = SandboxRecord(spec.id, spec.pod_uid, spec.namespace, spec.name, spec.attempt, created_at=time.time())
        if not spec.host_network:
            record.network = str(folder / "net")
        return record

    def remove_sandbox(self, sandbox: SandboxRecord) -> None:
        namespaces.remove(self.namespace_folder(sandbox.id))
        self._records.forget(sandbox)

    # Containers.

    async def start_container(self, spec: ContainerSpec, sandbox: SandboxRecord) -> ContainerRecord:
        image = self._images.resolve(spec.image)
        if image is None:
            raise RuntimeFault("CreateContainerError", f"image {spec.image} is gone")
        bundle = self._run / "bundles" / spec.id
        bundle.mkdir(parents=True, exist_ok=True)
        record = ContainerRecord(
            id=spec.id,
            sandbox=sandbox.id,
            pod_uid=spec.pod_uid,
            name=spec.name,
            attempt=spec.attempt,
            image=spec.image,
            image_id=image.id,
            created_at=time.time(),
            log_path=spec.log_path,
            stop_signal=image.stop_signal,
        )
        self._records.save(record)
        try:
            self._write_bundle(spec, image, bundle, sandbox)
            record.pid = await self._run_crun(record, bundle, spec)
        except oci.UserError as error:
            raise self._failed(record, "CreateContainerError", str(error)) from error
        except (OSError, TimeoutError) as error:
            raise self._failed(record, "CreateContainerError", str(error) or type(error).__name__) from error
        try:
            record.began = process.started_at(record.pid)
        except OSError:  # it has ended already, and is reaped; its code is known all the same
            record.began = GONE
        record.started_at = time.time()
        self._records.save(record)
        self._watch(record)
        return record

    def _failed(self, record: ContainerRecord, reason: str, message: str) -> RuntimeFault:
        pump = self._pumps.pop(record.id, None)
        if pump is not None:
            pump.close()
        self._unmount(record)
        record.finished_at, record.exit_code, record.reason, record.message = time.time(), 128, "StartError", message
        self._records.save(record)
        return RuntimeFault(reason, message)

    def _write_bundle(self, spec: ContainerSpec, image: Image, bundle: Path, sandbox: SandboxRecord) -> None:
        root = bundle / "rootfs"
        own = self._state / spec.id
        for folder in (root, own / "upper", own / "work"):
            folder.mkdir(parents=True, exist_ok=True)
        lower = ":".join(str(layer) for layer in reversed(image.layers))
        data = f"lowerdir={lower},upperdir={own / 'upper'},workdir={own / 'work'}"
        libc.mount("overlay", str(root), "overlay", 0, data)
        message = own / "termination-log"
        message.touch(mode=0o666)
        message.chmod(0o666)
        mounts = [mount for mount in spec.mounts if mount.target != spec.termination_message_path]
        mounts.append(Mount(str(message), spec.termination_message_path))
        shared = {
            "uts": str(self.namespace_folder(sandbox.id) / "uts"),
            "ipc": str(self.namespace_folder(sandbox.id) / "ipc"),
        }
        if sandbox.network:
            shared["network"] = sandbox.network
        described = oci.config(
            dataclasses.replace(spec, mounts=tuple(mounts)),
            image,
            shared,
            _text(root / "etc/passwd"),
            _text(root / "etc/group"),
        )
        (bundle / "config.json").write_text(json.dumps(described))

    async def _run_crun(self, record: ContainerRecord, bundle: Path, spec: ContainerSpec) -> int:
        """Starts it; the pid of its first process. Raises RuntimeFault with crun's own words."""
        pid_file = bundle / "pid"
        pump = self._pumps[record.id] = Pump(bundle, Path(record.log_path))
        if spec.stdin and not spec.tty:
            source = pump.open_input(once=spec.stdin_once)
        else:
            source = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        argv = [
            *self._crun(f"--log={bundle / 'crun.log'}"),
            "run",
            "--detach",
            f"--bundle={bundle}",
            f"--pid-file={pid_file}",
        ]
        console: socket.socket | None = None
        if spec.tty:
            console, path = _console()
            argv.append(f"--console-socket={path}")
        try:
            starter = process.spawn(
                [*argv, record.id],
                stdin=source,
                stdout=pump.descriptors[b"stdout"],
                stderr=pump.descriptors[b"stderr"],
            )
            async with asyncio.timeout(START_SECONDS):
                code = await process.wait(starter)
            if code == 0 and console is not None:
                self._pump_terminal(record, pump, _receive_terminal(console))
        finally:
            os.close(source)
            if console is not None:
                console.close()
        if code != 0:
            reason = _reason(bundle / "crun.log")
            raise self._failed(record, "RunContainerError", reason)
        return int(pid_file.read_text())

    def _pump_terminal(self, record: ContainerRecord, pump: Pump, terminal: int) -> None:
        """What a terminal shows goes the way of standard output."""
        loop = asyncio.get_running_loop()
        self._terminals[record.id] = terminal

        def copy() -> None:
            try:
                data = os.read(terminal, 65536)
            except OSError:
                data = b""
            if data and b"stdout" in pump.descriptors:
                os.write(pump.descriptors[b"stdout"], data)
            else:
                loop.remove_reader(terminal)
                del self._terminals[record.id]
                os.close(terminal)

        loop.add_reader(terminal, copy)

    def recover(self) -> list[ContainerRecord]:
        """After a restart of the agent: what is on record, with what still runs watched again."""
        found = []
        for record in self._records.containers():
            if record.part:
                continue
            if record.finished_at is None and record.pid:
                if not process.is_there(record.pid, record.began):
                    self._finish(record, exits.exit_code(self._exits, record.pid, record.created_at))
                else:
                    bundle = self._run / "bundles" / record.id
                    self._pumps[record.id] = Pump(bundle, Path(record.log_path))
                    self._watch(record)
            elif not record.pid and record.finished_at is None:
                record.finished_at, record.exit_code, record.reason = time.time(), 128, "StartError"
                self._records.save(record)
            found.append(record)
        return found

    def _watch(self, record: ContainerRecord) -> None:
        self._ended[record.id] = asyncio.Event()
        task = asyncio.get_running_loop().create_task(self._wait(record))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _wait(self, record: ContainerRecord) -> None:
        await process.gone(record.pid, record.began)
        self._finish(record, await exits.told(self._exits, record.pid, record.created_at))
        self.exited(record)

    def _finish(self, record: ContainerRecord, code: int | None) -> None:
        record.exit_code = exits.UNKNOWN if code is None else code
        record.finished_at = time.time()
        record.reason = "Completed" if record.exit_code == 0 else "Error"
        record.message = _text(self._state / record.id / "termination-log")[:MOST_MESSAGE]
        pump = self._pumps.pop(record.id, None)
        if pump is not None:
            pump.close()
        self._records.save(record)
        self._unmount(record)
        shutil.rmtree(self._run / "crun" / record.id, ignore_errors=True)
        if (ended := self._ended.pop(record.id, None)) is not None:
            ended.set()

    async def stop_container(self, container: ContainerRecord, grace: float) -> None:
        """The image's stop signal, and after `grace` seconds SIGKILL."""
        ended = self._ended.get(container.id)
        if ended is None:
            return
        number = signal.SIGKILL if grace <= 0 else _signal(container.stop_signal)
        self._kill(container, number)
        try:
            async with asyncio.timeout(grace if grace > 0 else 5):
                await ended.wait()
        except TimeoutError:
            self._kill(container, signal.SIGKILL)
            async with asyncio.timeout(10):
                await ended.wait()

    @staticmethod
    def _kill(container: ContainerRecord, number: int) -> None:
        if process.is_alive(container.pid, container.began):
            with contextlib.suppress(ProcessLookupError):
                os.kill(container.pid, number)

    async def remove_container(self, container: ContainerRecord) -> None:
        self._unmount(container)
        for folder in (self._run / "bundles" / container.id, self._state / container.id):
            shutil.rmtree(folder, ignore_errors=True)
        self._records.forget(container)

    def _unmount(self, container: ContainerRecord) -> None:
        with contextlib.suppress(OSError):
            libc.umount(str(self._run / "bundles" / container.id / "rootfs"))

    # Commands in containers.

    async def execute(self, container: ContainerRecord, argv: Sequence[str], *, tty: bool, stdin: bool) -> Process:
        """Starts a command. Its exit code: `process.wait(pid)`; crun's own failures come on standard error."""
        described = self._process_like(container, argv, tty=tty)
        command = [*self._crun("--log=/dev/null"), "exec", f"--process={described}"]
        if tty:
            console, path = _console()
            null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
            try:
                pid = process.spawn(
                    [*command, "--tty", f"--console-socket={path}", container.id],
                    stdin=null,
                    stdout=null,
                    stderr=null,
                )
                terminal = await asyncio.to_thread(_receive_terminal, console)
            except OSError as error:
                raise RuntimeFault("ExecError", f"cannot start {argv[0]}: {error}") from error
            finally:
                os.close(null)
                console.close()
            return Process(pid, terminal=terminal)
        source, fed = os.pipe2(os.O_CLOEXEC) if stdin else (os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC), None)
        out, out_end = os.pipe2(os.O_CLOEXEC)
        err, err_end = os.pipe2(os.O_CLOEXEC)
        try:
            pid = process.spawn([*command, container.id], stdin=source, stdout=out_end, stderr=err_end)
        finally:
            for descriptor in (source, out_end, err_end):
                os.close(descriptor)
        return Process(pid, stdin=fed, stdout=out, stderr=err)

    def _process_like(self, container: ContainerRecord, argv: Sequence[str], *, tty: bool) -> Path:
        """A command as whom the container runs: user, capabilities, variables, folder. crun by itself would make it
        root. Raises RuntimeFault."""
        bundle = self._run / "bundles" / container.id
        try:
            described = json.loads((bundle / "config.json").read_text())["process"]
        except OSError as error:
            raise RuntimeFault("ExecError", f"container {container.name} is not running") from error
        if tty and not any(entry.startswith("TERM=") for entry in described["env"]):
            described["env"].append("TERM=xterm")
        text = json.dumps({**described, "args": list(argv), "terminal": tty})
        path = bundle / f"exec-{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"
        if not path.exists():
            path.write_text(text)
        return path

    def attach(self, container: ContainerRecord, *, stdin: bool) -> Process:
        pump, ended = self._pumps.get(container.id), self._ended.get(container.id)
        if pump is None or ended is None:
            raise RuntimeFault("AttachError", f"container {container.name} is not running")
        terminal = self._terminals.get(container.id)
        if terminal is not None:
            given = os.dup(terminal) if stdin else None
            return Process(container.pid, given, pump.listen(b"stdout"), window=terminal, ended=ended.wait)
        given = pump.attach_input() if stdin else None
        return Process(container.pid, given, pump.listen(b"stdout"), pump.listen(b"stderr"), ended=ended.wait)

    def _crun(self, *options: str) -> list[str]:
        return ["crun", f"--root={self._run / 'crun'}", "--cgroup-manager=disabled", *options]


def _console() -> tuple[socket.socket, str]:
    """A socket on which crun hands over a terminal. Its path is short: sun_path holds 108 bytes."""
    path = f"/tmp/fairlead-console-{os.getpid()}-{time.monotonic_ns()}"
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    listener.listen(1)
    listener.settimeout(10)
    return listener, path


def _receive_terminal(listener: socket.socket) -> int:
    path = listener.getsockname()
    try:
        connection, _ = listener.accept()
        with connection:
            _, descriptors, _, _ = socket.recv_fds(connection, 1024, 1)
    finally:
        Path(path).unlink(missing_ok=True)
    if not descriptors:
        raise OSError("crun handed over no terminal")
    os.set_blocking(descriptors[0], False)
    return descriptors[0]


def _signal(name: str) -> int:
    try:
        return signal.Signals[name if name.startswith("SIG") else f"SIG{name}"].value
    except KeyError:
        return int(name) if name.isdigit() else signal.SIGTERM


def _reason(path: Path) -> str:
    """crun's last words, without its time stamps."""
    lines = [line.partition(": ")[2] or line for line in _text(path).splitlines() if line.strip()]
    return lines[-1].strip() if lines else "crun failed without a word"


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
