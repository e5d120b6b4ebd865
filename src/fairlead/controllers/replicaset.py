"""ReplicaSets: as many pods as asked for (pkg/controller/replicaset)."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from fairlead.api.selectors import of_label_selector
from fairlead.api.types.apps import ReplicaSet, ReplicaSetStatus
from fairlead.api.types.core import Pod
from fairlead.client.workqueue import WorkQueue, run
from fairlead.controllers.context import Context
from fairlead.controllers.pods import available_in, controller_of, is_active, is_ready, key
from fairlead.controllers.replicas import Replicas, from_template

RESOURCE = "replicasets.apps"
BURST = 500  # pods made or unmade in one pass
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Plan:
    create: int
    delete: tuple[Pod, ...]


def plan(wanted: int, active: Sequence[Pod], siblings: dict[str, int]) -> Plan:
    """`siblings`: how many pods of the same owner a node has; where there are more, one goes first."""
    difference = wanted - len(active)
    if difference >= 0:
        return Plan(min(difference, BURST), ())
    ranked = sorted(active, key=lambda pod: _rank(pod, siblings))
    return Plan(0, tuple(ranked[: min(-difference, BURST)]))


def _rank(pod: Pod, siblings: dict[str, int]) -> tuple[Any, ...]:
    """Who goes first: unassigned, pending, not ready, cheap, on a crowded node, younger."""
    cost = int(pod.metadata.annotations.get("controller.kubernetes.io/pod-deletion-cost", 0) or 0)
    phase = {"Pending": 0, "Unknown": 1}.get(pod.status.phase, 2)
    restarts = max((status.restart_count for status in pod.status.container_statuses), default=0)
    created = [-ord(char) for char in pod.metadata.creation_timestamp or ""]
    return (
        bool(pod.spec.node_name),
        phase,
        is_ready(pod),
        cost,
        -siblings.get(pod.spec.node_name, 0),
        -restarts,
        created,
    )


def status_of(owner: ReplicaSet, active: Sequence[Pod], now: float) -> tuple[ReplicaSetStatus, float | None]:
    """The status, and in how many seconds it will be another without anything happening."""
    template = (owner.spec.template.get("metadata") or {}).get("labels") or {}
    waits = [available_in(pod, owner.spec.min_ready_seconds, now) for pod in active]
    later = [wait for wait in waits if wait]
    status = ReplicaSetStatus(
        replicas=len(active),
        fully_labeled_replicas=sum(template.items() <= pod.metadata.labels.items() for pod in active),
        ready_replicas=sum(wait is not None for wait in waits),
        available_replicas=sum(wait == 0 for wait in waits),
        observed_generation=owner.metadata.generation,
        conditions=owner.status.conditions,
    )
    return status, min(later) if later else None


class ReplicaSetController:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._queue = WorkQueue()
        self._pods, self._sets = context.pods, context.replica_sets
        self._replicas = Replicas(context, "ReplicaSet", "apps/v1")
        self._sets.add_index("namespace", lambda each: [each.metadata.namespace])
        self._pods.add_index("orphan", lambda pod: [] if controller_of(pod.metadata) else [pod.metadata.namespace])
        self._sets.add_handler(self._on_set)
        self._pods.add_handler(self._on_pod)

    async def run(self) -> None:
        await run(self._queue, 5, self._reconcile, "replicaset")

    def _on_set(self, name: str, old: ReplicaSet | None, new: ReplicaSet | None) -> None:
        if new is None and old is not None:
            self._replicas.forget(old.metadata.uid)
        self._queue.add(name)

    def _on_pod(self, _: str, old: Pod | None, new: Pod | None) -> None:
        for pod in (old, new):
            if pod is None:
                continue
            owner = controller_of(pod.metadata)
            if owner is not None:
                if owner.kind == "ReplicaSet":
                    self._queue.add(f"{pod.metadata.namespace}/{owner.name}")
            else:
                for each in self._sets.by_index("namespace", pod.metadata.namespace):
                    if of_label_selector(each.spec.selector).matches(pod.metadata.labels):
                        self._queue.add(key(each))

    async def _reconcile(self, name: str) -> None:
        owner = self._sets.get(name)
        if owner is None:
            return
        await self._adopt(owner)
        active = [pod for pod in self._replicas.of(owner.metadata.uid) if is_active(pod)]
        if owner.metadata.deletion_timestamp is None and self._replicas.settled(owner):
            crowd: dict[str, int] = {}
            for pod in active:
                crowd[pod.spec.node_name] = crowd.get(pod.spec.node_name, 0) + 1
            found = plan(owner.spec.replicas, active, crowd)
            await self._replicas.delete(owner, found.delete)
            body = from_template(owner, "ReplicaSet", owner.spec.template)
            await self._replicas.create(owner, [body] * found.create)
            gone = {pod.metadata.uid for pod in found.delete}
            active = [pod for pod in active if pod.metadata.uid not in gone]
        await self._report(owner, active)

    async def _adopt(self, owner: ReplicaSet) -> None:
        """Takes pods that nobody controls and that it selects; lets those go that it no longer selects."""
        selector = of_label_selector(owner.spec.selector)
        client = self._context.client
        if owner.metadata.deletion_timestamp is None:
            for pod in self._pods.by_index("orphan", owner.metadata.namespace):
                if is_active(pod) and selector.matches(pod.metadata.labels):
                    references = from_template(owner, "ReplicaSet", {})["metadata"]["ownerReferences"]
                    body = {"metadata": {"uid": pod.metadata.uid, "ownerReferences": references}}
                    await client.patch("pods", pod.metadata.name, pod.metadata.namespace, body, type=Pod)
        for pod in self._replicas.of(owner.metadata.uid):
            if pod.metadata.deletion_timestamp is None and not selector.matches(pod.metadata.labels):
                left = [msgspec.to_builtins(o) for o in pod.metadata.owner_references if o.uid != owner.metadata.uid]
                body = {"metadata": {"uid": pod.metadata.uid, "ownerReferences": left or None}}
                await client.patch("pods", pod.metadata.name, pod.metadata.namespace, body, type=Pod)

    async def _report(self, owner: ReplicaSet, active: Sequence[Pod]) -> None:
        status, later = status_of(owner, active, time.time())
        if later is not None:
            self._queue.add_after(key(owner), later)
        if status != owner.status:
            body = {"status": msgspec.to_builtins(status)}
            metadata = owner.metadata
            await self._context.client.patch(
                RESOURCE, metadata.name, metadata.namespace, body, subresource="status", type=ReplicaSet
            )
