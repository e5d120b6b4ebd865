"""A Service's ports on one pod, and when its endpoints last had a reason to change. Pure."""

from collections.abc import Iterable

from fairlead.api import time as api_time
from fairlead.api.types.core import Pod
from fairlead.api.types.service import Service, ServicePort
from fairlead.controllers.pods import condition

TRIGGERED = "endpoints.kubernetes.io/last-change-trigger-time"


def number_on(pod: Pod, port: ServicePort) -> int | None:
    """A number as it is, a name looked up in the pod's containers. None: the pod has no port of that name."""
    target = port.target_port if port.target_port not in (None, 0, "") else port.port
    if isinstance(target, int):
        return target
    # Sidecars live as long as the pod, so their ports count.
    sidecars = [each for each in pod.spec.init_containers if each.restart_policy == "Always"]
    for container in (*pod.spec.containers, *sidecars):
        for each in container.ports:
            if each.name == target and each.protocol == port.protocol:
                return each.container_port
    return None


def is_candidate(pod: Pod) -> bool:
    """A pod that has an address and has not ended."""
    return bool(pod.status.pod_ip) and not pod.is_terminated


def addresses_of(pod: Pod, family: str) -> list[str]:
    """`IPv4` or `IPv6`. Pods of clusters of one family, and those of another, may have none."""
    addresses = [each.ip for each in pod.status.pod_ips] or [pod.status.pod_ip]
    return [address for address in addresses if address and family_of(address) == family]


def families_of(service: Service) -> list[str]:
    """The first is the primary one, that of the Endpoints."""
    if service.spec.ip_families:
        return service.spec.ip_families
    address = service.spec.cluster_ip
    return [family_of(address) if address not in ("", "None") else "IPv4"]


def family_of(address: str) -> str:
    return "IPv6" if ":" in address else "IPv4"


def hostname(service: Service, pod: Pod) -> str:
    """The pod's own name beneath a headless Service; empty where it has none."""
    return pod.spec.hostname if pod.spec.subdomain == service.metadata.name else ""


def triggered(service: Service, pods: Iterable[Pod]) -> str:
    """The latest of the Service's making and its pods' readiness: what the programming of a change is timed from."""
    moments = [service.metadata.creation_timestamp]
    for pod in pods:
        ready = condition(pod.status.conditions, "Ready")
        moments.append(ready.last_transition_time if ready is not None else None)
    return api_time.render(max((api_time.parse(moment) for moment in moments if moment), default=0.0))
