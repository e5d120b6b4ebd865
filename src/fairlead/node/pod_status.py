"""A pod's status from what is observed. Pure.

Source: kubelet `kubelet_pods.go` (getPhase, generateAPIPodStatus) and `status/generate.go`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from fairlead.api import time as api_time
from fairlead.api.types.core import Container, ContainerStatus, Pod, PodIP, PodStatus
from fairlead.api.types.meta import Condition
from fairlead.node import container_status, qos
from fairlead.node.observed import Observed
from fairlead.node.plan import DEADLINE_MESSAGE, Plan, is_sidecar, past_deadline


@dataclass(frozen=True, slots=True)
class Node:
    """The node, as far as its pods' status tells of it."""

    ips: tuple[str, ...]
    runtime: str  # the scheme of containerID: `crun`


def status_of(pod: Pod, observed: Observed, plan: Plan, node: Node, now: float) -> PodStatus:
    """The whole status, but for conditions that others set. Ours keep the time of their last change from `pod.status`,
    the status told last."""
    spec = pod.spec
    scheme = node.runtime
    init = container_status.of_containers(pod, spec.init_containers, observed, plan.waiting, scheme)
    regular = container_status.of_containers(pod, spec.containers, observed, plan.waiting, scheme)
    expired = past_deadline(pod, observed, now)
    phase = _settled(pod) or ("Failed" if expired else phase_of(pod, init, regular, ended=plan.ended))
    ips: Sequence[str] = ()
    if observed.sandbox is not None:
        ips = observed.sandbox.ips
    elif plan.ended:
        ips = [each.ip for each in pod.status.pod_ips]
    conditions = _conditions(pod, phase, {s.name: s for s in (*init, *regular)}, observed)
    return PodStatus(
        phase=phase,
        conditions=_with_times(conditions, pod.status.conditions, now),
        message=DEADLINE_MESSAGE if expired else pod.status.message,
        reason="DeadlineExceeded" if expired else pod.status.reason,
        host_ip=node.ips[0],
        host_ips=[PodIP(each) for each in node.ips],
        pod_ip=ips[0] if ips else "",
        pod_ips=[PodIP(each) for each in ips],
        start_time=api_time.render(observed.started_at),
        init_container_statuses=init,
        container_statuses=regular,
        qos_class=pod.status.qos_class or qos.of(spec),
    )


def told_before(pod: Pod, told: PodStatus) -> PodStatus:
    """What this node told last, which a pod from a watch may not show yet, with the conditions that others set, such as
    those of readiness gates (KEP-580)."""
    ours = {condition.type for condition in told.conditions}
    others = [condition for condition in pod.status.conditions if condition.type not in ours]
    return msgspec.structs.replace(told, conditions=[*told.conditions, *others])


def _settled(pod: Pod) -> str | None:
    """A phase that was told and is final stays."""
    return pod.status.phase if pod.is_terminated else None


@dataclass(slots=True)
class _Count:
    running: int = 0
    waiting: int = 0
    stopped: int = 0
    succeeded: int = 0
    initializing: int = 0  # init containers that hold the others up
    init_failed: int = 0


def phase_of(pod: Pod, init: list[ContainerStatus], regular: list[ContainerStatus], *, ended: bool) -> str:
    """`ended`: nothing runs and nothing will start again, whatever the restart policy says (deleted pods)."""
    count = _Count()
    for container, status in zip(pod.spec.init_containers, init, strict=True):
        _count_init(container, status, count)
    for status in regular:
        _count_regular(status, count)
    policy = pod.spec.restart_policy
    if count.init_failed and policy == "Never":
        return "Failed"
    begun = any(s.state.running or s.state.terminated or s.last_state.terminated for s in regular)
    if (count.initializing and not begun) or count.waiting:
        return "Failed" if ended else "Pending"
    if count.running:
        return "Running"
    if not count.stopped:
        return "Pending"
    if policy == "Always" and not ended:
        return "Running"
    if count.stopped == count.succeeded:
        return "Succeeded"
    return "Failed" if policy == "Never" or ended else "Running"


def _count_init(container: Container, status: ContainerStatus, count: _Count) -> None:
    state, previous = status.state, status.last_state.terminated
    if is_sidecar(container):
        if state.running:
            count.running += 1
            count.initializing += not status.started
        elif state.waiting and not previous:
            count.initializing += 1
            count.waiting += 1
        return
    ending = state.terminated or (previous if state.waiting else None)
    if ending is None:
        count.initializing += 1
    elif ending.exit_code != 0:
        count.init_failed += 1
        count.initializing += 1


def _count_regular(status: ContainerStatus, count: _Count) -> None:
    if status.state.running:
        count.running += 1
    elif status.state.terminated:
        count.stopped += 1
        count.succeeded += status.state.terminated.exit_code == 0
    elif status.last_state.terminated:
        count.stopped += 1
    else:
        count.waiting += 1


def _conditions(pod: Pod, phase: str, statuses: dict[str, ContainerStatus], observed: Observed) -> list[Condition]:
    sandboxed = observed.sandbox is not None and observed.sandbox.alive and bool(observed.sandbox.ips)
    containers_ready = _containers_ready(pod, phase, statuses)
    return [
        Condition("PodReadyToStartContainers", "True" if sandboxed else "False"),
        _initialized(pod, phase, statuses),
        _ready(pod, containers_ready),
        containers_ready,
        Condition("PodScheduled", "True"),
    ]


def _initialized(pod: Pod, phase: str, statuses: dict[str, ContainerStatus]) -> Condition:
    if phase == "Succeeded":
        return Condition("Initialized", "True", "PodCompleted")
    regular = [statuses[container.name] for container in pod.spec.containers]
    begun = any(s.state.running or s.state.terminated or s.last_state.terminated for s in regular)
    incomplete = [
        container.name
        for container in pod.spec.init_containers
        if not (statuses[container.name].started if is_sidecar(container) else statuses[container.name].ready)
    ]
    if begun or not incomplete:
        return Condition("Initialized", "True")
    message = f"containers with incomplete status: [{' '.join(incomplete)}]"
    return Condition("Initialized", "False", "ContainersNotInitialized", message)


def _containers_ready(pod: Pod, phase: str, statuses: dict[str, ContainerStatus]) -> Condition:
    if phase in ("Succeeded", "Failed"):
        return Condition("ContainersReady", "False", "PodCompleted" if phase == "Succeeded" else "PodFailed")
    sidecars = [container for container in pod.spec.init_containers if is_sidecar(container)]
    unready = [c.name for c in (*sidecars, *pod.spec.containers) if not statuses[c.name].ready]
    if not unready:
        return Condition("ContainersReady", "True")
    message = f"containers with unready status: [{' '.join(unready)}]"
    return Condition("ContainersReady", "False", "ContainersNotReady", message)


def _ready(pod: Pod, containers_ready: Condition) -> Condition:
    if containers_ready.status != "True":
        return Condition("Ready", "False", containers_ready.reason, containers_ready.message)
    problems = []
    for gate in pod.spec.readiness_gates:
        kind = gate.get("conditionType", "")
        condition = pod.condition(kind)
        if condition is None:
            problems.append(f'corresponding condition of pod readiness gate "{kind}" does not exist.')
        elif condition.status != "True":
            problems.append(f'the status of pod readiness gate "{kind}" is not "True", but {condition.status}')
    if problems:
        return Condition("Ready", "False", "ReadinessGatesNotReady", ", ".join(problems))
    return Condition("Ready", "True")


def _with_times(conditions: list[Condition], told: list[Condition], now: float) -> list[Condition]:
    before = {condition.type: condition for condition in told}
    for condition in conditions:
        previous = before.get(condition.type)
        same = previous is not None and previous.status == condition.status
        condition.last_transition_time = previous.last_transition_time if same and previous else api_time.render(now)
    return conditions
