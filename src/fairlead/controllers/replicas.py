"""Pods made and unmade by a controller of replicas, with its events; shared by ReplicaSets, DaemonSets and Jobs."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from fairlead.api.status import ApiError
from fairlead.api.types.core import Pod
from fairlead.client.events import reference
from fairlead.controllers import owning
from fairlead.controllers.ahead import Ahead
from fairlead.controllers.context import Context
from fairlead.controllers.owning import api_version, owner_reference, selector_of
from fairlead.controllers.pods import is_active, owner_uid

Json = dict[str, Any]


class Replicas:
    """Make it before the controller's own handlers of pods."""

    def __init__(self, context: Context, kind: str, resource: str, component: str) -> None:
        self._client = context.client
        self._pods = context.pods
        self._recorder = context.recorder(component)
        self._kind = kind
        self._resource = resource
        self._pods.add_index("owner", owner_uid)
        self._pods.add_index("orphan", lambda pod: [] if owner_uid(pod) else [pod.metadata.namespace])
        self._ahead = Ahead(self._pods)

    def of(self, uid: str) -> list[Pod]:
        """The owner's pods, with those just made; those just told to go are shown as going."""
        return self._ahead.over(self._pods.by_index("owner", uid), lambda pod: owner_uid(pod) == [uid])

    async def claim(self, owner: Any) -> None:
        """Takes active pods that it selects and nobody controls; lets those go that it no longer selects."""
        namespace = owner.metadata.namespace
        orphans = self._ahead.over(self._pods.by_index("orphan", namespace), lambda pod: not owner_uid(pod))
        claims = owning.plan(owner, selector_of(owner), filter(is_active, orphans), self.of(owner.metadata.uid))
        if claims.adopt:
            # Only the API's own answer shows that the owner is still there and not going.
            fresh = await self._client.get(self._resource, owner.metadata.name, namespace, type=type(owner))
            if fresh.metadata.uid != owner.metadata.uid or fresh.metadata.deletion_timestamp:
                return
        await owning.apply(
            claims, owner, self._kind, client=self._client, resource="pods", type_=Pod, ahead=self._ahead
        )

    async def create(self, owner: Any, pods: Sequence[Json]) -> None:
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
        involved = reference(owner, self._kind, api_version(self._kind))
        try:
            made = msgspec.convert(await self._client.create("pods", pod, owner.metadata.namespace), Pod)
        except ApiError as error:
            if is_namespace_going(error):
                return  # nothing can be made there, and the owner will go with it
            self._recorder.event(involved, "Warning", "FailedCreate", f"Error creating: {error}")
            raise
        self._ahead.write(made)
        self._recorder.event(involved, "Normal", "SuccessfulCreate", f"Created pod: {made.metadata.name}")

    async def delete(self, owner: Any, pods: Iterable[Pod]) -> None:
        involved = reference(owner, self._kind, api_version(self._kind))
        for pod in pods:
            metadata = pod.metadata
            try:
                await self._client.delete("pods", metadata.name, metadata.namespace, uid=metadata.uid)
            except ApiError as error:
                if not error.is_not_found:
                    self._recorder.event(involved, "Warning", "FailedDelete", f"Error deleting: {error}")
                    raise
            self._ahead.delete(pod)
            self._recorder.event(involved, "Normal", "SuccessfulDelete", f"Deleted pod: {metadata.name}")


def is_namespace_going(error: ApiError) -> bool:
    causes = (error.details or {}).get("causes") or ()
    return any(cause.get("reason") == "NamespaceTerminating" for cause in causes)


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
            "ownerReferences": [owner_reference(owner, kind)],
        },
        "spec": template.get("spec") or {},
    }
