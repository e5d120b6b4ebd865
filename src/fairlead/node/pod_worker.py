"""One pod on this node: observe, plan, apply, tell; woken by the API, by exits, by probes and by the clock."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from fairlead.api.status import ApiError
from fairlead.api.types.core import Container, Pod, PodStatus
from fairlead.client.events import reference
from fairlead.node import backoff, command, environment, hooks, host_ports, names, non_root, pod_status
from fairlead.node.container_spec import container_spec
from fairlead.node.downward import Self
from fairlead.node.ipam import NoAddressError
from fairlead.node.observed import HOOK, Failure, Health, Observed, Run, Sandbox, Waiting
from fairlead.node.plan import Action, CreateSandbox, Forget, Plan, Start, Stop, StopPod, plan, seen_at, stop_order
from fairlead.node.probe import probes_of
from fairlead.node.prober import Prober
from fairlead.node.sources import SourceError, Sources
from fairlead.node.volumes.mounting import Volumes, fetch
from fairlead.runtime.interface import ContainerRecord, ContainerSpec, RuntimeFault, SandboxRecord, SandboxSpec

if TYPE_CHECKING:
    from fairlead.node.agent import Agent

log = logging.getLogger(__name__)

RETRY = 2.0  # seconds until a failed sandbox or volume is tried again
PULL_BACK_OFF_TOLD = 1.0  # seconds from a failed pull until the wait for the next one is what is told
REFRESH = 60.0  # seconds between looks at what volumes are filled from


class PodWorker:
    """`run` returns when the pod has gone from this node."""

    def __init__(self, agent: "Agent", pod: Pod) -> None:
        self._agent = agent
        self.pod = pod
        self._wake = asyncio.Event()
        self._sandbox: SandboxRecord | None = None
        self._records: dict[str, ContainerRecord] = {}
        self._failures: dict[str, Failure] = {}
        self._backoffs: dict[str, backoff.BackOff] = {}
        self._health: dict[str, Health] = {}
        self._probers: dict[str, asyncio.Task[None]] = {}
        self._problem: Waiting | None = None
        self._volumes = Volumes(Path(agent.options.state_dir) / "pods" / pod.metadata.uid)
        self._sources: Sources | None = None
        self._started_at = seen_at(pod, time.time())
        self._told: PodStatus | None = None
        self._backed_off: dict[str, str] = {}  # container → its run that was told of
        self._refreshed = time.time()

    def update(self, pod: Pod) -> None:
        self.pod = pod
        self._wake.set()

    def wake(self) -> None:
        self._wake.set()

    def recover(self, sandbox: SandboxRecord | None, records: list[ContainerRecord]) -> None:
        """What an earlier agent left running."""
        self._sandbox = sandbox
        for record in sorted(records, key=lambda each: each.created_at):
            self._records[record.id] = record
            if (entry := backoff.recovered(record.attempt, record.created_at)) is not None:
                self._backoffs[record.name] = entry
            if record.finished_at is None and record.started_at is not None:
                self._begin_probes(record)

    def ended(self, record: ContainerRecord) -> None:
        self._records[record.id] = record
        prober = self._probers.pop(record.id, None)
        if prober is not None:
            prober.cancel()
        self._wake.set()

    def record_of(self, container: str, *, previous: bool = False) -> ContainerRecord | None:
        """The last run of a container, or the one before."""
        runs = [record for record in self._records.values() if record.name == container]
        runs.sort(key=lambda each: each.attempt)
        return (runs[-2] if len(runs) > 1 else None) if previous else (runs[-1] if runs else None)

    @property
    def sandbox(self) -> SandboxRecord | None:
        return self._sandbox

    # The loop.

    async def run(self) -> None:
        while True:
            self._wake.clear()
            now = time.time()
            planned = plan(self.pod, self._observed(), now)
            await self._tell(planned, now)
            self._tell_of_backoff(planned)
            if planned.actions:
                for action in planned.actions:
                    await self._apply(action)
                continue
            if planned.ended:
                await self._clean_up()
                if self.pod.metadata.deletion_timestamp is not None:
                    await self._finish()
                    return
            if now - self._refreshed > REFRESH and self._sandbox is not None and not planned.ended:
                await self._refresh()
            until = min(planned.wake_at or now + REFRESH, now + REFRESH)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, until - now)):
                    await self._wake.wait()

    def _observed(self) -> Observed:
        runs: dict[str, tuple[Run, ...]] = {}
        for record in sorted(self._records.values(), key=lambda each: each.attempt):
            runs[record.name] = (*runs.get(record.name, ()), _run_of(record))
        sandbox = None
        if self._sandbox is not None:
            sandbox = Sandbox(self._sandbox.id, self._sandbox.attempt, tuple(self._sandbox.ips))
        return Observed(sandbox, runs, self._failures, self._backoffs, self._health, self._started_at, self._problem)

    async def _tell(self, planned: Any, now: float) -> None:
        """The status, where it has changed. A pod that is gone or another one by now is nobody's business."""
        node = pod_status.Node(self._agent.options.node_ips, "crun")
        if self._told is not None:
            self.pod.status = pod_status.told_before(self.pod, self._told)
        status = pod_status.status_of(self.pod, self._observed(), planned, node, now)
        if self._told == status:
            return
        metadata = self.pod.metadata
        body = {"metadata": {"uid": metadata.uid}, "status": _complete(status)}
        try:
            await self._agent.client.patch(
                "pods", metadata.name, metadata.namespace, body, kind="strategic", subresource="status", type=Pod
            )
        except ApiError as error:
            if not (error.is_not_found or error.is_conflict):
                log.warning("status of %s/%s: %s", metadata.namespace, metadata.name, error)
        except OSError as error:
            log.info("status of %s/%s: %s", metadata.namespace, metadata.name, error)
            self._agent.later(1.0, self.wake)
            return
        self._told = status

    def _tell_of_backoff(self, planned: Plan) -> None:
        """Once for each run that failed."""
        metadata = self.pod.metadata
        for name, waiting in planned.waiting.items():
            last = self.record_of(name)
            if waiting.reason == "CrashLoopBackOff" and last is not None and self._backed_off.get(name) != last.id:
                self._backed_off[name] = last.id
                pod = f"{metadata.name}_{metadata.namespace}({metadata.uid})"
                text = f"Back-off restarting failed container {name} in pod {pod}"
                self._event("Warning", "BackOff", text, name)

    async def _finish(self) -> None:
        """The last word: the API may forget the pod."""
        metadata = self.pod.metadata
        while True:
            try:
                await self._agent.client.delete("pods", metadata.name, metadata.namespace, grace=0, uid=metadata.uid)
            except ApiError as error:
                if not (error.is_not_found or error.is_conflict):
                    log.warning("cannot delete %s/%s: %s", metadata.namespace, metadata.name, error)
                    await asyncio.sleep(1)
                    continue
            except OSError:
                await asyncio.sleep(0.5)
                continue
            return

    # Actions.

    async def _apply(self, action: Action) -> None:
        match action:
            case CreateSandbox(attempt):
                await self._create_sandbox(attempt)
            case Start(container, attempt, entry):
                await self._start(container, attempt, entry)
            case Stop(run, container, grace, why):
                self._event("Normal", "Killing", why, container)
                await self._stop(run, grace)
            case StopPod(grace):
                await self._stop_pod(grace)
            case Forget(run):
                record = self._records.pop(run, None)
                if record is not None:
                    await self._agent.runtime_of(record.image).remove_container(record)
                    Path(record.log_path).unlink(missing_ok=True)

    async def _create_sandbox(self, attempt: int) -> None:
        pod, agent = self.pod, self._agent
        host = pod.spec.host_network
        try:
            spec = SandboxSpec(
                id=f"{pod.metadata.uid}-{attempt}",
                pod_uid=pod.metadata.uid,
                namespace=pod.metadata.namespace,
                name=pod.metadata.name,
                attempt=attempt,
                hostname=self._hostname(),
                host_network=host,
            )
            await self._prepare_volumes()
            record = agent.sandbox_runtime(pod).create_sandbox(spec)
            if host:
                record.ips = list(agent.options.node_ips)
            else:
                pools = await agent.addresses()
                record.ips = pools.allocate(spec.id)
                agent.network.set_up(spec.id, Path(record.network), record.ips)
                record.host_ports = host_ports.host_ports(pod, record.ips)
            agent.records.save(record)
            await agent.publish_host_ports(record.host_ports)
            self._write_name_files(record.ips)
        except (SourceError, OSError, ApiError, RuntimeFault, NoAddressError, ValueError) as error:
            mount = isinstance(error, SourceError | ApiError)
            reason = "FailedMount" if mount else "FailedCreatePodSandBox"
            text = f"MountVolume.SetUp failed: {error}" if mount else f"Failed to create pod sandbox: {error}"
            self._event("Warning", reason, text)
            self._problem = Waiting("ContainerCreating", text)
            now = time.time()
            self._failures[""] = Failure(((now, "ContainerCreating", text),), now + RETRY)
            return
        self._failures.pop("", None)
        self._problem = None
        self._sandbox = record

    async def _prepare_volumes(self) -> None:
        self._sources = await fetch(self._agent.client, self.pod)
        self._volumes.prepare(self.pod, self._self(()), self._sources)
        self._refreshed = time.time()

    async def _refresh(self) -> None:
        """Volumes follow the objects that fill them."""
        self._refreshed = time.time()
        try:
            self._sources = await fetch(self._agent.client, self.pod)
            if not self._volumes.paths:  # an earlier agent made them
                self._volumes.prepare(self.pod, self._self(self._ips), self._sources)
            self._volumes.refresh(self.pod, self._self(self._ips), self._sources)
        except (SourceError, OSError, ApiError) as error:
            log.info("volumes of %s: %s", self.pod.metadata.name, error)

    @property
    def _ips(self) -> Sequence[str]:
        return self._sandbox.ips if self._sandbox is not None else ()

    def _self(self, ips: Sequence[str]) -> Self:
        return Self(self.pod, ips, self._agent.options.node_ips, self._agent.allocatable)

    def _write_name_files(self, ips: Sequence[str]) -> None:
        options, folder = self._agent.options, self._volumes.root
        folder.mkdir(parents=True, exist_ok=True)
        node_hosts = _text(Path("/etc/hosts"))
        (folder / "hosts").write_text(names.hosts_file(self.pod, ips, options.cluster_domain, node_hosts))
        node = names.parse_resolver(_text(Path("/etc/resolv.conf")))
        found = names.resolver(self.pod, (options.cluster_dns,), options.cluster_domain, node)
        (folder / "resolv.conf").write_text(names.resolv_conf(found))

    async def _start(self, name: str, attempt: int, entry: backoff.BackOff | None) -> None:
        container = next(c for c in (*self.pod.spec.init_containers, *self.pod.spec.containers) if c.name == name)
        if entry is not None:
            self._backoffs[name] = entry
        runtime = self._agent.runtime_of(container.image)
        assert self._sandbox is not None
        try:
            if runtime is self._agent.crun:
                image = await self._agent.images.ensure(
                    container, lambda kind, reason, text: self._event(kind, reason, text, name)
                )
                non_root.check(self.pod, container, image.user)
            else:
                text = f'Container image "{container.image}" already present on machine (a part of Fairlead itself)'
                self._event("Normal", "Pulled", text, name)
            if not self._volumes.paths or self._sources is None:
                await self._prepare_volumes()
            spec = self._spec(container, attempt)
            self._event("Normal", "Created", f"Created container: {name}", name)
            record = await runtime.start_container(spec, self._sandbox)
        except (RuntimeFault, SourceError, ApiError, OSError, non_root.RootForbiddenError) as error:
            self._failed(container, error)
            return
        self._failures.pop(name, None)
        self._records[record.id] = record
        self._event("Normal", "Started", f"Started container {name}", name)
        if hooks.of(container, "PostStart") is None:
            self._begin_probes(record)
        else:
            self._health[record.id] = Health(started=False, ready=False)  # not before its hook has run
            self._probers[record.id] = asyncio.get_running_loop().create_task(self._post_start(record, container))

    def _failed(self, container: Container, error: Exception) -> None:
        now = time.time()
        name = container.name
        if isinstance(error, RuntimeFault) and error.reason in ("ErrImagePull", "ImagePullBackOff"):
            retry = self._agent.images.retry_at(container.image)
            later = f'Back-off pulling image "{container.image}": {error.reason}: {error}'
            texts = [(now, error.reason, str(error)), (now + PULL_BACK_OFF_TOLD, "ImagePullBackOff", later)]
            if error.reason == "ImagePullBackOff":
                texts = texts[:1]
            failure = self._failures[name] = Failure(tuple(texts), retry)
            asyncio.get_running_loop().call_later(PULL_BACK_OFF_TOLD, self._tell_back_off, container, failure)
            return
        reason = error.reason if isinstance(error, RuntimeFault) else "CreateContainerConfigError"
        if not (isinstance(error, RuntimeFault) and reason.startswith(("ErrImage", "InvalidImage"))):
            self._event("Warning", "Failed", f"Error: {error}", name)
        for record in self._agent.records.containers():
            if record.pod_uid == self.pod.metadata.uid and record.id not in self._records:
                self._records[record.id] = record
        runs = sum(record.name == name for record in self._records.values())
        self._failures[name] = Failure(((now, reason, str(error)),), now + min(10.0 * 2 ** min(runs, 5), 300.0))

    def _tell_back_off(self, container: Container, failure: Failure) -> None:
        if self._failures.get(container.name) is failure:
            self._event("Normal", "BackOff", f'Back-off pulling image "{container.image}"', container.name)
            self._event("Warning", "Failed", "Error: ImagePullBackOff", container.name)

    def _spec(self, container: Container, attempt: int) -> ContainerSpec:
        agent = self._agent
        assert self._sources is not None
        services = agent.service_variables(self.pod)
        variables = environment.variables(container, self._self(self._ips), self._sources, services)
        logs = Path(agent.options.state_dir) / "logs"
        return container_spec(
            self.pod,
            container,
            attempt,
            hostname=self._hostname(),
            variables=variables,
            volumes=self._volumes,
            logs=logs,
        )

    def _hostname(self) -> str:
        return names.kernel_hostname(self.pod, self._agent.options.node_name, self._agent.options.cluster_domain)

    # Probes.

    def _begin_probes(self, record: ContainerRecord) -> None:
        spec = self.pod.spec
        container = next((c for c in (*spec.init_containers, *spec.containers) if c.name == record.name), None)
        if container is None:
            return
        if not probes_of(container):
            self._health[record.id] = Health()
            return

        def told(health: Health) -> None:
            self._health[record.id] = health
            self._wake.set()

        def unhealthy(kind: str, text: str) -> None:
            self._event("Warning", "Unhealthy", f"{kind.capitalize()} probe failed: {text}", record.name)

        async def execute(argv: list[str], seconds: float) -> tuple[int, str]:
            return await self.execute(record, argv, seconds)

        prober = Prober(
            container, next(iter(self._ips), ""), record.started_at or time.time(), execute, told, unhealthy
        )
        self._health[record.id] = prober.health
        self._probers[record.id] = asyncio.get_running_loop().create_task(prober.run())

    async def execute(self, record: ContainerRecord, argv: list[str], seconds: float) -> tuple[int, str]:
        return await command.run(self._agent.runtime_of(record.image), record, argv, seconds)

    # Ending.

    async def _stop_pod(self, grace: int) -> None:
        """All containers, then the sandbox. A deletion that comes meanwhile with less grace is heard."""
        for group in stop_order(self.pod, self._observed().running):
            for run in group:
                self._event("Normal", "Killing", f"Stopping container {run.container}", run.container)
            stops = [asyncio.ensure_future(self._stop(run.id, grace)) for run in group]
            await self._hear(stops, grace)
        await self._remove_sandbox()

    async def _hear(self, stops: Sequence[asyncio.Future[None]], grace: int) -> None:
        waiting = set(stops)
        while waiting:
            woken: asyncio.Future[Any] = asyncio.ensure_future(self._wake.wait())
            await asyncio.wait([*waiting, woken], return_when=asyncio.FIRST_COMPLETED)
            woken.cancel()
            self._wake.clear()
            waiting = {each for each in waiting if not each.done()}
            now = self.pod.metadata.deletion_grace_period_seconds
            if waiting and now is not None and now < grace:
                grace = now
                for record in list(self._records.values()):
                    if record.finished_at is None:
                        await self._agent.runtime_of(record.image).stop_container(record, now)
        for each in stops:
            each.result()

    async def _stop(self, run: str, grace: int) -> None:
        record = self._records.get(run)
        if record is None:
            return
        prober = self._probers.pop(run, None)
        if prober is not None:
            prober.cancel()
        began = time.time()
        await self._pre_stop(record, grace)
        left = max(0.0, grace - (time.time() - began)) if grace else 0.0
        await self._agent.runtime_of(record.image).stop_container(record, max(left, 2.0) if grace else 0.0)

    # Hooks.

    async def _post_start(self, record: ContainerRecord, container: Container) -> None:
        if await self._hook("PostStart", record, container, hooks.ENDLESS):
            self._begin_probes(record)
        else:
            self._health[record.id] = Health(started=False, ready=False, failed=HOOK)
        self._wake.set()

    async def _pre_stop(self, record: ContainerRecord, grace: int) -> None:
        container = next((c for c in self.pod.spec.containers if c.name == record.name), None)
        if container is not None and grace:
            await self._hook("PreStop", record, container, grace)

    async def _hook(self, kind: hooks.Kind, record: ContainerRecord, container: Container, seconds: float) -> bool:
        """Whether it went well, or there was none."""
        try:
            await hooks.run(kind, container, next(iter(self._ips), ""), partial(self.execute, record), seconds)
        except (hooks.HookFailedError, TimeoutError, OSError, RuntimeFault) as error:
            self._event("Warning", f"Failed{kind}Hook", f"{kind}Hook failed: {error}", record.name)
            return False
        return True

    async def _remove_sandbox(self) -> None:
        if self._sandbox is None:
            return
        sandbox, self._sandbox = self._sandbox, None
        if not self.pod.spec.host_network:
            self._agent.network.tear_down(sandbox.id)
            (await self._agent.addresses()).release(sandbox.id)
        self._agent.sandbox_runtime(self.pod).remove_sandbox(sandbox)
        try:
            await self._agent.publish_host_ports(sandbox.host_ports)
        except OSError as error:
            log.warning("%s may still lead to %s: %s", sandbox.host_ports, self.pod.metadata.name, error)

    async def _clean_up(self) -> None:
        if self.pod.metadata.deletion_timestamp is not None:
            for record in list(self._records.values()):
                await self._agent.runtime_of(record.image).remove_container(record)
            self._records.clear()
        for prober in self._probers.values():
            prober.cancel()
        self._probers.clear()
        self._volumes.remove()

    def _event(self, kind: str, reason: str, text: str, container: str = "") -> None:
        path = f"spec.containers{{{container}}}" if container else ""
        if container in {each.name for each in self.pod.spec.init_containers}:
            path = f"spec.initContainers{{{container}}}"
        self._agent.recorder.event(reference(self.pod, "Pod", "v1", path), kind, reason, text)


def _run_of(record: ContainerRecord) -> Run:
    return Run(
        id=record.id,
        container=record.name,
        attempt=record.attempt,
        image=record.image,
        image_id=record.image_id,
        created_at=record.created_at,
        started_at=record.started_at,
        finished_at=record.finished_at,
        exit_code=record.exit_code,
        reason=record.reason,
        message=record.message,
    )


def _complete(status: PodStatus) -> dict[str, Any]:
    """As a strategic merge patch that replaces what was told before, and leaves others' conditions alone."""
    empty: dict[str, Any] = dict.fromkeys(("message", "reason", "podIP", "podIPs"))
    built: dict[str, Any] = msgspec.to_builtins(status)
    for replaced in ("podIPs", "hostIPs"):
        if replaced in built:
            built[replaced].append({"$patch": "replace"})
    built["conditions"] = [{"reason": None, "message": None} | condition for condition in built["conditions"]]
    return empty | built


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
