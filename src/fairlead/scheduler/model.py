"""What scheduling looks at: nodes with what is free on them. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from fairlead.api.quantity import millis, whole
from fairlead.api.types.core import Container, Node, Pod


@dataclass(slots=True)
class NodeState:
    """A node and the pods on it. Amounts: cpu in thousandths, bytes, pods by count."""

    node: Node
    pods: dict[str, Pod] = field(default_factory=dict)
    used: dict[str, int] = field(default_factory=dict)
    ports: set[tuple[str, str, int]] = field(default_factory=set)  # protocol, address, port

    @property
    def name(self) -> str:
        return self.node.metadata.name

    def allocatable(self, resource: str) -> int | None:
        given = self.node.status.allocatable.get(resource)
        return None if given is None else amount(resource, str(given))

    def add(self, pod: Pod) -> None:
        self.pods[pod.metadata.uid] = pod
        self._count(pod, 1)
        self.ports |= host_ports(pod)

    def remove(self, uid: str) -> None:
        pod = self.pods.pop(uid, None)
        if pod is not None:
            self._count(pod, -1)
            self.ports -= host_ports(pod)

    def _count(self, pod: Pod, sign: int) -> None:
        for resource, requested in requests(pod).items():
            self.used[resource] = self.used.get(resource, 0) + sign * requested


def amount(resource: str, text: str) -> int:
    return millis(text) if resource == "cpu" else whole(text)


def requests(pod: Pod) -> dict[str, int]:
    """What a pod asks for at most at once: one init container beside earlier sidecars, or all that stay together.

    One pod counts as one.
    """
    staying = _sum(each for each in pod.spec.init_containers if each.restart_policy == "Always")
    total = _sum(pod.spec.containers)
    for resource, amount_ in staying.items():
        total[resource] = total.get(resource, 0) + amount_
    sidecars: dict[str, int] = {}
    for container in pod.spec.init_containers:
        own = _sum([container])
        for resource in own.keys() | sidecars.keys():
            together = own.get(resource, 0) + sidecars.get(resource, 0)
            total[resource] = max(total.get(resource, 0), together)
            if container.restart_policy == "Always":
                sidecars[resource] = together
    total["pods"] = 1
    return total


def _sum(containers: Iterable[Container]) -> dict[str, int]:
    total: dict[str, int] = {}
    for container in containers:
        for resource, text in container.resources.requests.items():
            total[resource] = total.get(resource, 0) + amount(resource, str(text))
    return total


def host_ports(pod: Pod) -> set[tuple[str, str, int]]:
    return {
        (port.protocol, port.host_ip or "0.0.0.0", port.host_port)
        for container in pod.spec.containers
        for port in container.ports
        if port.host_port
    }
