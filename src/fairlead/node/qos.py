"""A pod's quality of service class (Kubernetes' `pkg/apis/core/v1/helper/qos`)."""

from fairlead.api.types.core import PodSpec

_COUNTED = ("cpu", "memory")


def of(spec: PodSpec) -> str:
    """`Guaranteed`: every container limits cpu and memory and requests the same; `BestEffort`: none says anything."""
    containers = [*spec.containers, *spec.init_containers]
    mentioned = guaranteed = False
    for number, container in enumerate(containers):
        limits = {
            name: str(container.resources.limits[name]) for name in _COUNTED if name in container.resources.limits
        }
        requests = {
            name: str(container.resources.requests[name]) for name in _COUNTED if name in container.resources.requests
        }
        mentioned = mentioned or bool({v for v in (*limits.values(), *requests.values()) if v != "0"})
        equal = len(limits) == len(_COUNTED) and limits | requests == limits
        guaranteed = equal if number == 0 else guaranteed and equal
    if not mentioned:
        return "BestEffort"
    return "Guaranteed" if guaranteed else "Burstable"
