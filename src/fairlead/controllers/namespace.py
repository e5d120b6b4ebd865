"""Namespaces that are deleted: all that is in them goes, then they (pkg/controller/namespace/deletion)."""

import time
from typing import Any

from fairlead.api import time as api_time
from fairlead.api.resources import DELETE_COLLECTION, STORED
from fairlead.api.types.core import Namespace
from fairlead.api.types.meta import Object
from fairlead.client.workqueue import WorkQueue, run
from fairlead.controllers.context import Context
from fairlead.controllers.endpoints import ignore_missing

Json = dict[str, Any]

CONTENT = tuple(r.qualified for r in STORED if r.namespaced and DELETE_COLLECTION in r.verbs)
FIRST_WAIT, LONGEST_WAIT = 0.02, 15.0  # seconds between looks at what is still going; a pod's end is told at once


class NamespaceController:
    def __init__(self, context: Context) -> None:
        self._client = context.client
        self._queue = WorkQueue()
        self._waits: dict[str, float] = {}
        self._namespaces = context.namespaces
        self._namespaces.add_handler(self._on_namespace)
        # The last pod to go lets its namespace go.
        context.pods.add_handler(
            lambda _key, old, new: self._on_pod(old.metadata.namespace) if old and not new else None
        )

    async def run(self) -> None:
        await run(self._queue, 5, self._reconcile, "namespace")

    def _on_namespace(self, key: str, _: Namespace | None, new: Namespace | None) -> None:
        if new is None:
            self._waits.pop(key, None)
        if new is not None and new.metadata.deletion_timestamp:
            self._queue.add(key)

    def _on_pod(self, namespace: str) -> None:
        found = self._namespaces.get(namespace)
        if found is not None and found.metadata.deletion_timestamp:
            self._queue.add(namespace)

    async def _reconcile(self, key: str) -> None:
        namespace = self._namespaces.get(key)
        if namespace is None or not namespace.metadata.deletion_timestamp:
            return
        left: dict[str, int] = {}
        held: dict[str, int] = {}
        for resource in CONTENT:
            listed = await self._client.list(resource, type=Object, namespace=key)
            if not listed.items:
                continue
            # A pod's grace is its own; asking again would change nothing.
            if any(not obj.metadata.deletion_timestamp for obj in listed.items):
                await self._client.delete_collection(resource, key)
                listed = await self._client.list(resource, type=Object, namespace=key)
            if listed.items:
                left[resource] = len(listed.items)
                for obj in listed.items:
                    for finalizer in obj.metadata.finalizers:
                        held[finalizer] = held.get(finalizer, 0) + 1
        if left:
            await self._tell(key, left, held)
            wait = self._waits[key] = min(self._waits.get(key, FIRST_WAIT / 2) * 2, LONGEST_WAIT)
            self._queue.add_after(key, wait)
            return
        finalizers = [each for each in namespace.spec.finalizers if each != "kubernetes"]
        body: Json = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": key}}
        body["spec"] = {"finalizers": finalizers}
        await ignore_missing(self._client.update("namespaces", body, subresource="finalize"))

    async def _tell(self, key: str, left: dict[str, int], held: dict[str, int]) -> None:
        now = api_time.render(time.time())
        texts = _conditions(left, held)
        namespace = self._namespaces.get(key)
        told = {c.type: (c.status, c.reason, c.message) for c in namespace.status.conditions} if namespace else {}
        if told == {type_: (status, reason, text) for type_, status, reason, text in texts}:
            return
        conditions = [
            {"type": type_, "status": status, "reason": reason, "message": text, "lastTransitionTime": now}
            for type_, status, reason, text in texts
        ]
        body = {"status": {"conditions": conditions}}
        await self._client.patch("namespaces", key, None, body, subresource="status", type=Namespace)


def _conditions(left: dict[str, int], held: dict[str, int]) -> list[tuple[str, str, str, str]]:
    """(type, status, reason, message), in Kubernetes' words."""
    remaining = ", ".join(f"{name} has {count} resource instances" for name, count in sorted(left.items()))
    finalizers = ", ".join(f"{name} in {count} resource instances" for name, count in sorted(held.items()))
    found = [
        (
            "NamespaceDeletionDiscoveryFailure",
            "False",
            "ResourcesDiscovered",
            "All resources successfully discovered",
        ),
        (
            "NamespaceDeletionGroupVersionParsingFailure",
            "False",
            "ParsedGroupVersions",
            "All legacy kube types successfully parsed",
        ),
        (
            "NamespaceDeletionContentFailure",
            "False",
            "ContentDeleted",
            "All content successfully deleted, may be waiting on finalization",
        ),
        (
            "NamespaceContentRemaining",
            "True",
            "SomeResourcesRemain",
            f"Some resources are remaining: {remaining}",
        ),
    ]
    if held:
        text = f"Some content in the namespace has finalizers remaining: {finalizers}"
        return [*found, ("NamespaceFinalizersRemaining", "True", "SomeFinalizersRemain", text)]
    text = "All content-preserving finalizers finished"
    return [*found, ("NamespaceFinalizersRemaining", "False", "ContentHasNoFinalizers", text)]
