"""What a node tells of itself. Pure.

Source: kubelet `nodestatus/setters.go` and `kubelet_node_status.go`; reasons and texts are its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from fairlead.api import time as api_time
from fairlead.api.types.core import (
    DaemonEndpoint,
    Node,
    NodeAddress,
    NodeDaemonEndpoints,
    NodeSpec,
    NodeStatus,
    NodeSystemInfo,
)
from fairlead.api.types.meta import Condition, IntOrString, Json, ObjectMeta

MAX_PODS: Final = 110
KUBELET_PORT: Final = 10250
MAX_IMAGES: Final = 50
_READY: Final = "kubelet is posting ready status"


@dataclass(frozen=True, slots=True)
class Machine:
    """The hardware and the system; sizes in bytes."""

    cpus: int
    memory: int
    disk: int
    kernel: str
    os_image: str
    architecture: str  # as Go says it: amd64, arm64
    machine_id: str
    system_uuid: str
    boot_id: str


@dataclass(frozen=True, slots=True)
class Identity:
    """What the node is called and where it is reached."""

    name: str
    ips: tuple[str, ...]  # one of each family, the primary one first
    labels: Mapping[str, str]
    version: str  # kubelet's, `v1.32.0+fairlead`
    runtime_version: str  # `crun://1.8.1`


@dataclass(frozen=True, slots=True)
class Health:
    """`problems` make the node not ready; `degraded` is told, and the node goes on."""

    problems: tuple[str, ...] = ()
    degraded: tuple[str, ...] = ()


def node_object(identity: Identity, machine: Machine, pod_cidrs: Sequence[str], status: NodeStatus) -> Node:
    """What the agent registers."""
    labels = {
        "kubernetes.io/hostname": identity.name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": machine.architecture,
        "beta.kubernetes.io/os": "linux",
        "beta.kubernetes.io/arch": machine.architecture,
    }
    return Node(
        api_version="v1",
        kind="Node",
        metadata=ObjectMeta(name=identity.name, labels=labels | dict(identity.labels)),
        spec=NodeSpec(pod_cidr=pod_cidrs[0], pod_cidrs=list(pod_cidrs)) if pod_cidrs else NodeSpec(),
        status=status,
    )


def status_of(
    identity: Identity, machine: Machine, health: Health, images: Sequence[Json], told: NodeStatus, now: float
) -> NodeStatus:
    """The whole status. Conditions keep the time of their last change from `told`, the status told last."""
    resources: dict[str, IntOrString] = {
        "cpu": str(machine.cpus),
        "ephemeral-storage": f"{machine.disk // 1024}Ki",
        "hugepages-1Gi": "0",
        "hugepages-2Mi": "0",
        "memory": f"{machine.memory // 1024}Ki",
        "pods": str(MAX_PODS),
    }
    return NodeStatus(
        capacity=resources,
        allocatable=resources,
        conditions=_conditions(health, told.conditions, now),
        addresses=[*(NodeAddress("InternalIP", ip) for ip in identity.ips), NodeAddress("Hostname", identity.name)],
        daemon_endpoints=NodeDaemonEndpoints(DaemonEndpoint(KUBELET_PORT)),
        node_info=NodeSystemInfo(
            machine_id=machine.machine_id,
            system_uuid=machine.system_uuid,
            boot_id=machine.boot_id,
            kernel_version=machine.kernel,
            os_image=machine.os_image,
            container_runtime_version=identity.runtime_version,
            kubelet_version=identity.version,
            kube_proxy_version=identity.version,
            operating_system="linux",
            architecture=machine.architecture,
        ),
        images=list(images)[:MAX_IMAGES],
    )


def _conditions(health: Health, told: Sequence[Condition], now: float) -> list[Condition]:
    conditions = [
        Condition("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        Condition("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        Condition("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
        _ready(health),
    ]
    before = {condition.type: condition for condition in told}
    for condition in conditions:
        previous = before.get(condition.type)
        same = previous is not None and previous.status == condition.status
        condition.last_heartbeat_time = api_time.render(now)
        condition.last_transition_time = previous.last_transition_time if same and previous else api_time.render(now)
    return conditions


def _ready(health: Health) -> Condition:
    if health.problems:
        return Condition("Ready", "False", "KubeletNotReady", ", ".join(health.problems))
    warnings = "".join(f". WARNING: {text}" for text in health.degraded)
    return Condition("Ready", "True", "KubeletReady", _READY + warnings)
