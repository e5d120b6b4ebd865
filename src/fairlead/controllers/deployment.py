"""Deployments: rolling from one template to the next, through ReplicaSets (pkg/controller/deployment)."""

import time
from typing import Any

import msgspec

from fairlead.api.selectors import of_label_selector
from fairlead.api.status import ApiError
from fairlead.api.types.apps import Deployment, DeploymentStatus, ReplicaSet
from fairlead.api.types.core import Pod
from fairlead.client.events import reference
from fairlead.client.workqueue import WorkQueue, run
from fairlead.controllers import deployment_status, owning, revision, rollout
from fairlead.controllers.ahead import Ahead
from fairlead.controllers.context import Context
from fairlead.controllers.pods import controller_of, key, owner_uid
from fairlead.controllers.replicas import is_namespace_going

Json = dict[str, Any]

SETS, DEPLOYMENTS = "replicasets.apps", "deployments.apps"


class DeploymentController:
    def __init__(self, context: Context) -> None:
        self._client = context.client
        self._recorder = context.recorder("deployment-controller")
        self._queue = WorkQueue()
        self._deployments, self._sets, self._pods = context.deployments, context.replica_sets, context.pods
        self._pods.add_index("owner", owner_uid)
        self._sets.add_index("owner", owner_uid)
        self._sets.add_index("orphan", lambda each: [] if owner_uid(each) else [each.metadata.namespace])
        self._deployments.add_index("namespace", lambda each: [each.metadata.namespace])
        self._ahead = Ahead(self._sets)
        self._known = Ahead(self._deployments)  # progress is measured against the status that was told last
        self._deployments.add_handler(lambda name, _old, _new: self._queue.add(name))
        self._sets.add_handler(self._on_set)
        self._pods.add_handler(self._on_pod)

    async def run(self) -> None:
        await run(self._queue, 5, self._reconcile, "deployment")

    def _on_set(self, _: str, old: ReplicaSet | None, new: ReplicaSet | None) -> None:
        for each in (old, new):
            if each is None:
                continue
            owner = controller_of(each.metadata)
            if owner is not None:
                if owner.kind == "Deployment":
                    self._queue.add(f"{each.metadata.namespace}/{owner.name}")
            elif each is new:
                for deployment in self._deployments.by_index("namespace", each.metadata.namespace):
                    if of_label_selector(deployment.spec.selector).matches(each.metadata.labels):
                        self._queue.add(key(deployment))

    def _on_pod(self, _: str, old: Pod | None, new: Pod | None) -> None:
        """The last old pod to go lets a Recreate go on."""
        owner = controller_of(old.metadata) if old is not None and new is None else None
        if old is not None and owner is not None and owner.kind == "ReplicaSet":
            found = self._sets.get(f"{old.metadata.namespace}/{owner.name}")
            above = controller_of(found.metadata) if found is not None else None
            if above is not None:
                self._queue.add(f"{old.metadata.namespace}/{above.name}")

    async def _reconcile(self, name: str) -> None:
        deployment = self._known.get(name)
        if deployment is None:
            return
        new, old = revision.split(deployment, await self._claimed(deployment))
        known = new
        if deployment.metadata.deletion_timestamp is None:
            if new is not None:
                new = await self._amend(deployment, new, old)
            if deployment.spec.paused or rollout.was_scaled(deployment, [*old, *([new] if new else [])]):
                new, old = await self._scale(deployment, new, old, rollout.resize(deployment, new, old))
            elif deployment.spec.strategy.type == "Recreate":
                new, old = await self._recreate(deployment, new, old)
            else:
                new, old = await self._roll(deployment, new, old)
        await self._report(deployment, new, old, created=known is None and new is not None)

    async def _claimed(self, deployment: Deployment) -> list[ReplicaSet]:
        uid, namespace = deployment.metadata.uid, deployment.metadata.namespace

        def owned() -> list[ReplicaSet]:
            return self._ahead.over(self._sets.by_index("owner", uid), lambda each: owner_uid(each) == [uid])

        orphans = self._ahead.over(self._sets.by_index("orphan", namespace), lambda each: not owner_uid(each))
        claims = owning.plan(deployment, of_label_selector(deployment.spec.selector), orphans, owned())
        await owning.apply(
            claims, deployment, "Deployment", client=self._client, resource=SETS, type_=ReplicaSet, ahead=self._ahead
        )
        return owned()

    # Strategies.

    async def _roll(
        self, deployment: Deployment, new: ReplicaSet | None, old: list[ReplicaSet]
    ) -> tuple[ReplicaSet | None, list[ReplicaSet]]:
        new = new or await self._create(deployment, old)
        if new is None:
            return None, old
        new, old = await self._scale(deployment, new, old, rollout.grow(deployment, new, old))
        assert new is not None
        return await self._scale(deployment, new, old, rollout.shrink(deployment, new, old))

    async def _recreate(
        self, deployment: Deployment, new: ReplicaSet | None, old: list[ReplicaSet]
    ) -> tuple[ReplicaSet | None, list[ReplicaSet]]:
        """Nothing new starts before the last old pod has gone, not only been told to."""
        active = {each.metadata.name: 0 for each in old if each.spec.replicas > 0}
        if active:
            return await self._scale(deployment, new, old, active)
        pods = (pod for each in old for pod in self._pods.by_index("owner", each.metadata.uid))
        if any(each.status.replicas for each in old) or not all(pod.is_terminated for pod in pods):
            return new, old
        new = new or await self._create(deployment, old)
        if new is None:
            return None, old
        return await self._scale(deployment, new, old, rollout.grow(deployment, new, old))

    # What is written.

    async def _create(self, deployment: Deployment, old: list[ReplicaSet]) -> ReplicaSet | None:
        """None: the name is taken by another template; the next attempt has another name."""
        replicas = rollout.first_size(deployment, old)
        body = revision.new_set(deployment, old, replicas, rollout.annotations(deployment))
        name, namespace = body["metadata"]["name"], deployment.metadata.namespace
        try:
            made = msgspec.convert(await self._client.create(SETS, body, namespace), ReplicaSet)
        except ApiError as error:
            if error.is_already_exists:
                return await self._collided(deployment, name)
            if not is_namespace_going(error):
                condition = deployment_status.could_not_create(deployment, name, str(error), time.time())
                self._event(deployment, "Warning", condition.reason, condition.message)
                others = [each for each in deployment.status.conditions if each.type != condition.type]
                await self._patch_status(deployment, {"conditions": msgspec.to_builtins([*others, condition])})
            raise
        self._ahead.write(made)
        if replicas:
            self._event(deployment, "Normal", "ScalingReplicaSet", f"Scaled up replica set {name} from 0 to {replicas}")
        await self._tell_revision(deployment, made)
        return made

    async def _collided(self, deployment: Deployment, name: str) -> ReplicaSet | None:
        found = await self._client.get(SETS, name, deployment.metadata.namespace, type=ReplicaSet)
        ours = owner_uid(found) == [deployment.metadata.uid]
        if ours and revision.same_template(found.spec.template, deployment.spec.template):
            self._ahead.write(found)
            return found
        await self._patch_status(deployment, {"collisionCount": (deployment.status.collision_count or 0) + 1})
        return None

    async def _amend(self, deployment: Deployment, new: ReplicaSet, old: list[ReplicaSet]) -> ReplicaSet:
        """The present template has the highest revision, the Deployment's annotations and its minReadySeconds."""
        if body := revision.amend(deployment, new, old):
            metadata = new.metadata
            new = await self._client.patch(SETS, metadata.name, metadata.namespace, body, type=ReplicaSet)
            self._ahead.write(new)
        await self._tell_revision(deployment, new)
        return new

    async def _tell_revision(self, deployment: Deployment, new: ReplicaSet) -> None:
        wanted, metadata = str(revision.number(new)), deployment.metadata
        if metadata.annotations.get(revision.REVISION) != wanted:
            body = {"metadata": {"annotations": {revision.REVISION: wanted}}}
            patched = await self._client.patch(DEPLOYMENTS, metadata.name, metadata.namespace, body, type=Deployment)
            self._known.write(patched)

    async def _scale(
        self, deployment: Deployment, new: ReplicaSet | None, old: list[ReplicaSet], sizes: rollout.Sizes
    ) -> tuple[ReplicaSet | None, list[ReplicaSet]]:
        """New and old as they are afterwards."""
        after = [
            await self._resize(deployment, each, sizes[each.metadata.name]) if each.metadata.name in sizes else each
            for each in old
        ]
        if new is not None and new.metadata.name in sizes:
            new = await self._resize(deployment, new, sizes[new.metadata.name])
        return new, after

    async def _resize(self, deployment: Deployment, target: ReplicaSet, size: int) -> ReplicaSet:
        metadata, before, notes = target.metadata, target.spec.replicas, rollout.annotations(deployment)
        if before == size and notes.items() <= metadata.annotations.items():
            return target
        body = {
            "metadata": {"annotations": notes, "resourceVersion": metadata.resource_version},
            "spec": {"replicas": size},
        }
        changed = await self._client.patch(SETS, metadata.name, metadata.namespace, body, type=ReplicaSet)
        self._ahead.write(changed)
        if size != before:
            way = "up" if size > before else "down"
            text = f"Scaled {way} replica set {metadata.name} from {before} to {size}"
            self._event(deployment, "Normal", "ScalingReplicaSet", text)
        return changed

    async def _report(
        self, deployment: Deployment, new: ReplicaSet | None, old: list[ReplicaSet], *, created: bool
    ) -> None:
        now = time.time()
        status = deployment_status.status_of(deployment, new, old, created=created, now=now)
        complete = deployment_status.is_complete(deployment, status)
        if deployment.metadata.deletion_timestamp is None and (complete or deployment.spec.paused):
            for each in revision.outlived(deployment, old):
                await self._delete(each)
        if (wait := deployment_status.next_look(deployment, status, now)) is not None:
            self._queue.add_after(key(deployment), wait)
        if status != deployment.status:
            await self._patch_status(deployment, _difference(status, deployment.status))

    async def _delete(self, each: ReplicaSet) -> None:
        try:
            await self._client.delete(SETS, each.metadata.name, each.metadata.namespace, uid=each.metadata.uid)
        except ApiError as error:
            if not error.is_not_found:
                raise
        self._ahead.delete(each)

    async def _patch_status(self, deployment: Deployment, status: Json) -> None:
        metadata, body = deployment.metadata, {"status": status}
        patched = await self._client.patch(
            DEPLOYMENTS, metadata.name, metadata.namespace, body, subresource="status", type=Deployment
        )
        self._known.write(patched)

    def _event(self, deployment: Deployment, type_: str, reason: str, text: str) -> None:
        self._recorder.event(reference(deployment, "Deployment", "apps/v1"), type_, reason, text)


def _difference(status: DeploymentStatus, told: DeploymentStatus) -> Json:
    """As a merge patch: what is no longer there is null."""
    now, before = msgspec.to_builtins(status), msgspec.to_builtins(told)
    return {**dict.fromkeys(before.keys() - now.keys()), **now}
