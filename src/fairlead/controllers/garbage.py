"""What loses its last owner goes, and owners that wait for their dependents get them out of the way.

Source: pkg/controller/garbagecollector. The graph is the informers' caches with one index more.
"""

import asyncio
from collections.abc import Iterable
from typing import Any

import msgspec

from fairlead.api.resources import BY_KIND, STORED, WATCH
from fairlead.api.status import ApiError
from fairlead.api.types.meta import Object, OwnerReference
from fairlead.client.informer import Informer, key_of
from fairlead.client.workqueue import WorkQueue, run
from fairlead.controllers.context import Context

FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"
UNOWNED = frozenset({"events"})  # too many, and never owned
WATCHED = tuple(r for r in STORED if WATCH in r.verbs and r.qualified not in UNOWNED)


def judge(owners: Iterable[OwnerReference], exists: dict[str, bool]) -> bool:
    """Whether an object is garbage: it has owners, and none of them exists (by uid)."""
    uids = [owner.uid for owner in owners]
    return bool(uids) and not any(exists[uid] for uid in uids)


class GarbageCollector:
    """Work is keyed `resource|namespace/name`."""

    def __init__(self, context: Context) -> None:
        self._client = context.client
        self._queue = WorkQueue()
        self._graph: dict[str, Informer[Object]] = {
            resource.qualified: Informer(context.client, resource.qualified, Object) for resource in WATCHED
        }
        self._by_uid: dict[str, tuple[str, str]] = {}
        for name, informer in self._graph.items():
            informer.add_index("owner", lambda obj: [owner.uid for owner in obj.metadata.owner_references])
            self._follow(name, informer)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for informer in self._graph.values():
                tasks.create_task(informer.run())
            for informer in self._graph.values():
                await informer.synced()
            tasks.create_task(run(self._queue, 8, self._reconcile, "garbage collector"))

    def _follow(self, name: str, informer: Informer[Object]) -> None:
        def changed(key: str, old: Object | None, new: Object | None) -> None:
            kept = {owner.uid for owner in new.metadata.owner_references} if new is not None else set()
            for owner in old.metadata.owner_references if old is not None else ():
                if owner.uid not in kept and (place := self._by_uid.get(owner.uid)) is not None:
                    self._queue.add("|".join(place))  # it may have waited for this one only
            if new is not None:
                self._by_uid[new.metadata.uid] = (name, key)
                if new.metadata.owner_references or {FOREGROUND, ORPHAN} & set(new.metadata.finalizers):
                    self._queue.add(f"{name}|{key}")
            if old is not None and (new is None or new.metadata.uid != old.metadata.uid):
                self._by_uid.pop(old.metadata.uid, None)
                for resource, dependent in self._dependents(old.metadata.uid):
                    self._queue.add(f"{resource}|{key_of(dependent)}")

        informer.add_handler(changed)

    def _dependents(self, uid: str) -> list[tuple[str, Object]]:
        return [(name, obj) for name, informer in self._graph.items() for obj in informer.by_index("owner", uid)]

    async def _reconcile(self, work: str) -> None:
        name, _, key = work.partition("|")
        obj = self._graph[name].get(key)
        if obj is None:
            return
        finalizers = set(obj.metadata.finalizers)
        if obj.metadata.deletion_timestamp:
            if ORPHAN in finalizers:
                await self._orphan(name, obj)
            elif FOREGROUND in finalizers:
                await self._foreground(name, obj)
            return
        owners = obj.metadata.owner_references
        exists = {owner.uid: await self._exists(owner, obj.metadata.namespace) for owner in owners}
        if judge(owners, exists):
            await self._delete(name, obj, "Background")

    async def _exists(self, owner: OwnerReference, namespace: str) -> bool:
        """The cache may be behind: only the API's own answer condemns."""
        if owner.uid in self._by_uid:
            return True
        resource = BY_KIND.get((owner.api_version, owner.kind))
        if resource is None:
            return True  # a kind that is not served here: not ours to judge
        try:
            found = await self._client.get(
                resource.qualified, owner.name, namespace if resource.namespaced else None, type=Object
            )
        except ApiError as error:
            if error.is_not_found:
                return False
            raise
        return found.metadata.uid == owner.uid

    async def _foreground(self, name: str, obj: Object) -> None:
        """Dependents first; those that block are waited for."""
        blocking = False
        for resource, dependent in self._dependents(obj.metadata.uid):
            owner = next(o for o in dependent.metadata.owner_references if o.uid == obj.metadata.uid)
            blocking = blocking or bool(owner.block_owner_deletion)
            if not dependent.metadata.deletion_timestamp:
                await self._delete(resource, dependent, "Foreground")
        if not blocking:
            await self._drop_finalizer(name, obj, FOREGROUND)

    async def _orphan(self, name: str, obj: Object) -> None:
        for resource, dependent in self._dependents(obj.metadata.uid):
            left: list[Any] = [
                msgspec.to_builtins(o) for o in dependent.metadata.owner_references if o.uid != obj.metadata.uid
            ]
            await self._patch(resource, dependent, {"uid": dependent.metadata.uid, "ownerReferences": left or None})
        await self._drop_finalizer(name, obj, ORPHAN)

    async def _drop_finalizer(self, name: str, obj: Object, finalizer: str) -> None:
        left = [each for each in obj.metadata.finalizers if each != finalizer]
        body = {"resourceVersion": obj.metadata.resource_version, "finalizers": left or None}
        await self._patch(name, obj, body)

    async def _patch(self, name: str, obj: Object, metadata: dict[str, Any]) -> None:
        namespace = obj.metadata.namespace or None
        try:
            await self._client.patch(name, obj.metadata.name, namespace, {"metadata": metadata}, type=Object)
        except ApiError as error:
            if not error.is_not_found:
                raise

    async def _delete(self, name: str, obj: Object, propagation: str) -> None:
        metadata = obj.metadata
        try:
            await self._client.delete(
                name, metadata.name, metadata.namespace or None, uid=metadata.uid, propagation=propagation
            )
        except ApiError as error:
            if not error.is_not_found:
                raise
