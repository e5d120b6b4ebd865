"""DaemonSets: a pod on every node that may have one (pkg/controller/daemon)."""

import time
from collections.abc import Iterable

import msgspec

from fairlead.api.status import ApiError
from fairlead.api.types.apps import ControllerRevision, DaemonSet
from fairlead.api.types.core import Node, Pod
from fairlead.client.events import reference
from fairlead.client.workqueue import WorkQueue, run
from fairlead.controllers.context import Context
from fairlead.controllers.daemons import node_of, plan, pod_for, status_of
from fairlead.controllers.history import HASH
from fairlead.controllers.history import plan as plan_history
from fairlead.controllers.pods import available_in, controller_of, key, owner_uid
from fairlead.controllers.replicas import Replicas
from fairlead.controllers.revision import template_hash

RESOURCE, REVISIONS = "daemonsets.apps", "controllerrevisions.apps"
FIRST_WAIT, LONGEST_WAIT = 1.0, 900.0  # seconds before a pod that ended is replaced, doubled each time


class DaemonSetController:
    def __init__(self, context: Context) -> None:
        self._client = context.client
        self._recorder = context.recorder("daemonset-controller")
        self._queue = WorkQueue()
        self._sets, self._nodes = context.daemon_sets, context.nodes
        self._revisions = context.controller_revisions
        self._revisions.add_index("owner", owner_uid)
        self._replicas = Replicas(context, "DaemonSet", RESOURCE, "daemonset-controller")
        self._ended: dict[tuple[str, str], tuple[float, float]] = {}  # (set's uid, node) → (last wait, when it is over)
        self._sets.add_handler(self._on_set)
        context.pods.add_handler(self._on_pod)
        self._nodes.add_handler(self._on_node)

    async def run(self) -> None:
        await run(self._queue, 2, self._reconcile, "daemonset")

    def _on_set(self, name: str, old: DaemonSet | None, new: DaemonSet | None) -> None:
        if new is None and old is not None:
            for place in [place for place in self._ended if place[0] == old.metadata.uid]:
                del self._ended[place]
        self._queue.add(name)

    def _on_pod(self, _: str, old: Pod | None, new: Pod | None) -> None:
        for pod in (old, new):
            owner = controller_of(pod.metadata) if pod is not None else None
            if pod is not None and owner is not None and owner.kind == "DaemonSet":
                self._queue.add(f"{pod.metadata.namespace}/{owner.name}")

    def _on_node(self, _: str, old: Node | None, new: Node | None) -> None:
        same = old is not None and new is not None and _placing(old) == _placing(new)
        if not same:
            for name in self._sets.items:
                self._queue.add(name)

    async def _reconcile(self, name: str) -> None:
        daemon = self._sets.get(name)
        if daemon is None:
            return
        await self._replicas.claim(daemon)
        now = time.time()
        digest = template_hash(daemon.spec.template, None)
        nodes = list(self._nodes.items.values())
        try:
            if daemon.metadata.deletion_timestamp is None:
                await self._remember(daemon, digest)
                found = plan(daemon, digest, nodes, self._replicas.of(daemon.metadata.uid), now)
                await self._replicas.delete(daemon, [*found.delete, *self._due(daemon, found.ended)])
                await self._replicas.create(daemon, [pod_for(daemon, digest, node) for node in found.create])
        finally:
            await self._report(daemon, digest, nodes)

    async def _remember(self, daemon: DaemonSet, digest: str) -> None:
        """What is not in the cache yet is there already, by its name: a second one is refused."""
        metadata = daemon.metadata
        in_use = {pod.metadata.labels.get(HASH, "") for pod in self._replicas.of(metadata.uid)}
        history = plan_history(daemon, digest, self._revisions.by_index("owner", metadata.uid), in_use)
        try:
            if history.create is not None:
                await self._client.create(REVISIONS, history.create, metadata.namespace)
            if history.renumber is not None:
                one, number = history.renumber
                body = {"revision": number}
                await self._client.patch(
                    REVISIONS, one.metadata.name, metadata.namespace, body, type=ControllerRevision
                )
            for each in history.delete:
                await self._client.delete(REVISIONS, each.metadata.name, metadata.namespace, uid=each.metadata.uid)
        except ApiError as error:
            if not (error.is_already_exists or error.is_not_found):
                raise

    def _due(self, daemon: DaemonSet, ended: Iterable[Pod]) -> list[Pod]:
        """Those whose time has come: a pod that fails on its node at once must not be made in a circle."""
        due = []
        now = time.monotonic()
        for pod in ended:
            place = daemon.metadata.uid, node_of(pod)
            last, over = self._ended.get(place, (0.0, now))
            if now < over:
                self._queue.add_after(key(daemon), over - now)
                continue
            wait = min(LONGEST_WAIT, last * 2 if now < over + 2 * LONGEST_WAIT and last else FIRST_WAIT)
            self._ended[place] = wait, now + wait
            name = f"{pod.metadata.namespace}/{pod.metadata.name}"
            type_, reason, text = (
                (
                    "Warning",
                    "FailedDaemonPod",
                    f"Found failed daemon pod {name} on node {place[1]}, will try to kill it",
                )
                if pod.status.phase == "Failed"
                else (
                    "Normal",
                    "SucceededDaemonPod",
                    f"Found succeeded daemon pod {name} on node {place[1]}, will try to delete it",
                )
            )
            self._recorder.event(reference(daemon, "DaemonSet", "apps/v1"), type_, reason, text)
            due.append(pod)
        return due

    async def _report(self, daemon: DaemonSet, digest: str, nodes: list[Node]) -> None:
        now = time.time()
        pods = self._replicas.of(daemon.metadata.uid)
        waits = [available_in(pod, daemon.spec.min_ready_seconds, now) for pod in pods]
        if later := [wait for wait in waits if wait]:
            self._queue.add_after(key(daemon), min(later))
        status = status_of(daemon, digest, nodes, pods, now)
        if status != daemon.status:
            metadata, body = daemon.metadata, {"status": msgspec.to_builtins(status)}
            await self._client.patch(
                RESOURCE, metadata.name, metadata.namespace, body, subresource="status", type=DaemonSet
            )


def _placing(node: Node) -> object:
    return node.metadata.labels, node.spec.taints
