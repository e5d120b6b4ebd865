"""The arithmetic of a Deployment's rollout: who may grow, who may shrink, what the status says. Pure.

Source: pkg/controller/deployment (rolling.go, sync.go, util/deployment_util.go).
"""

import hashlib
import math
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from fairlead.api import time as api_time
from fairlead.api.types.apps import Deployment, DeploymentStatus, ReplicaSet
from fairlead.api.types.meta import Condition
from fairlead.controllers.pods import condition

Json = dict[str, Any]

HASH = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
DESIRED, MOST = "deployment.kubernetes.io/desired-replicas", "deployment.kubernetes.io/max-replicas"
SAFE = "bcdfghjklmnpqrstvwxz2456789"


def template_hash(template: Json, collisions: int | None) -> str:
    """A name for a template: the same for the same, without letters that make words."""
    digest = hashlib.sha256(msgspec.json.encode(template, order="sorted") + str(collisions or "").encode()).digest()
    return "".join(SAFE[byte % len(SAFE)] for byte in digest[:10])


def without_hash(template: Json) -> Json:
    """A ReplicaSet's template as the Deployment had it."""
    metadata = template.get("metadata") or {}
    labels = {key: value for key, value in (metadata.get("labels") or {}).items() if key != HASH}
    return {**template, "metadata": {**metadata, "labels": labels}}


def same_template(one: Json, other: Json) -> bool:
    return _bare(one) == _bare(other)


def _bare(template: Json) -> Json:
    template = without_hash(template)
    metadata = {key: value for key, value in template["metadata"].items() if value}
    return {**template, "metadata": metadata}


def amount(value: Any, total: int, *, up: bool) -> int:
    """`25%` of a number, or the number itself."""
    if isinstance(value, int):
        return value
    share = int(str(value or "0").rstrip("%")) * total / 100
    return math.ceil(share) if up else math.floor(share)


def bounds(deployment: Deployment) -> tuple[int, int]:
    """(maxSurge, maxUnavailable) as numbers; never both 0."""
    spec = deployment.spec
    rolling = spec.strategy.rolling_update
    if spec.strategy.type != "RollingUpdate" or rolling is None:
        return 0, 0
    surge = amount(rolling.max_surge, spec.replicas, up=True)
    unavailable = amount(rolling.max_unavailable, spec.replicas, up=False)
    if surge == 0 and unavailable == 0:
        unavailable = 1
    return surge, min(unavailable, spec.replicas)


def new_replicas(deployment: Deployment, new: ReplicaSet, every: Iterable[ReplicaSet]) -> int:
    """How large the new ReplicaSet may be now."""
    wanted = deployment.spec.replicas
    if deployment.spec.strategy.type != "RollingUpdate":
        return wanted
    if new.spec.replicas >= wanted:
        return wanted
    surge, _ = bounds(deployment)
    room = wanted + surge - sum(each.spec.replicas for each in every)
    return new.spec.replicas + max(0, min(room, wanted - new.spec.replicas))


def scale_down(deployment: Deployment, new: ReplicaSet, old: Sequence[ReplicaSet]) -> dict[str, int]:
    """Old ReplicaSets that shrink: name → replicas. Those that are not available go first; they serve nobody."""
    _, unavailable = bounds(deployment)
    least = deployment.spec.replicas - unavailable
    every = [*old, new]
    total = sum(each.spec.replicas for each in every)
    new_missing = new.spec.replicas - new.status.available_replicas
    budget = total - least - new_missing
    sizes = {each.metadata.name: each.spec.replicas for each in old}
    changed: dict[str, int] = {}
    if budget > 0:
        for each in sorted(old, key=_age):
            unhealthy = min(budget, sizes[each.metadata.name] - each.status.available_replicas)
            if unhealthy > 0:
                budget -= unhealthy
                changed[each.metadata.name] = sizes[each.metadata.name] = sizes[each.metadata.name] - unhealthy
    available = sum(each.status.available_replicas for each in every)
    budget = available - least
    for each in sorted(old, key=_age):
        step = min(budget, sizes[each.metadata.name])
        if step > 0:
            budget -= step
            changed[each.metadata.name] = sizes[each.metadata.name] = sizes[each.metadata.name] - step
    return changed


def proportions(deployment: Deployment, active: Sequence[ReplicaSet]) -> dict[str, int]:
    """A Deployment scaled in the middle of a rollout: each ReplicaSet gets its share (largest first)."""
    surge, _ = bounds(deployment)
    allowed = deployment.spec.replicas + surge if deployment.spec.replicas > 0 else 0
    total = sum(each.spec.replicas for each in active)
    left = allowed - total
    changed: dict[str, int] = {}
    ordered = sorted(active, key=lambda each: (-each.spec.replicas, _age(each)), reverse=left < 0)
    for each in ordered:
        before = int(each.metadata.annotations.get(MOST) or total or 1)
        share = round(each.spec.replicas * allowed / before) - each.spec.replicas if before else left
        step = min(share, left) if left > 0 else max(share, left)
        changed[each.metadata.name] = max(0, each.spec.replicas + step)
        left -= step
    if ordered and left:
        first = ordered[0].metadata.name
        changed[first] = max(0, changed[first] + left)
    return {name: size for name, size in changed.items() if size != _named(active, name).spec.replicas}


def _named(sets: Iterable[ReplicaSet], name: str) -> ReplicaSet:
    return next(each for each in sets if each.metadata.name == name)


def _age(each: ReplicaSet) -> tuple[str, str]:
    return each.metadata.creation_timestamp or "", each.metadata.name


def status_of(
    deployment: Deployment, new: ReplicaSet | None, every: Sequence[ReplicaSet], now: float
) -> DeploymentStatus:
    total = sum(each.status.replicas for each in every)
    available = sum(each.status.available_replicas for each in every)
    status = DeploymentStatus(
        observed_generation=deployment.metadata.generation,
        replicas=total,
        updated_replicas=new.status.replicas if new else 0,
        ready_replicas=sum(each.status.ready_replicas for each in every),
        available_replicas=available,
        unavailable_replicas=max(0, sum(each.spec.replicas for each in every) - available),
        collision_count=deployment.status.collision_count,
    )
    status.conditions = _conditions(deployment, status, new, now)
    return status


def is_complete(deployment: Deployment, status: DeploymentStatus) -> bool:
    wanted = deployment.spec.replicas
    return status.updated_replicas == status.replicas == status.available_replicas == wanted


def _conditions(
    deployment: Deployment, status: DeploymentStatus, new: ReplicaSet | None, now: float
) -> list[Condition]:
    told = deployment.status.conditions
    _, unavailable = bounds(deployment)
    if status.available_replicas >= deployment.spec.replicas - unavailable:
        available = ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    else:
        available = ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
    found = [_updated(told, "Available", *available, now)]
    progressing = _progressing(deployment, status, new, now)
    return [*found, *([progressing] if progressing is not None else [])]


def _progressing(
    deployment: Deployment, status: DeploymentStatus, new: ReplicaSet | None, now: float
) -> Condition | None:
    told = condition(deployment.status.conditions, "Progressing")
    if deployment.spec.progress_deadline_seconds is None:
        return told
    name = f'ReplicaSet "{new.metadata.name}"' if new else f'Deployment "{deployment.metadata.name}"'
    before = deployment.status
    conditions = deployment.status.conditions
    if deployment.spec.paused:
        return _updated(conditions, "Progressing", "Unknown", "DeploymentPaused", "Deployment is paused", now)
    if new is None:
        return told
    if is_complete(deployment, status):
        text = f"{name} has successfully progressed."
        return _updated(conditions, "Progressing", "True", "NewReplicaSetAvailable", text, now)
    moved = (
        told is None
        or status.updated_replicas > before.updated_replicas
        or status.ready_replicas > before.ready_replicas
        or status.available_replicas > before.available_replicas
        or status.replicas - status.updated_replicas < before.replicas - before.updated_replicas
    )
    if moved or (told is not None and told.reason in ("NewReplicaSetAvailable", "DeploymentPaused")):
        reason, text = (
            ("ReplicaSetUpdated", f"{name} is progressing.")
            if told
            else ("NewReplicaSetCreated", f'Created new replica set "{new.metadata.name}"')
        )
        return _updated(conditions, "Progressing", "True", reason, text, now, touch=True)
    assert told is not None
    last = api_time.parse(told.last_update_time) if told.last_update_time else now
    if told.reason != "ProgressDeadlineExceeded" and now > last + deployment.spec.progress_deadline_seconds:
        text = f"{name} has timed out progressing."
        return _updated(conditions, "Progressing", "False", "ProgressDeadlineExceeded", text, now)
    return told


def _updated(
    told: Sequence[Condition], type_: str, status: str, reason: str, text: str, now: float, *, touch: bool = False
) -> Condition:
    """As told before where nothing changed; a new transition time only where the status did."""
    known = condition(told, type_)
    if known and (known.status, known.reason) == (status, reason) and not touch:
        return known
    moment = api_time.render(now)
    changed = known.last_transition_time if known and known.status == status else moment
    return Condition(
        type=type_,
        status=status,
        reason=reason,
        message=text,
        last_update_time=moment,
        last_transition_time=changed,
    )
