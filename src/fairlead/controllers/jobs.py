"""What a Job needs next, and what its status says (pkg/controller/job). Pure.

Pods that have ended are counted while they are there, and no count ever falls: a pod that somebody takes away after it
has succeeded is not run again. Kubernetes keeps pods by a finalizer until they are counted.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec

from fairlead.api import time as api_time
from fairlead.api.types.batch import Job, JobStatus
from fairlead.api.types.core import ContainerStatus, Pod
from fairlead.api.types.meta import Condition
from fairlead.controllers.pods import condition, is_active, is_ready

COMPLETE, FAILED, SUSPENDED = "Complete", "Failed", "Suspended"
CRITERIA_MET, FAILURE_TARGET = "SuccessCriteriaMet", "FailureTarget"
BURST = 500  # pods made in one pass
FIRST_BACKOFF, LONGEST_BACKOFF = 10.0, 600.0  # seconds from a failure to the next pod

ENDED = ("Succeeded", "Failed")  # phases of pods
Reason = tuple[str, str]  # as conditions have it: reason and message

REACHED: Reason = ("CompletionsReached", "Reached expected number of succeeded pods")
TOO_OFTEN: Reason = ("BackoffLimitExceeded", "Job has reached the specified backoff limit")
TOO_LONG: Reason = ("DeadlineExceeded", "Job was active longer than specified deadline")


@dataclass(frozen=True, slots=True)
class Tally:
    """A Job's pods."""

    active: tuple[Pod, ...]
    terminating: int
    ready: int
    succeeded: int
    failed: int


@dataclass(frozen=True, slots=True)
class Plan:
    """`ended`: why the Job ends, and whether well; `later`: in how many seconds it is to be looked at again."""

    create: int = 0
    delete: tuple[Pod, ...] = ()
    ended: tuple[str, Reason] | None = None
    later: float | None = None


def tally(job: Job, pods: Iterable[Pod]) -> Tally:
    pods = list(pods)
    active = tuple(pod for pod in pods if is_active(pod))
    phases = [pod.status.phase for pod in pods]
    return Tally(
        active=active,
        terminating=sum(pod.metadata.deletion_timestamp is not None and pod.status.phase not in ENDED for pod in pods),
        ready=sum(is_ready(pod) for pod in active),
        succeeded=max(phases.count("Succeeded"), job.status.succeeded),
        failed=max(phases.count("Failed"), job.status.failed),
    )


def finished(job: Job) -> Condition | None:
    """The condition that says so."""
    return next((each for each in job.status.conditions if each.type in (COMPLETE, FAILED) and _holds(each)), None)


def plan(job: Job, pods: Sequence[Pod], now: float) -> Plan:
    """For a Job that has not finished and is not going."""
    spec, counted = job.spec, tally(job, pods)
    if ended := _ended(job, pods, counted, now):
        return Plan(delete=counted.active, ended=ended)
    if spec.suspend:
        return Plan(delete=counted.active)
    waits = []
    if spec.active_deadline_seconds is not None:
        began = api_time.parse(job.status.start_time) if job.status.start_time else now
        waits.append(max(began + spec.active_deadline_seconds - now, 0.0))
    missing = _wanted(job, counted) - len(counted.active)
    if missing < 0:
        surplus = sorted(counted.active, key=lambda pod: (bool(pod.spec.node_name), is_ready(pod)))
        return Plan(delete=tuple(surplus[:-missing]), later=min(waits, default=None))
    if spec.pod_replacement_policy == "Failed":
        missing = max(missing - counted.terminating, 0)
    if missing and (wait := _backoff(pods, now)) > 0:
        waits.append(wait)
        missing = 0
    return Plan(create=min(missing, BURST), later=min(waits, default=None))


def status_of(job: Job, pods: Sequence[Pod], ended: tuple[str, Reason] | None, now: float) -> JobStatus:
    """While pods are still going, only the conditions that announce the end are there (KEP-3939)."""
    counted, moment = tally(job, pods), api_time.render(now)
    conditions = list(job.status.conditions)
    start, completed = job.status.start_time, job.status.completion_time
    if ended is not None:
        type_, reason = ended
        conditions = _with(conditions, CRITERIA_MET if type_ == COMPLETE else FAILURE_TARGET, True, reason, moment)
        if not counted.active and not counted.terminating:
            conditions = _with(conditions, type_, True, reason, moment)
            completed = moment if type_ == COMPLETE else completed
    elif job.spec.suspend:
        conditions = _with(conditions, SUSPENDED, True, ("JobSuspended", "Job suspended"), moment)
        start = None
    elif condition(conditions, SUSPENDED) is not None:
        conditions = _with(conditions, SUSPENDED, False, ("JobResumed", "Job resumed"), moment)
    if start is None and not job.spec.suspend:
        start = moment
    return JobStatus(
        conditions=conditions,
        start_time=start,
        completion_time=completed,
        active=len(counted.active),
        terminating=counted.terminating,
        ready=counted.ready,
        succeeded=counted.succeeded,
        failed=counted.failed,
    )


def expires_in(job: Job, now: float) -> float | None:
    """Seconds until a finished Job is to be taken away; None: never."""
    end = finished(job)
    if end is None or job.spec.ttl_seconds_after_finished is None or not end.last_transition_time:
        return None
    return max(api_time.parse(end.last_transition_time) + job.spec.ttl_seconds_after_finished - now, 0.0)


def _ended(job: Job, pods: Sequence[Pod], counted: Tally, now: float) -> tuple[str, Reason] | None:
    """What was announced stays so."""
    for type_, announced in ((FAILED, FAILURE_TARGET), (COMPLETE, CRITERIA_MET)):
        known = condition(job.status.conditions, announced)
        if known is not None and _holds(known):
            return type_, (known.reason, known.message)
    spec = job.spec
    if counted.failed > spec.backoff_limit or _restarts(pods) >= max(spec.backoff_limit, 1):
        return FAILED, TOO_OFTEN
    began, most = job.status.start_time, spec.active_deadline_seconds
    if most is not None and began and not spec.suspend and now >= api_time.parse(began) + most:
        return FAILED, TOO_LONG
    if spec.completions is None:
        return (COMPLETE, REACHED) if counted.succeeded and not counted.active else None
    return (COMPLETE, REACHED) if counted.succeeded >= spec.completions else None


def _wanted(job: Job, counted: Tally) -> int:
    if job.spec.completions is None:
        # A queue of work: once one has found it empty, the others end and nobody comes after them.
        return min(len(counted.active), job.spec.parallelism) if counted.succeeded else job.spec.parallelism
    return min(job.spec.completions - counted.succeeded, job.spec.parallelism)


def _restarts(pods: Iterable[Pod]) -> int:
    """Of containers in pods that restart them themselves: each is a failure that no pod's end shows."""
    return sum(
        status.restart_count
        for pod in pods
        if pod.spec.restart_policy == "OnFailure" and pod.status.phase in ("Running", "Pending")
        for status in _containers(pod)
    )


def _backoff(pods: Iterable[Pod], now: float) -> float:
    """Seconds to wait: longer with each failure since the last success."""
    ends = sorted((_ended_at(pod), pod.status.phase == "Failed") for pod in pods if pod.status.phase in ENDED)
    failures = 0
    for _, failed in reversed(ends):
        if not failed:
            break
        failures += 1
    if not failures:
        return 0.0
    wait = min(FIRST_BACKOFF * 2.0 ** min(failures - 1, 16), LONGEST_BACKOFF)
    return max(ends[-1][0] + wait - now, 0.0)


def _ended_at(pod: Pod) -> float:
    """When the last container ended; else when the pod was told to, or was made."""
    ends = [each.state.terminated.finished_at for each in _containers(pod) if each.state.terminated is not None]
    moments = [moment for moment in ends if moment]
    moments = moments or [pod.metadata.deletion_timestamp or pod.metadata.creation_timestamp or ""]
    return max((api_time.parse(moment) for moment in moments if moment), default=0.0)


def _containers(pod: Pod) -> list[ContainerStatus]:
    return [*pod.status.init_container_statuses, *pod.status.container_statuses]


def _holds(found: Condition) -> bool:
    return found.status == "True"


def _with(conditions: list[Condition], type_: str, holds: bool, why: Reason, moment: str) -> list[Condition]:
    """The conditions with one that says this; one that says it already stays."""
    status, (reason, message) = "True" if holds else "False", why
    known = condition(conditions, type_)
    if known is not None and known.status == status:
        return conditions
    new = Condition(type=type_, status=status, reason=reason, message=message)
    new = msgspec.structs.replace(new, last_transition_time=moment, last_probe_time=moment)
    return [*(each for each in conditions if each.type != type_), new]
