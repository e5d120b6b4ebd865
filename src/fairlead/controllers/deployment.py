"""Deployments: rolling from one template to the next, through ReplicaSets (pkg/controller/deployment)."""

import time
from typing import Any

import msgspec

from fairlead.api import time as api_time
from fairlead.api.types.apps import Deployment, ReplicaSet
from fairlead.client.events import reference
from fairlead.client.workqueue import WorkQueue, run
from fairlead.controllers import rollout
from fairlead.controllers.context import Context
from fairlead.controllers.pods import condition, controller_of, key
from fairlead.controllers.rollout import DESIRED, HASH, MOST, REVISION

Json = dict[str, Any]

SETS, DEPLOYMENTS = "replicasets.apps", "deployments.apps"
NOT_COPIED = ("kubectl.kubernetes.io/last-applied-configuration", REVISION, DESIRED, MOST)


class DeploymentController:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._queue = WorkQueue()
        self._deployments, self._sets = context.deployments, context.replica_sets
        self._sets.add_index("owner", lambda each: [o.uid for o in [controller_of(each.metadata)] if o])
        self._deployments.add_handler(lambda name, _old, _new: self._queue.add(name))
        self._sets.add_handler(self._on_set)
        self._made: dict[str, str] = {}  # deployment's uid → the newest ReplicaSet made, until the cache shows it

    async def run(self) -> None:
        await run(self._queue, 5, self._reconcile, "deployment")

    def _on_set(self, _: str, old: ReplicaSet | None, new: ReplicaSet | None) -> None:
        for each in (old, new):
            owner = controller_of(each.metadata) if each is not None else None
            if owner is not None and owner.kind == "Deployment" and each is not None:
                self._queue.add(f"{each.metadata.namespace}/{owner.name}")

    async def _reconcile(self, name: str) -> None:
        deployment = self._deployments.get(name)
        if deployment is None:
            return
        uid = deployment.metadata.uid
        if (made := self._made.get(uid)) is not None:
            if self._sets.get(f"{deployment.metadata.namespace}/{made}") is None:
                self._queue.add_after(name, 0.01)
                return
            del self._made[uid]
        sets = sorted(self._sets.by_index("owner", uid), key=lambda each: each.metadata.creation_timestamp or "")
        new = next((each for each in sets if rollout.same_template(each.spec.template, deployment.spec.template)), None)
        if deployment.metadata.deletion_timestamp is None:
            if new is None and not deployment.spec.paused:
                await self._create(deployment, sets)
                return
            old = [each for each in sets if each is not new]
            if new is not None:
                await self._revise(deployment, new, old)
                await self._roll(deployment, new, old)
            await self._clean_up(deployment, old)
        await self._report(deployment, new, sets)

    # The new ReplicaSet.

    async def _create(self, deployment: Deployment, old: list[ReplicaSet]) -> None:
        """Named for the template, so that making it twice is refused."""
        metadata = deployment.metadata
        digest = rollout.template_hash(deployment.spec.template, deployment.status.collision_count)
        name = f"{metadata.name}-{digest}"
        template = dict(deployment.spec.template)
        template["metadata"] = dict(template.get("metadata") or {})
        template["metadata"]["labels"] = {**(template["metadata"].get("labels") or {}), HASH: digest}
        selector = msgspec.to_builtins(deployment.spec.selector)
        selector["matchLabels"] = {**selector.get("matchLabels", {}), HASH: digest}
        every = sum(each.spec.replicas for each in old)
        replicas = deployment.spec.replicas
        if deployment.spec.strategy.type == "RollingUpdate":
            surge, _ = rollout.bounds(deployment)
            replicas = max(0, min(replicas, replicas + surge - every))
        elif old and any(each.status.replicas or each.spec.replicas for each in old):
            replicas = 0
        annotations = {k: v for k, v in metadata.annotations.items() if k not in NOT_COPIED}
        annotations |= {REVISION: str(_newest(old) + 1), **self._sizes(deployment)}
        body: Json = {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "metadata": {
                "name": name,
                "namespace": metadata.namespace,
                "labels": template["metadata"]["labels"],
                "annotations": annotations,
                "ownerReferences": [_owner(deployment)],
            },
            "spec": {
                "replicas": replicas,
                "minReadySeconds": deployment.spec.min_ready_seconds,
                "selector": selector,
                "template": template,
            },
        }
        await self._context.client.create(SETS, body, metadata.namespace)
        self._made[metadata.uid] = name
        if replicas:
            self._scaled(deployment, name, 0, replicas)
        self._queue.add(key(deployment))

    async def _revise(self, deployment: Deployment, new: ReplicaSet, old: list[ReplicaSet]) -> None:
        """The newest template has the highest revision: after a rollback, an old ReplicaSet's."""
        wanted = _newest(old) + 1
        revision = _revision(new)
        if revision < wanted:
            revision = wanted
            body = {"metadata": {"annotations": {REVISION: str(wanted)}}}
            await self._context.client.patch(SETS, new.metadata.name, new.metadata.namespace, body, type=ReplicaSet)
        if deployment.metadata.annotations.get(REVISION) != str(revision):
            body = {"metadata": {"annotations": {REVISION: str(revision)}}}
            metadata = deployment.metadata
            await self._context.client.patch(DEPLOYMENTS, metadata.name, metadata.namespace, body, type=Deployment)

    # Growing and shrinking.

    async def _roll(self, deployment: Deployment, new: ReplicaSet, old: list[ReplicaSet]) -> None:
        active = [each for each in (new, *old) if each.spec.replicas > 0]
        if self._was_scaled(deployment, active) or deployment.spec.paused:
            if len(active) <= 1:
                target = active[0] if active else new
                await self._scale(deployment, target, deployment.spec.replicas)
            else:
                for name, size in rollout.proportions(deployment, active).items():
                    await self._scale(deployment, next(e for e in active if e.metadata.name == name), size)
            return
        if deployment.spec.strategy.type == "Recreate":
            for each in old:
                await self._scale(deployment, each, 0)
            if any(each.status.replicas for each in old):
                return
            await self._scale(deployment, new, deployment.spec.replicas)
            return
        await self._scale(deployment, new, rollout.new_replicas(deployment, new, (new, *old)))
        shrinking = [each for each in old if each.spec.replicas > 0]
        for name, size in rollout.scale_down(deployment, new, shrinking).items():
            await self._scale(deployment, next(e for e in shrinking if e.metadata.name == name), size)

    def _was_scaled(self, deployment: Deployment, active: list[ReplicaSet]) -> bool:
        wanted = str(deployment.spec.replicas)
        return any(each.metadata.annotations.get(DESIRED) not in (None, wanted) for each in active)

    def _sizes(self, deployment: Deployment) -> dict[str, str]:
        surge, _ = rollout.bounds(deployment)
        return {DESIRED: str(deployment.spec.replicas), MOST: str(deployment.spec.replicas + surge)}

    async def _scale(self, deployment: Deployment, target: ReplicaSet, size: int) -> None:
        sizes = self._sizes(deployment)
        same = all(target.metadata.annotations.get(name) == value for name, value in sizes.items())
        if target.spec.replicas == size and same:
            return
        metadata = target.metadata
        body = {
            "metadata": {"annotations": sizes, "resourceVersion": metadata.resource_version},
            "spec": {"replicas": size},
        }
        before = target.spec.replicas
        changed = await self._context.client.patch(SETS, metadata.name, metadata.namespace, body, type=ReplicaSet)
        target.spec, target.metadata = changed.spec, changed.metadata
        if size != before:
            self._scaled(deployment, metadata.name, before, size)

    def _scaled(self, deployment: Deployment, name: str, before: int, after: int) -> None:
        way = "up" if after > before else "down"
        text = f"Scaled {way} replica set {name} from {before} to {after}"
        involved = reference(deployment, "Deployment", "apps/v1")
        self._context.recorder.event(involved, "Normal", "ScalingReplicaSet", text)

    async def _clean_up(self, deployment: Deployment, old: list[ReplicaSet]) -> None:
        limit = deployment.spec.revision_history_limit
        if limit is None:
            return
        finished = [
            each
            for each in old
            if not each.spec.replicas and not each.status.replicas and not each.metadata.deletion_timestamp
        ]
        excess = len(finished) - limit
        for each in sorted(finished, key=_revision)[: max(0, excess)]:
            await self._context.client.delete(SETS, each.metadata.name, each.metadata.namespace)

    async def _report(self, deployment: Deployment, new: ReplicaSet | None, every: list[ReplicaSet]) -> None:
        now = time.time()
        status = rollout.status_of(deployment, new, every, now)
        told = condition(status.conditions, "Progressing")
        deadline = deployment.spec.progress_deadline_seconds
        if told and told.last_update_time and deadline and not rollout.is_complete(deployment, status):
            self._queue.add_after(key(deployment), max(1.0, api_time.parse(told.last_update_time) + deadline - now + 1))
        if msgspec.to_builtins(status) != msgspec.to_builtins(deployment.status):
            metadata = deployment.metadata
            body = {"status": _complete(msgspec.to_builtins(status), msgspec.to_builtins(deployment.status))}
            await self._context.client.patch(
                DEPLOYMENTS, metadata.name, metadata.namespace, body, subresource="status", type=Deployment
            )


def _complete(status: Json, told: Json) -> Json:
    """As a merge patch: what is no longer there is null."""
    return {**dict.fromkeys(told.keys() - status.keys()), **status}


def _owner(deployment: Deployment) -> Json:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "name": deployment.metadata.name,
        "uid": deployment.metadata.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def _revision(each: ReplicaSet) -> int:
    text = each.metadata.annotations.get(REVISION, "0")
    return int(text) if text.isdigit() else 0


def _newest(sets: list[ReplicaSet]) -> int:
    return max((_revision(each) for each in sets), default=0)
