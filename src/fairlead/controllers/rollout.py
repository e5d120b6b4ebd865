"""The arithmetic of a rollout: which ReplicaSets grow and shrink now, and by how much. Pure.

Source: pkg/controller/deployment (rolling.go, sync.go). Sizes are `{ReplicaSet's name: replicas}`.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any

from fairlead.api.types.apps import Deployment, ReplicaSet
from fairlead.controllers.revision import DESIRED, MOST, age

Sizes = dict[str, int]


def amount(value: Any, total: int, *, up: bool) -> int:
    """`25%` of a number, or the number itself."""
    if isinstance(value, int):
        return value
    share = int(str(value or "0").rstrip("%")) * total
    return -(-share // 100) if up else share // 100


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


def annotations(deployment: Deployment) -> dict[str, str]:
    """What a ReplicaSet remembers of the Deployment's size, to notice when that changes."""
    surge, _ = bounds(deployment)
    return {DESIRED: str(deployment.spec.replicas), MOST: str(deployment.spec.replicas + surge)}


def first_size(deployment: Deployment, old: Iterable[ReplicaSet]) -> int:
    """Of a ReplicaSet that is about to be made."""
    return _grown(deployment, 0, sum(each.spec.replicas for each in old))


def grow(deployment: Deployment, new: ReplicaSet, old: Iterable[ReplicaSet]) -> Sizes:
    others = sum(each.spec.replicas for each in old)
    return {new.metadata.name: _grown(deployment, new.spec.replicas, others)}


def _grown(deployment: Deployment, size: int, others: int) -> int:
    wanted = deployment.spec.replicas
    if deployment.spec.strategy.type != "RollingUpdate" or size >= wanted:
        return wanted
    surge, _ = bounds(deployment)
    room = wanted + surge - others - size
    return size + max(0, min(room, wanted - size))


def shrink(deployment: Deployment, new: ReplicaSet, old: Sequence[ReplicaSet]) -> Sizes:
    """Old ReplicaSets that get smaller. What is not available goes first; it serves nobody."""
    _, unavailable = bounds(deployment)
    least = deployment.spec.replicas - unavailable
    sizes = {each.metadata.name: each.spec.replicas for each in sorted(old, key=age) if each.spec.replicas > 0}
    available = {each.metadata.name: each.status.available_replicas for each in (*old, new)}
    missing = new.spec.replicas - new.status.available_replicas
    budget = sum(sizes.values()) + new.spec.replicas - least - missing
    if budget <= 0:
        return {}
    changed: Sizes = {}
    for name, size in sizes.items():
        step = min(budget, size - available[name])
        if step > 0:
            budget -= step
            changed[name] = size - step
    budget = sum(available.values()) - least
    for name, before in sizes.items():
        size = changed.get(name, before)
        step = min(budget, size)
        if step > 0:
            budget -= step
            changed[name] = size - step
    return changed


def was_scaled(deployment: Deployment, sets: Iterable[ReplicaSet]) -> bool:
    """Whether the Deployment's size changed since the ReplicaSets got theirs."""
    wanted = str(deployment.spec.replicas)
    return any(each.metadata.annotations.get(DESIRED) not in (None, wanted) for each in sets if each.spec.replicas > 0)


def resize(deployment: Deployment, new: ReplicaSet | None, old: Sequence[ReplicaSet]) -> Sizes:
    """The Deployment's size changed, maybe in the middle of a rollout. All that are named are told the new size."""
    every = [*([new] if new is not None else []), *old]
    active = [each for each in every if each.spec.replicas > 0]
    if len(active) <= 1:
        latest = active[0] if active else new or max(old, key=age, default=None)
        return {} if latest is None else {latest.metadata.name: deployment.spec.replicas}
    if new is not None and _is_saturated(deployment, new):
        return {each.metadata.name: 0 for each in active if each is not new}
    if deployment.spec.strategy.type != "RollingUpdate":
        return {}
    return _proportions(deployment, active)


def _is_saturated(deployment: Deployment, new: ReplicaSet) -> bool:
    wanted = deployment.spec.replicas
    told = new.metadata.annotations.get(DESIRED) == str(wanted)
    return told and new.spec.replicas == new.status.available_replicas == wanted


def _proportions(deployment: Deployment, active: Sequence[ReplicaSet]) -> Sizes:
    """Each gets its share of what is to be added or taken, the largest first; the largest gets what is left over."""
    surge, _ = bounds(deployment)
    allowed = deployment.spec.replicas + surge if deployment.spec.replicas > 0 else 0
    total = sum(each.spec.replicas for each in active)
    left = allowed - total
    # Of equally large ones, the newer grows first and the older shrinks first.
    ordered = sorted(sorted(active, key=age, reverse=left > 0), key=lambda each: -each.spec.replicas)
    sizes: Sizes = {}
    for each in ordered:
        share = _share(deployment, each, allowed) if left else 0
        step = min(share, left) if left > 0 else max(share, left)
        sizes[each.metadata.name] = each.spec.replicas + step
        left -= step
    largest = ordered[0].metadata.name
    sizes[largest] = max(0, sizes[largest] + left)
    return sizes


def _share(deployment: Deployment, each: ReplicaSet, allowed: int) -> int:
    if deployment.spec.replicas == 0:
        return -each.spec.replicas
    told = each.metadata.annotations.get(MOST, "")
    before = int(told) if told.isdigit() and int(told) else deployment.status.replicas
    return math.floor(each.spec.replicas * allowed / before + 0.5) - each.spec.replicas if before else 0
