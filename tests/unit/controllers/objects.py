"""Typed objects for plans, short to write."""

from typing import Any

from fairlead.api import time as api_time
from fairlead.api.types.apps import (
    Deployment,
    DeploymentSpec,
    ReplicaSet,
    ReplicaSetSpec,
    ReplicaSetStatus,
    RollingUpdate,
    UpdateStrategy,
)
from fairlead.api.types.core import Container, ContainerPort, Node, NodeSpec, Pod, PodIP, PodSpec, PodStatus, Taint
from fairlead.api.types.meta import Condition, LabelSelector, ObjectMeta, OwnerReference

T0 = 1_700_000_000.0


def at(seconds: float) -> str:
    return api_time.render(T0 + seconds)


def pod(
    name: str,
    *,
    ip: str = "",
    ips: tuple[str, ...] = (),
    node: str = "",
    ready: bool | None = None,
    ready_since: float = 0,
    created: float = 0,
    going: bool = False,
    phase: str = "Running",
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
    owner: str = "",
    ports: dict[str, int] | None = None,
    **spec: Any,
) -> Pod:
    """`owner`: a controller's uid. `ready` None: no condition yet."""
    conditions = []
    if ready is not None:
        moment = at(ready_since)
        conditions = [Condition(type="Ready", status="True" if ready else "False", last_transition_time=moment)]
    container = Container(
        name="c", ports=[ContainerPort(container_port=number, name=n) for n, number in (ports or {}).items()]
    )
    return Pod(
        metadata=ObjectMeta(
            name=name,
            namespace="default",
            uid=f"uid-{name}",
            labels=labels or {},
            annotations=annotations or {},
            creation_timestamp=at(created),
            deletion_timestamp=at(9) if going else None,
            owner_references=[owned_by(owner)] if owner else [],
        ),
        spec=PodSpec(containers=[container], node_name=node, **spec),
        status=PodStatus(
            phase=phase, pod_ip=ip or (ips or ("",))[0], pod_ips=[PodIP(each) for each in ips], conditions=conditions
        ),
    )


def owned_by(uid: str, *, controller: bool = True, kind: str = "ReplicaSet") -> OwnerReference:
    return OwnerReference(api_version="apps/v1", kind=kind, name=f"name-{uid}", uid=uid, controller=controller)


def node(name: str, *, labels: dict[str, str] | None = None, taints: tuple[Taint, ...] = ()) -> Node:
    return Node(metadata=ObjectMeta(name=name, labels=labels or {}), spec=NodeSpec(taints=list(taints)))


def deployment(
    replicas: int = 3, *, surge: Any = "25%", unavailable: Any = "25%", strategy: str = "RollingUpdate", **spec: Any
) -> Deployment:
    rolling = RollingUpdate(max_surge=surge, max_unavailable=unavailable) if strategy == "RollingUpdate" else None
    return Deployment(
        metadata=ObjectMeta(name="web", namespace="default", uid="d", generation=1),
        spec=DeploymentSpec(
            replicas=replicas,
            selector=LabelSelector(match_labels={"app": "web"}),
            strategy=UpdateStrategy(type=strategy, rolling_update=rolling),
            template=template("1"),
            **spec,
        ),
    )


def template(image: str) -> dict[str, Any]:
    return {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": image}]}}


def replica_set(
    name: str,
    size: int,
    *,
    actual: int | None = None,
    available: int | None = None,
    created: float = 0,
    **metadata: Any,
) -> ReplicaSet:
    actual = size if actual is None else actual
    available = actual if available is None else available
    return ReplicaSet(
        metadata=ObjectMeta(
            name=name, namespace="default", uid=f"uid-{name}", creation_timestamp=at(created), **metadata
        ),
        spec=ReplicaSetSpec(replicas=size, template=template(name)),
        status=ReplicaSetStatus(replicas=actual, ready_replicas=available, available_replicas=available),
    )
