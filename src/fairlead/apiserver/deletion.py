"""What a deletion means for an object: gone at once, or marked and waited for. Pure."""

from dataclasses import dataclass
from typing import Any

from fairlead.api import time as api_time
from fairlead.api.resources import JOBS, NAMESPACES, PODS, Resource

Json = dict[str, Any]

FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"
POD_GRACE = 30  # seconds, where a pod does not say


@dataclass(frozen=True, slots=True)
class Options:
    """DeleteOptions. `grace` in seconds; None: the object's own."""

    grace: int | None = None
    propagation: str | None = None  # Foreground, Background, Orphan
    uid: str | None = None
    revision: str | None = None


def plan(resource: Resource, obj: Json, options: Options, now: float) -> Json | None:
    """The object marked for deletion; None: it can go now. `obj` is the caller's own copy."""
    metadata: Json = obj["metadata"]
    # Jobs alone leave their pods behind where nobody says what shall become of them; kubectl always does.
    known = metadata.get("finalizers", [])
    unsaid = resource is JOBS and not {FOREGROUND, ORPHAN} & set(known)
    finalizers = _finalizers(known, options.propagation or ("Orphan" if unsaid else None))
    grace = _grace(resource, obj, options)
    if resource is NAMESPACES:
        if obj.get("spec", {}).get("finalizers") or finalizers:
            _mark(metadata, finalizers, 0, now)
            obj.setdefault("status", {})["phase"] = "Terminating"
            return obj
        return None
    if not finalizers and grace == 0:
        return None
    _mark(metadata, finalizers, grace, now)
    return obj


def is_finished(obj: Json) -> bool:
    """An object marked earlier whose last reason to stay is gone."""
    metadata = obj["metadata"]
    if not metadata.get("deletionTimestamp") or metadata.get("finalizers"):
        return False
    if obj.get("kind") == "Namespace":
        return not obj.get("spec", {}).get("finalizers")
    return not metadata.get("deletionGracePeriodSeconds")


def _finalizers(current: list[str], propagation: str | None) -> list[str]:
    kept = [name for name in current if name not in (FOREGROUND, ORPHAN)]
    match propagation:
        case "Foreground":
            return [*kept, FOREGROUND]
        case "Orphan":
            return [*kept, ORPHAN]
        case "Background":
            return kept
        case _:
            return current


def _grace(resource: Resource, obj: Json, options: Options) -> int:
    if resource is not PODS:
        return 0
    spec, status = obj.get("spec", {}), obj.get("status", {})
    if not spec.get("nodeName") or status.get("phase") in ("Failed", "Succeeded"):
        return 0
    if options.grace is not None:
        grace = options.grace
    else:
        grace = spec.get("terminationGracePeriodSeconds", POD_GRACE)
    known: int | None = obj["metadata"].get("deletionGracePeriodSeconds")
    grace = max(grace, 0) if options.grace != 0 else 0
    return grace if known is None else min(known, grace)  # a second deletion can only shorten it


def _mark(metadata: Json, finalizers: list[str], grace: int, now: float) -> None:
    if finalizers:
        metadata["finalizers"] = finalizers
    else:
        metadata.pop("finalizers", None)
    known = metadata.get("deletionGracePeriodSeconds")
    if metadata.get("deletionTimestamp") and (known is None or known <= grace):
        return
    metadata["deletionTimestamp"] = api_time.render(now + grace)
    metadata["deletionGracePeriodSeconds"] = grace
    if "generation" in metadata:
        metadata["generation"] += 1
