"""Nodes and pods for scheduling, short to write."""

from typing import Any

from fairlead.api.types.core import (
    Container,
    ContainerPort,
    Node,
    NodeSpec,
    NodeStatus,
    Pod,
    PodSpec,
    ResourceRequirements,
    Taint,
)
from fairlead.api.types.meta import ObjectMeta, OwnerReference
from fairlead.scheduler.model import NodeState


def container(
    port: int | None = None, *, ip: str = "", extended: dict[str, str] | None = None, **requests: str
) -> Container:
    ports = [ContainerPort(container_port=80, host_port=port, host_ip=ip)] if port else []
    return Container(name="c", ports=ports, resources=ResourceRequirements(requests={**requests, **(extended or {})}))


def pod(name: str, *containers: Container, owner: str = "", labels: dict[str, str] | None = None, **spec: Any) -> Pod:
    owners = [OwnerReference(api_version="apps/v1", kind="ReplicaSet", name=owner, uid=owner, controller=True)]
    metadata = ObjectMeta(
        name=name, namespace="default", uid=name, labels=labels or {}, owner_references=owners if owner else []
    )
    return Pod(metadata=metadata, spec=PodSpec(containers=list(containers) or [container()], **spec))


def state(
    name: str,
    *pods: Pod,
    cpu: str = "4",
    memory: str = "8Gi",
    most: str = "110",
    labels: dict[str, str] | None = None,
    taints: tuple[Taint, ...] = (),
    unschedulable: bool = False,
) -> NodeState:
    node = Node(
        metadata=ObjectMeta(name=name, labels=labels or {}),
        spec=NodeSpec(taints=list(taints), unschedulable=unschedulable),
        status=NodeStatus(allocatable={"cpu": cpu, "memory": memory, "pods": most}),
    )
    found = NodeState(node)
    for each in pods:
        found.add(each)
    return found


def required(*terms: dict[str, Any]) -> dict[str, Any]:
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": list(terms)}}}


def preferred(weight: int, key: str, value: str) -> dict[str, Any]:
    term = {"matchExpressions": [{"key": key, "operator": "In", "values": [value]}]}
    rules = [{"weight": weight, "preference": term}]
    return {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": rules}}
