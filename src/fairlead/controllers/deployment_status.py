"""What a Deployment says of itself: counts, and conditions in Kubernetes' words. Pure.

Source: pkg/controller/deployment (progress.go, sync.go).
"""

from collections.abc import Sequence

from fairlead.api import time as api_time
from fairlead.api.types.apps import Deployment, DeploymentStatus, ReplicaSet
from fairlead.api.types.meta import Condition
from fairlead.controllers.pods import condition
from fairlead.controllers.rollout import bounds

AVAILABLE, PROGRESSING, FAILURE = "Available", "Progressing", "ReplicaFailure"
DONE, TIMED_OUT, PAUSED = "NewReplicaSetAvailable", "ProgressDeadlineExceeded", "DeploymentPaused"
UNLIMITED = 2**31 - 1  # a progressDeadlineSeconds that means none


def status_of(
    deployment: Deployment, new: ReplicaSet | None, old: Sequence[ReplicaSet], *, created: bool, now: float
) -> DeploymentStatus:
    """`created`: the new ReplicaSet was made in this pass."""
    every = [*([new] if new is not None else []), *old]
    available = sum(each.status.available_replicas for each in every)
    status = DeploymentStatus(
        observed_generation=deployment.metadata.generation,
        replicas=sum(each.status.replicas for each in every),
        updated_replicas=new.status.replicas if new is not None else 0,
        ready_replicas=sum(each.status.ready_replicas for each in every),
        available_replicas=available,
        unavailable_replicas=max(0, sum(each.spec.replicas for each in every) - available),
        collision_count=deployment.status.collision_count,
    )
    told = deployment.status.conditions
    progressing = condition(told, PROGRESSING) if has_deadline(deployment) else None
    if has_deadline(deployment):
        progressing = _resumed(deployment, progressing, now)
        if created and new is not None:
            text = f'Created new replica set "{new.metadata.name}"'
            progressing = _set(progressing, PROGRESSING, "True", "NewReplicaSetCreated", text, now)
        elif new is not None and progressing is None:
            text = f'Found new replica set "{new.metadata.name}"'
            progressing = _set(None, PROGRESSING, "True", "FoundNewReplicaSet", text, now)
        if not deployment.spec.paused:
            progressing = _progress(deployment, status, new, progressing, now)
    failure = next((c for each in every for c in each.status.conditions if c.type == FAILURE), None)
    if failure is not None:
        failure = _set(condition(told, FAILURE), FAILURE, failure.status, failure.reason, failure.message, now)
    found = (_available(deployment, status, now), progressing, failure)
    status.conditions = [each for each in found if each is not None]
    return status


def has_deadline(deployment: Deployment) -> bool:
    return deployment.spec.progress_deadline_seconds not in (None, UNLIMITED)


def is_complete(deployment: Deployment, status: DeploymentStatus) -> bool:
    wanted = deployment.spec.replicas
    return status.updated_replicas == status.replicas == status.available_replicas == wanted


def next_look(deployment: Deployment, status: DeploymentStatus, now: float) -> float | None:
    """In how many seconds the deadline for progress may be over."""
    told = condition(status.conditions, PROGRESSING)
    seconds = deployment.spec.progress_deadline_seconds
    if told is None or told.last_update_time is None or seconds is None or not has_deadline(deployment):
        return None
    if told.reason in (DONE, TIMED_OUT, PAUSED) or is_complete(deployment, status):
        return None
    return max(0.0, api_time.parse(told.last_update_time) + seconds - now) + 1


def could_not_create(deployment: Deployment, name: str, why: str, now: float) -> Condition:
    told = condition(deployment.status.conditions, PROGRESSING)
    text = f'Failed to create new replica set "{name}": {why}'
    return _set(told, PROGRESSING, "False", "ReplicaSetCreateError", text, now)


def _available(deployment: Deployment, status: DeploymentStatus, now: float) -> Condition:
    told = condition(deployment.status.conditions, AVAILABLE)
    _, unavailable = bounds(deployment)
    if status.available_replicas >= deployment.spec.replicas - unavailable:
        text = "Deployment has minimum availability."
        return _set(told, AVAILABLE, "True", "MinimumReplicasAvailable", text, now)
    text = "Deployment does not have minimum availability."
    return _set(told, AVAILABLE, "False", "MinimumReplicasUnavailable", text, now)


def _resumed(deployment: Deployment, told: Condition | None, now: float) -> Condition | None:
    if told is not None and told.reason == TIMED_OUT:
        return told
    if deployment.spec.paused:
        return _set(told, PROGRESSING, "Unknown", PAUSED, "Deployment is paused", now)
    if told is not None and told.reason == PAUSED:
        return _set(told, PROGRESSING, "Unknown", "DeploymentResumed", "Deployment is resumed", now)
    return told


def _progress(
    deployment: Deployment, status: DeploymentStatus, new: ReplicaSet | None, told: Condition | None, now: float
) -> Condition | None:
    """A rollout that was completed stays so, whatever becomes of its pods."""
    if told is not None and told.reason == DONE and status.replicas == status.updated_replicas:
        return told
    name = f'ReplicaSet "{new.metadata.name}"' if new is not None else f'Deployment "{deployment.metadata.name}"'
    if is_complete(deployment, status):
        return _set(told, PROGRESSING, "True", DONE, f"{name} has successfully progressed.", now)
    if _moved(deployment.status, status):
        found = _set(None, PROGRESSING, "True", "ReplicaSetUpdated", f"{name} is progressing.", now)
        if told is not None and told.status == "True":
            found.last_transition_time = told.last_transition_time
        return found
    if told is None or told.reason == DONE:
        return told
    limit = deployment.spec.progress_deadline_seconds or 0
    since = api_time.parse(told.last_update_time) if told.last_update_time else now
    if told.reason == TIMED_OUT or now > since + limit:
        return _set(told, PROGRESSING, "False", TIMED_OUT, f"{name} has timed out progressing.", now)
    return told


def _moved(before: DeploymentStatus, after: DeploymentStatus) -> bool:
    return (
        after.updated_replicas > before.updated_replicas
        or after.replicas - after.updated_replicas < before.replicas - before.updated_replicas
        or after.ready_replicas > before.ready_replicas
        or after.available_replicas > before.available_replicas
    )


def _set(told: Condition | None, type_: str, status: str, reason: str, text: str, now: float) -> Condition:
    """As told before where status and reason stay; a new transition time only where the status changes."""
    if told is not None and (told.status, told.reason) == (status, reason):
        return told
    moment = api_time.render(now)
    return Condition(
        type=type_,
        status=status,
        reason=reason,
        message=text,
        last_update_time=moment,
        last_transition_time=told.last_transition_time if told is not None and told.status == status else moment,
    )
