"""What controllers ask of a pod: is it ready, available, active; who controls it. Pure."""

from collections.abc import Iterable

from fairlead.api import time as api_time
from fairlead.api.types.core import Pod
from fairlead.api.types.meta import Condition, Object, ObjectMeta, OwnerReference


def controller_of(metadata: ObjectMeta) -> OwnerReference | None:
    return next((owner for owner in metadata.owner_references if owner.controller), None)


def owner_uid(obj: Object) -> list[str]:
    """Of its controller: for indexes."""
    owner = controller_of(obj.metadata)
    return [] if owner is None else [owner.uid]


def condition(conditions: Iterable[Condition], type_: str) -> Condition | None:
    return next((each for each in conditions if each.type == type_), None)


def is_ready(pod: Pod) -> bool:
    found = condition(pod.status.conditions, "Ready")
    return found is not None and found.status == "True"


def is_active(pod: Pod) -> bool:
    """Counts as a replica: neither ended nor going."""
    return pod.status.phase not in ("Succeeded", "Failed") and pod.metadata.deletion_timestamp is None


def available_in(pod: Pod, min_ready: int, now: float) -> float | None:
    """Seconds until the pod counts as available; 0: it does; None: it is not ready."""
    found = condition(pod.status.conditions, "Ready")
    if found is None or found.status != "True":
        return None
    if not min_ready or not found.last_transition_time:
        return 0.0
    return max(0.0, api_time.parse(found.last_transition_time) + min_ready - now)


def key(obj: Object) -> str:
    metadata = obj.metadata
    return f"{metadata.namespace}/{metadata.name}" if metadata.namespace else metadata.name
