"""Priorities of pods (admission plugin Priority). PriorityClass is not served: the two that Kubernetes has built in
are known, any other name is refused as one that does not exist."""

from typing import Any

from fairlead.api.resources import PODS
from fairlead.api.status import forbidden

Json = dict[str, Any]

BUILT_IN = {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}


def admit(pod: Json) -> None:
    """Raises ApiError (403)."""
    spec = pod["spec"]
    name = spec.get("priorityClassName", "")
    if name and name not in BUILT_IN:
        why = f"no PriorityClass with name {name} was found"
        raise forbidden(PODS, pod["metadata"].get("name", ""), why)
    spec["priority"] = BUILT_IN.get(name, 0)
    spec.setdefault("preemptionPolicy", "PreemptLowerPriority")
