"""Fairlead's own parts as containers: forked from the warm process of this machine instead of unpacked and started.

Their image is not in any store: `fairlead.dev/fairlead:<version>` is this very program. Such a container has the node's
network, no root file system of its own, and finds its volumes beneath `$CONTAINER_SANDBOX_MOUNT_POINT`, as Windows'
HostProcess containers do (KEP-1981).
"""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from fairlead.host import cgroup2, namespaces, process
from fairlead.runtime import exits
from fairlead.runtime.interface import (
    ContainerRecord,
    ContainerSpec,
    Process,
    RuntimeFault,
    SandboxRecord,
    SandboxSpec,
)
from fairlead.runtime.logs import Pump
from fairlead.runtime.records import Records

MOUNT_POINT = "CONTAINER_SANDBOX_MOUNT_POINT"


def fork(zygote: Path, request: dict[str, object], stdout: int, stderr: int) -> int:
    """Asks the warm process for a child; its pid. Raises OSError."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        connection.settimeout(10)
        connection.connect(str(zygote))
        socket.send_fds(connection, [json.dumps(request).encode()], [stdout, stderr])
        answer = json.loads(connection.recv(65536))
    if "pid" not in answer:
        raise OSError(answer.get("error", "the warm process gave no answer"))
    return int(answer["pid"])


class PartRuntime:
    """As the runtime proper, for containers of the image above."""

    def __init__(self, run_dir: Path, zygote: Path, exits_dir: Path, records: Records, network: str) -> None:
        """`network`: the path of the node's network namespace."""
        self._run = run_dir / "parts"
        self._zygote = zygote
        self._exits = exits_dir
        self._records = records
        self._network = network
        folder = cgroup2.of_node()
        self._cgroup = str(folder) if folder is not None and folder.name.endswith(cgroup2.NODE) else ""
        self._pumps: dict[str, Pump] = {}
        self._ended: dict[str, asyncio.Event] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.exited: Callable[[ContainerRecord], None] = lambda _: None
        self._run.mkdir(parents=True, exist_ok=True)

    def create_sandbox(self, spec: SandboxSpec) -> SandboxRecord:
        """No namespaces on the node's network; a network of its own otherwise."""
        record = SandboxRecord(spec.id, spec.pod_uid, spec.namespace, spec.name, spec.attempt, created_at=time.time())
        if not spec.host_network:
            folder = self._run / "ns" / spec.id
            namespaces.create(folder, ("net",))
            record.network = str(folder / "net")
        return record

    def remove_sandbox(self, sandbox: SandboxRecord) -> None:
        namespaces.remove(self._run / "ns" / sandbox.id)
        self._records.forget(sandbox)

    async def start_container(self, spec: ContainerSpec, sandbox: SandboxRecord) -> ContainerRecord:
        folder = self._run / spec.id
        root = folder / "root"
        root.mkdir(parents=True, exist_ok=True)
        for mount in spec.mounts:
            place = root / mount.target.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.unlink(missing_ok=True)
            place.symlink_to(mount.source)
        record = ContainerRecord(
            id=spec.id,
            sandbox=sandbox.id,
            pod_uid=spec.pod_uid,
            name=spec.name,
            attempt=spec.attempt,
            image=spec.image,
            image_id=f"sha256:{'0' * 64}",
            created_at=time.time(),
            log_path=spec.log_path,
            part=True,
        )
        pump = self._pumps[spec.id] = Pump(folder, Path(spec.log_path))
        request: dict[str, object] = {
            "argv": [*spec.command[1:], *spec.args] if spec.command else list(spec.args),
            "env": {**dict(spec.env), MOUNT_POINT: str(root)},
            "net": sandbox.network or self._network,
            "cgroup": self._cgroup,
            "title": spec.title or spec.name,
        }
        try:
            out, err = pump.descriptors[b"stdout"], pump.descriptors[b"stderr"]
            record.pid = await asyncio.to_thread(fork, self._zygote, request, out, err)
            record.began = process.started_at(record.pid)
        except OSError as error:
            self._pumps.pop(spec.id).close()
            raise RuntimeFault("RunContainerError", str(error)) from error
        record.started_at = time.time()
        self._records.save(record)
        self._watch(record)
        return record

    def recover(self) -> list[ContainerRecord]:
        found = []
        for record in self._records.containers():
            if not record.part:
                continue
            if record.finished_at is None:
                if process.is_there(record.pid, record.began):
                    self._pumps[record.id] = Pump(self._run / record.id, Path(record.log_path))
                    self._watch(record)
                else:
                    self._finish(record, exits.exit_code(self._exits, record.pid, record.created_at))
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
        if (pump := self._pumps.pop(record.id, None)) is not None:
            pump.close()
        self._records.save(record)
        if (ended := self._ended.pop(record.id, None)) is not None:
            ended.set()

    async def stop_container(self, container: ContainerRecord, grace: float) -> None:
        ended = self._ended.get(container.id)
        if ended is None:
            return
        self._kill(container, signal.SIGTERM if grace > 0 else signal.SIGKILL)
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
        shutil.rmtree(self._run / container.id, ignore_errors=True)
        self._records.forget(container)

    async def execute(self, container: ContainerRecord, argv: Sequence[str], *, tty: bool, stdin: bool) -> Process:
        text = f"container {container.name} is a part of Fairlead itself and has no programs to run: try fairlead exec"
        raise RuntimeFault("ExecError", text)

    def attach(self, container: ContainerRecord, *, stdin: bool) -> Process:
        raise RuntimeFault("AttachError", f"container {container.name} is a part of Fairlead itself: see kubectl logs")
