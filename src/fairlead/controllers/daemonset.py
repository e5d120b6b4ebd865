"""DaemonSets: a pod on every node that may have one (pkg/controller/daemon)."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from fairlead.api.types.apps import DaemonSet, DaemonSetStatus
from fairlead.api.types.core import Node, Pod, Taint, Toleration
from fairlead.client.workqueue import WorkQueue, run
from fairlead.controllers.context import Context
from fairlead.controllers.pods import available_in, controller_of, is_active, is_ready, key
from fairlead.controllers.replicas import Replicas, from_template
from fairlead.controllers.rollout import amount, template_hash

Json = dict[str, Any]

RESOURCE = "daemonsets.apps"
HASH = "controller-revision-hash"
# What every pod of a DaemonSet puts up with.
TOLERATED = (
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
)
ON_HOST = ("node.kubernetes.io/network-unavailable", "NoSchedule")


@dataclass(frozen=True, slots=True)
class Plan:
    """Nodes that need a pod, and pods that go."""

    create: tuple[str, ...]
    delete: tuple[Pod, ...]


def should_run(daemon: DaemonSet, node: Node) -> bool:
    spec = daemon.spec.template.get("spec") or {}
    selector = spec.get("nodeSelector") or {}
    if any(node.metadata.labels.get(name) != value for name, value in selector.items()):
        return False
    tolerations = [msgspec.convert(each, Toleration) for each in _tolerations(spec)]
    return all(
        taint.effect == "PreferNoSchedule" or any(_tolerates(each, taint) for each in tolerations)
        for taint in node.spec.taints
    )


def plan(daemon: DaemonSet, digest: str, nodes: Sequence[Node], pods: Sequence[Pod], now: float) -> Plan:
    by_node: dict[str, list[Pod]] = {}
    for pod in pods:
        by_node.setdefault(node_of(pod), []).append(pod)
    create: list[str] = []
    delete: list[Pod] = []
    wanted = {node.metadata.name for node in nodes if should_run(daemon, node)}
    for name in wanted:
        active = [pod for pod in by_node.get(name, ()) if is_active(pod)]
        delete += [pod for pod in by_node.get(name, ()) if pod.status.phase in ("Failed", "Succeeded")]
        delete += sorted(active, key=lambda pod: pod.metadata.creation_timestamp or "")[1:]
        if not by_node.get(name):
            create.append(name)
    known = {node.metadata.name for node in nodes}
    for name, there in by_node.items():
        if name not in wanted and name in known:
            delete += [pod for pod in there if is_active(pod)]
    if daemon.spec.update_strategy.type == "RollingUpdate" and not create and not delete:
        delete += _outdated(daemon, digest, [pod for pod in pods if node_of(pod) in wanted], len(wanted), now)
    return Plan(tuple(create), tuple(delete))


def _outdated(daemon: DaemonSet, digest: str, pods: Sequence[Pod], wanted: int, now: float) -> list[Pod]:
    """Pods of an older template, as many as may be unavailable at once."""
    rolling = daemon.spec.update_strategy.rolling_update
    allowed = max(1, amount(rolling.max_unavailable if rolling else 1, wanted, up=True))
    ready = [pod for pod in pods if is_active(pod) and available_in(pod, daemon.spec.min_ready_seconds, now) == 0]
    budget = allowed - (wanted - len(ready))
    old = [pod for pod in pods if is_active(pod) and pod.metadata.labels.get(HASH) != digest]
    broken = [pod for pod in old if pod not in ready]
    return broken + [pod for pod in old if pod in ready][: max(0, budget)]


def node_of(pod: Pod) -> str:
    """Where it runs, or where it must: by the affinity that it was made with."""
    if pod.spec.node_name:
        return pod.spec.node_name
    affinity: Json = (pod.spec.affinity or {}).get("nodeAffinity", {})
    terms = affinity.get("requiredDuringSchedulingIgnoredDuringExecution", {}).get("nodeSelectorTerms") or ()
    for term in terms:
        for field in term.get("matchFields") or ():
            if field.get("key") == "metadata.name":
                return str(field["values"][0])
    return ""


def status_of(
    daemon: DaemonSet, digest: str, nodes: Sequence[Node], pods: Sequence[Pod], now: float
) -> DaemonSetStatus:
    wanted = {node.metadata.name for node in nodes if should_run(daemon, node)}
    first: dict[str, Pod] = {}
    for pod in sorted(pods, key=lambda pod: pod.metadata.creation_timestamp or ""):
        if is_active(pod):
            first.setdefault(node_of(pod), pod)
    there = [pod for name, pod in first.items() if name in wanted]
    available = sum(available_in(pod, daemon.spec.min_ready_seconds, now) == 0 for pod in there)
    return DaemonSetStatus(
        current_number_scheduled=len(there),
        number_misscheduled=sum(name not in wanted for name in first),
        desired_number_scheduled=len(wanted),
        number_ready=sum(is_ready(pod) for pod in there),
        observed_generation=daemon.metadata.generation,
        updated_number_scheduled=sum(pod.metadata.labels.get(HASH) == digest for pod in there),
        number_available=available,
        number_unavailable=len(wanted) - available,
    )


def pod_for(daemon: DaemonSet, digest: str, node: str) -> Json:
    pod = from_template(daemon, "DaemonSet", daemon.spec.template, **{HASH: digest})
    spec = dict(pod["spec"])
    term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
    spec["affinity"] = {
        **(spec.get("affinity") or {}),
        "nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}},
    }
    spec["tolerations"] = _tolerations(spec)
    return {**pod, "spec": spec}


def _tolerations(spec: Json) -> list[Json]:
    added = [*TOLERATED, ON_HOST] if spec.get("hostNetwork") else list(TOLERATED)
    return [
        *(spec.get("tolerations") or ()),
        *({"key": name, "operator": "Exists", "effect": effect} for name, effect in added),
    ]


def _tolerates(toleration: Toleration, taint: Taint) -> bool:
    if toleration.effect and toleration.effect != taint.effect:
        return False
    if toleration.key and toleration.key != taint.key:
        return False
    return toleration.operator == "Exists" or toleration.value == taint.value


class DaemonSetController:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._queue = WorkQueue()
        self._pods, self._sets, self._nodes = context.pods, context.daemon_sets, context.nodes
        self._replicas = Replicas(context, "DaemonSet", "apps/v1")
        self._sets.add_handler(self._on_set)
        self._pods.add_handler(self._on_pod)
        self._nodes.add_handler(self._on_node)

    async def run(self) -> None:
        await run(self._queue, 2, self._reconcile, "daemonset")

    def _on_set(self, name: str, old: DaemonSet | None, new: DaemonSet | None) -> None:
        if new is None and old is not None:
            self._replicas.forget(old.metadata.uid)
        self._queue.add(name)

    def _on_pod(self, _: str, old: Pod | None, new: Pod | None) -> None:
        for pod in (old, new):
            owner = controller_of(pod.metadata) if pod is not None else None
            if pod is not None and owner is not None and owner.kind == "DaemonSet":
                self._queue.add(f"{pod.metadata.namespace}/{owner.name}")

    def _on_node(self, _: str, old: Node | None, new: Node | None) -> None:
        if old is not None and new is not None:
            same = old.metadata.labels == new.metadata.labels and old.spec.taints == new.spec.taints
            if same:
                return
        for name in self._sets.items:
            self._queue.add(name)

    async def _reconcile(self, name: str) -> None:
        daemon = self._sets.get(name)
        if daemon is None:
            return
        now = time.time()
        digest = template_hash(daemon.spec.template, None)
        nodes = list(self._nodes.items.values())
        pods = self._replicas.of(daemon.metadata.uid)
        if daemon.metadata.deletion_timestamp is None and self._replicas.settled(daemon):
            found = plan(daemon, digest, nodes, pods, now)
            await self._replicas.delete(daemon, found.delete)
            await self._replicas.create(daemon, [pod_for(daemon, digest, node) for node in found.create])
        waits = [available_in(pod, daemon.spec.min_ready_seconds, now) for pod in pods]
        if later := [wait for wait in waits if wait]:
            self._queue.add_after(key(daemon), min(later))
        status = status_of(daemon, digest, nodes, pods, now)
        if status != daemon.status:
            metadata, body = daemon.metadata, {"status": msgspec.to_builtins(status)}
            await self._context.client.patch(
                RESOURCE, metadata.name, metadata.namespace, body, subresource="status", type=DaemonSet
            )
