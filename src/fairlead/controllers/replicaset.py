"""ReplicaSets and ReplicationControllers: as many pods as asked for (pkg/controller/replicaset, …/replication)."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from fairlead.api import time as api_time
from fairlead.api.status import ApiError
from fairlead.api.types.apps import ReplicaSet, ReplicaSetStatus, ReplicationController
from fairlead.api.types.core import Pod
from fairlead.api.types.meta import Condition
from fairlead.client.informer import Informer
from fairlead.client.workqueue import WorkQueue, run
from fairlead.controllers.context import Context
from fairlead.controllers.owning import selector_of
from fairlead.controllers.pods import available_in, condition, controller_of, is_active, is_ready, key, owner_uid
from fairlead.controllers.replicas import Replicas, from_template

FAILURE = "ReplicaFailure"
COST = "controller.kubernetes.io/pod-deletion-cost"
BURST = 500  # pods made or unmade in one pass
Json = dict[str, Any]
Set = ReplicaSet | ReplicationController


@dataclass(frozen=True, slots=True)
class Flavour:
    """One of the two kinds, which differ in name, group and selector only. `component`: who its events are from."""

    kind: str
    resource: str
    type: type[Set]
    component: str


REPLICA_SET = Flavour("ReplicaSet", "replicasets.apps", ReplicaSet, "replicaset-controller")
REPLICATION_CONTROLLER = Flavour(
    "ReplicationController", "replicationcontrollers", ReplicationController, "replication-controller"
)


@dataclass(frozen=True, slots=True)
class Plan:
    create: int
    delete: tuple[Pod, ...]


def plan(wanted: int, active: Sequence[Pod], crowd: dict[str, int]) -> Plan:
    """`crowd`: how many related pods each node has; where there are more, one goes first."""
    difference = wanted - len(active)
    if difference >= 0:
        return Plan(min(difference, BURST), ())
    ranked = sorted(active, key=lambda pod: _rank(pod, crowd))
    return Plan(0, tuple(ranked[: min(-difference, BURST)]))


def _rank(pod: Pod, crowd: dict[str, int]) -> tuple[Any, ...]:
    """Who goes first: unassigned, pending, not ready, cheap, crowded, lately ready, often restarted, young."""
    ready = condition(pod.status.conditions, "Ready")
    return (
        bool(pod.spec.node_name),
        {"Pending": 0, "Unknown": 1}.get(pod.status.phase, 2),
        is_ready(pod),
        _cost(pod),
        -crowd.get(pod.spec.node_name, 0),
        _newest_first(ready.last_transition_time if ready is not None and is_ready(pod) else None),
        -max((status.restart_count for status in pod.status.container_statuses), default=0),
        _newest_first(pod.metadata.creation_timestamp),
    )


def _cost(pod: Pod) -> int:
    """What does not parse counts as nothing said."""
    try:
        return int(pod.metadata.annotations.get(COST, "0"))
    except ValueError:
        return 0


def _newest_first(moment: str | None) -> float:
    return -api_time.parse(moment) if moment else float("-inf")


def crowd_of(pods: Iterable[Pod]) -> dict[str, int]:
    """How many active pods each node has."""
    found: dict[str, int] = {}
    for pod in pods:
        if is_active(pod):
            found[pod.spec.node_name] = found.get(pod.spec.node_name, 0) + 1
    return found


def status_of(
    owner: Set, active: Sequence[Pod], failure: tuple[str, str] | None, now: float
) -> tuple[ReplicaSetStatus, float | None]:
    """The status, and in how many seconds it will be another without anything happening.

    `failure`: reason and message of pods that could not be made or unmade.
    """
    template = (owner.spec.template.get("metadata") or {}).get("labels") or {}
    waits = [available_in(pod, owner.spec.min_ready_seconds, now) for pod in active]
    later = [wait for wait in waits if wait]
    conditions = [each for each in owner.status.conditions if each.type != FAILURE]
    if failure is not None:
        reason, message = failure
        new = Condition(type=FAILURE, status="True", reason=reason, message=message)
        new.last_transition_time = api_time.render(now)
        # Told once, it is not told again with every attempt.
        conditions.append(condition(owner.status.conditions, FAILURE) or new)
    status = ReplicaSetStatus(
        replicas=len(active),
        fully_labeled_replicas=sum(template.items() <= pod.metadata.labels.items() for pod in active),
        ready_replicas=sum(wait is not None for wait in waits),
        available_replicas=sum(wait == 0 for wait in waits),
        observed_generation=owner.metadata.generation,
        conditions=conditions,
    )
    return status, min(later) if later else None


class ReplicaSetController:
    def __init__(self, context: Context, flavour: Flavour = REPLICA_SET) -> None:
        self._client = context.client
        self._queue = WorkQueue()
        self._flavour = flavour
        self._pods = context.pods
        self._sets: Informer[Set] = context.informer(flavour.resource, flavour.type)
        self._replicas = Replicas(context, flavour.kind, flavour.resource, flavour.component)
        self._sets.add_index("namespace", lambda each: [each.metadata.namespace])
        self._sets.add_index("owner", owner_uid)
        self._sets.add_handler(lambda name, _old, _new: self._queue.add(name))
        self._pods.add_handler(self._on_pod)

    async def run(self) -> None:
        await run(self._queue, 5, self._reconcile, self._flavour.kind.lower())

    def _on_pod(self, _: str, old: Pod | None, new: Pod | None) -> None:
        for pod in (old, new):
            if pod is None:
                continue
            owner = controller_of(pod.metadata)
            if owner is not None:
                if owner.kind == self._flavour.kind:
                    self._queue.add(f"{pod.metadata.namespace}/{owner.name}")
            elif pod is new:
                for each in self._sets.by_index("namespace", pod.metadata.namespace):
                    if selector_of(each).matches(pod.metadata.labels):
                        self._queue.add(key(each))

    async def _reconcile(self, name: str) -> None:
        owner = self._sets.get(name)
        if owner is None:
            return
        await self._replicas.claim(owner)
        failed: ApiError | None = None
        reason = ""
        if owner.metadata.deletion_timestamp is None:
            active = self._active(owner)
            too_many = len(active) > owner.spec.replicas
            found = plan(owner.spec.replicas, active, self._crowd(owner) if too_many else {})
            reason = "FailedCreate" if found.create else "FailedDelete"
            try:
                await self._replicas.delete(owner, found.delete)
                body = from_template(owner, self._flavour.kind, owner.spec.template)
                await self._replicas.create(owner, [body] * found.create)
            except ApiError as error:
                failed = error
        await self._report(owner, (reason, str(failed)) if failed else None)
        if failed is not None:
            raise failed

    def _active(self, owner: Set) -> list[Pod]:
        return [pod for pod in self._replicas.of(owner.metadata.uid) if is_active(pod)]

    def _crowd(self, owner: Set) -> dict[str, int]:
        """Pods of all ReplicaSets of the same Deployment: they spread together."""
        deployment = controller_of(owner.metadata)
        related = self._sets.by_index("owner", deployment.uid) if deployment is not None else [owner]
        return crowd_of(pod for each in related for pod in self._replicas.of(each.metadata.uid))

    async def _report(self, owner: Set, failure: tuple[str, str] | None) -> None:
        status, later = status_of(owner, self._active(owner), failure, time.time())
        if later is not None:
            self._queue.add_after(key(owner), later)
        if status != owner.status:
            body = {"status": msgspec.to_builtins(status)}
            metadata, flavour = owner.metadata, self._flavour
            await self._client.patch(
                flavour.resource, metadata.name, metadata.namespace, body, subresource="status", type=flavour.type
            )
