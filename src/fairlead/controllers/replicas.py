"""Pods made and unmade by a controller of replicas: what is under way counts, so that nothing is made twice.

Shared by ReplicaSets and DaemonSets. The cache shows a new pod a moment after its creation; until then the creation
itself is remembered (client-go's "expectations").
"""

import asyncio
from collections.abc import Iterable
from typing import Any

from fairlead.api.status import ApiError
from fairlead.api.types.core import Pod
from fairlead.client.events import reference
from fairlead.client.informer import Informer
from fairlead.controllers.context import Context
from fairlead.controllers.pods import controller_of

Json = dict[str, Any]


class Replicas:
    def __init__(self, context: Context, kind: str, api_version: str) -> None:
        self._context = context
        self._kind = kind
        self._api_version = api_version
        self._created: dict[str, set[str]] = {}  # owner's uid → names of pods that the cache does not show yet
        self._deleted: dict[str, set[str]] = {}
        context.pods.add_index("owner", owner_uid)

    def of(self, uid: str) -> list[Pod]:
        """The owner's pods in the cache, those already told to go left out."""
        gone = self._deleted.get(uid, set())
        return [pod for pod in self._pods.by_index("owner", uid) if pod.metadata.uid not in gone]

    @property
    def _pods(self) -> Informer[Pod]:
        return self._context.pods

    def settled(self, owner: Any) -> bool:
        """Whether the cache shows all that was made and unmade for this owner."""
        uid, namespace = owner.metadata.uid, owner.metadata.namespace
        created = {name for name in self._created.get(uid, ()) if self._pods.get(f"{namespace}/{name}") is None}
        present = {pod.metadata.uid for pod in self._pods.by_index("owner", uid) if not pod.metadata.deletion_timestamp}
        deleted = {each for each in self._deleted.get(uid, ()) if each in present}
        for book, left in ((self._created, created), (self._deleted, deleted)):
            if left:
                book[uid] = left
            else:
                book.pop(uid, None)
        return not created and not deleted

    def forget(self, uid: str) -> None:
        self._created.pop(uid, None)
        self._deleted.pop(uid, None)

    async def create(self, owner: Any, pods: list[Json]) -> None:
        """Slowly first, then faster, so that what fails fails once, not a thousand times. Raises ApiError."""
        batch = 1
        rest = list(pods)
        while rest:
            outcomes = await asyncio.gather(*(self._create(owner, pod) for pod in rest[:batch]), return_exceptions=True)
            for outcome in outcomes:
                if isinstance(outcome, BaseException):
                    raise outcome
            rest = rest[batch:]
            batch *= 2

    async def _create(self, owner: Any, pod: Json) -> None:
        namespace = owner.metadata.namespace
        involved = reference(owner, self._kind, self._api_version)
        try:
            made = await self._context.client.create("pods", pod, namespace)
        except ApiError as error:
            name = pod["metadata"].get("name") or f"pods {pod['metadata'].get('generateName', '')!r} "
            self._context.recorder.event(involved, "Warning", "FailedCreate", f"Error creating: {error}")
            raise ApiError(error.code, error.reason, f"{name}: {error.message}") from error
        self._created.setdefault(owner.metadata.uid, set()).add(made["metadata"]["name"])
        message = f"Created pod: {made['metadata']['name']}"
        self._context.recorder.event(involved, "Normal", "SuccessfulCreate", message)

    async def delete(self, owner: Any, pods: Iterable[Pod]) -> None:
        involved = reference(owner, self._kind, self._api_version)
        for pod in pods:
            try:
                await self._context.client.delete(
                    "pods", pod.metadata.name, pod.metadata.namespace, uid=pod.metadata.uid
                )
            except ApiError as error:
                if not error.is_not_found:
                    self._context.recorder.event(involved, "Warning", "FailedDelete", f"Error deleting: {error}")
                    raise
            else:
                self._deleted.setdefault(owner.metadata.uid, set()).add(pod.metadata.uid)
                message = f"Deleted pod: {pod.metadata.name}"
                self._context.recorder.event(involved, "Normal", "SuccessfulDelete", message)


def owner_uid(pod: Pod) -> list[str]:
    owner = controller_of(pod.metadata)
    return [] if owner is None else [owner.uid]


def from_template(owner: Any, kind: str, template: Json, **labels: str) -> Json:
    """A pod for an owner, from its template."""
    metadata = template.get("metadata") or {}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": f"{owner.metadata.name}-",
            "namespace": owner.metadata.namespace,
            "labels": {**(metadata.get("labels") or {}), **labels},
            "annotations": dict(metadata.get("annotations") or {}),
            "finalizers": list(metadata.get("finalizers") or ()),
            "ownerReferences": [
                {
                    "apiVersion": "apps/v1",
                    "kind": kind,
                    "name": owner.metadata.name,
                    "uid": owner.metadata.uid,
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "spec": template.get("spec") or {},
    }
