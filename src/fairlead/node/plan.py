"""What to do next for one pod: the spec, what is observed, the time → actions. Pure.

Source: kubelet `kuberuntime_manager.computePodActions`, `kuberuntime_container.go` (the sidecars of KEP-753) and
`kubelet_pods.go`. An action is applied whole or not at all, and planning starts over after each round.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from fairlead.api import time as api_time
from fairlead.api.types.core import Container, Pod
from fairlead.node import backoff
from fairlead.node.backoff import BackOff
from fairlead.node.observed import HOOK, Observed, Run, Waiting

DEFAULT_GRACE: Final = 30
DEADLINE_MESSAGE: Final = "Pod was active on the node longer than the specified deadline"


@dataclass(frozen=True, slots=True)
class CreateSandbox:
    attempt: int


@dataclass(frozen=True, slots=True)
class Start:
    """Start a container. `backoff` is to be remembered when the start begins."""

    container: str
    attempt: int
    backoff: BackOff | None


@dataclass(frozen=True, slots=True)
class Stop:
    """End one run, so that the next round can start its container again. `why` is the text of the event."""

    run: str
    container: str
    grace: int
    why: str


@dataclass(frozen=True, slots=True)
class StopPod:
    """End all runs, sidecars last and in reverse order, then the sandbox."""

    grace: int


@dataclass(frozen=True, slots=True)
class Forget:
    """Remove what is left of a run that ended before the last one."""

    run: str


Action = CreateSandbox | Start | Stop | StopPod | Forget


@dataclass(frozen=True, slots=True)
class Plan:
    """`waiting`: the containers that cannot start now. `wake_at`: when to plan again though nothing happened."""

    actions: tuple[Action, ...] = ()
    waiting: Mapping[str, Waiting] = field(default_factory=dict)
    wake_at: float | None = None
    ended: bool = False  # nothing runs and nothing ever will


def is_sidecar(container: Container) -> bool:
    """An init container that keeps running beside the others."""
    return container.restart_policy == "Always"


def plan(pod: Pod, observed: Observed, now: float) -> Plan:
    """The next round for a pod that is bound to this node."""
    if pod.metadata.deletion_timestamp is not None or pod.is_terminated or past_deadline(pod, observed, now):
        return _plan_end(pod, observed)
    if _is_finished(pod, observed):
        return _plan_end(pod, observed)
    if observed.sandbox is None or not observed.sandbox.alive:
        return _plan_sandbox(observed, now)
    round_ = _Round(pod, observed, now)
    round_.containers()
    return round_.plan()


def past_deadline(pod: Pod, observed: Observed, now: float) -> bool:
    deadline = pod.spec.active_deadline_seconds
    return deadline is not None and observed.started_at > 0 and now >= observed.started_at + deadline


def grace_seconds(pod: Pod) -> int:
    """How long the containers may take to end, by the deletion or else the spec."""
    if pod.metadata.deletion_grace_period_seconds is not None:
        return pod.metadata.deletion_grace_period_seconds
    own = pod.spec.termination_grace_period_seconds
    return DEFAULT_GRACE if own is None else own


def should_restart(pod: Pod, container: Container, run: Run) -> bool:
    """Whether a container whose run ended starts again, deletion apart."""
    if is_sidecar(container):
        return True
    if container in pod.spec.init_containers:
        return run.exit_code != 0 and pod.spec.restart_policy != "Never"
    if pod.spec.restart_policy == "OnFailure":
        return run.exit_code != 0
    return pod.spec.restart_policy == "Always"


def _is_finished(pod: Pod, observed: Observed) -> bool:
    """All containers ended for good, or an init container failed for good. Sidecars do not keep a pod."""
    for container in pod.spec.init_containers:
        run = observed.last(container.name)
        if not is_sidecar(container) and run is not None and run.exited and run.exit_code != 0:
            return not should_restart(pod, container, run)
    runs = [(container, observed.last(container.name)) for container in pod.spec.containers]
    return all(run is not None and run.exited and not should_restart(pod, container, run) for container, run in runs)


def _plan_end(pod: Pod, observed: Observed) -> Plan:
    if observed.running or observed.sandbox is not None:
        return Plan((StopPod(grace_seconds(pod)),))
    return Plan(ended=True)


def _plan_sandbox(observed: Observed, now: float) -> Plan:
    """A new sandbox; what ran in a dead one cannot go on."""
    failure = observed.failures.get("")
    if failure is not None and now < failure.retry_at:
        return Plan(wake_at=failure.retry_at)
    if observed.sandbox is None:
        return Plan((CreateSandbox(0),))
    return Plan((StopPod(0), CreateSandbox(observed.sandbox.attempt + 1)))


class _Round:
    """One round of planning over a pod whose sandbox stands."""

    def __init__(self, pod: Pod, observed: Observed, now: float) -> None:
        self._pod, self._observed, self._now = pod, observed, now
        self._actions: list[Action] = []
        self._waiting: dict[str, Waiting] = {}
        self._wakes: list[float] = []

    def plan(self) -> Plan:
        if self._pod.spec.active_deadline_seconds is not None:
            self._wakes.append(self._observed.started_at + self._pod.spec.active_deadline_seconds)
        return Plan(tuple(self._actions), self._waiting, min(self._wakes, default=None))

    def containers(self) -> None:
        self._forget()
        if self._init_containers():
            for container in self._pod.spec.containers:
                self._container(container)

    def _init_containers(self) -> bool:
        """Whether the others may start. The last init container that ever ran says how far initialization came."""
        initialized = any(self._observed.last(container.name) for container in self._pod.spec.containers)
        for container in self._pod.spec.init_containers:
            run = self._observed.last(container.name)
            if is_sidecar(container):
                self._container(container)
                if not initialized and not self._has_started(run):
                    return False
            elif not initialized and (run is None or not run.succeeded):
                self._container(container)
                return False
        return True

    def _has_started(self, run: Run | None) -> bool:
        health = self._observed.health.get(run.id) if run is not None else None
        return run is not None and run.running and health is not None and health.started

    def _container(self, container: Container) -> None:
        run = self._observed.last(container.name)
        if run is None:
            self._start(container, 0, None)
        elif run.running:
            self._check(container, run)
        elif not run.exited:
            self._start(container, run.attempt + 1, None)
        elif should_restart(self._pod, container, run):
            self._restart(container, run)

    def _check(self, container: Container, run: Run) -> None:
        """Whether a running container has to be replaced."""
        health = self._observed.health.get(run.id)
        if health is not None and health.failed:
            why = f"Container {container.name} failed {health.failed} probe"
            if is_sidecar(container) or self._pod.spec.restart_policy != "Never":
                why += ", will be restarted"
            if health.failed == HOOK:
                why = f"Failed{HOOK}"
            grace = grace_seconds(self._pod) if health.grace is None else health.grace
            self._actions.append(Stop(run.id, container.name, grace, why))
        elif run.image and container.image != run.image:
            why = f"Container {container.name} definition changed, will be restarted"
            self._actions.append(Stop(run.id, container.name, grace_seconds(self._pod), why))

    def _restart(self, container: Container, run: Run) -> None:
        entry = self._observed.backoffs.get(container.name)
        until = entry.until(run.finished_at or self._now, self._now) if entry is not None else None
        if entry is not None and until is not None:
            metadata = self._pod.metadata
            self._wait(
                container,
                Waiting(
                    "CrashLoopBackOff",
                    f"back-off {backoff.render(entry.delay)} restarting failed container={container.name} "
                    f"pod={metadata.name}_{metadata.namespace}({metadata.uid})",
                ),
                until,
            )
        else:
            self._start(container, run.attempt + 1, backoff.following(entry, self._now))

    def _start(self, container: Container, attempt: int, entry: BackOff | None) -> None:
        failure = self._observed.failures.get(container.name)
        if failure is None or self._now >= failure.retry_at:
            self._actions.append(Start(container.name, attempt, entry))
            return
        turns = [at for at, _, _ in failure.texts if at > self._now]
        self._wait(container, failure.waiting(self._now), min(turns, default=failure.retry_at))

    def _wait(self, container: Container, waiting: Waiting, until: float) -> None:
        self._waiting[container.name] = waiting
        self._wakes.append(until)

    def _forget(self) -> None:
        """Of the runs that ended, the last two of a container are kept: their logs can be asked for."""
        self._actions += [Forget(run.id) for runs in self._observed.runs.values() for run in runs[:-2] if run.exited]


def stop_order(pod: Pod, runs: Iterable[Run]) -> tuple[tuple[Run, ...], ...]:
    """The runs in groups to be stopped one after the other: all but sidecars, then sidecars, the last one first."""
    sidecars = [container.name for container in pod.spec.init_containers if is_sidecar(container)]
    live = list(runs)
    first = tuple(run for run in live if run.container not in sidecars)
    rest = [tuple(run for run in live if run.container == name) for name in reversed(sidecars)]
    return tuple(group for group in (first, *rest) if group)


def seen_at(pod: Pod, now: float) -> float:
    """status.startTime, which outlives the agent."""
    return api_time.parse(pod.status.start_time) if pod.status.start_time else now
