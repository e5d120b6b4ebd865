"""A Service's ports on one pod: numbers as they are, names looked up in the pod's containers. Pure."""

from fairlead.api.types.core import Pod, ServicePort


def number_on(pod: Pod, port: ServicePort) -> int | None:
    """None: the pod has no port of that name."""
    target = port.target_port if port.target_port not in (None, 0, "") else port.port
    if isinstance(target, int):
        return target
    for container in pod.spec.containers:
        for each in container.ports:
            if each.name == target and each.protocol == port.protocol:
                return each.container_port
    return None


def is_candidate(pod: Pod) -> bool:
    """A pod that has an address and has not ended."""
    return bool(pod.status.pod_ip) and pod.status.phase not in ("Succeeded", "Failed")
