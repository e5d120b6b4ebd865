"""What loses its last owner goes, and owners that wait for their dependents get them out of the way.

Source: pkg/controller/garbagecollector. The graph is the informers' caches with one index more.
"""

import asyncio
from collections.abc import Iterable
from enum import Enum, auto
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


class Owner(Enum):
    """How an owner stands to what it owns."""

    SOLID = auto()
    WAITING = auto()  # goes when its dependents are gone
    GONE = auto()


def is_waiting(obj: Object) -> bool:
    return bool(obj.metadata.deletion_timestamp) and FOREGROUND in obj.metadata.finalizers


def judge(owners: Iterable[OwnerReference], stand: dict[str, Owner]) -> bool:
    """Whether an object is to go: it has owners, and none of them stays (by uid)."""
    uids = [owner.uid for owner in owners]
    return bool(uids) and not any(stand[uid] is Owner.SOLID for uid in uids)


def solid_only(owners: Iterable[OwnerReference], stand: dict[str, Owner]) -> list[OwnerReference]:
    return [owner for owner in owners if stand[owner.uid] is Owner.SOLID]


def blocking(obj: Object) -> set[str]:
    """The owners (uids) that wait for this one, where they wait."""
    return {owner.uid for owner in obj.metadata.owner_references if owner.block_owner_deletion}


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
            held = blocking(new) if new is not None else set()
            for uid in (blocking(old) if old is not None else set()) - held:
                if (place := self._by_uid.get(uid)) is not None:
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
        if is_waiting(obj):
            await self._foreground(name, obj)
        elif obj.metadata.deletion_timestamp:
            if ORPHAN in obj.metadata.finalizers:
                await self._orphan(name, obj)
        elif obj.metadata.owner_references:
            await self._consider(name, obj)

    async def _consider(self, name: str, obj: Object) -> None:
        """What becomes of an object by its owners: it stays, stays without some of them, or goes."""
        owners = obj.metadata.owner_references
        stand = {owner.uid: await self._stand(owner, obj.metadata.namespace) for owner in owners}
        if not judge(owners, stand):
            kept = solid_only(owners, stand)
            if len(kept) < len(owners):
                await self._patch_owners(name, obj, kept)
            return
        if Owner.WAITING in stand.values() and (dependents := self._dependents(obj.metadata.uid)):
            if any(is_waiting(dependent) for _, dependent in dependents):
                # Perhaps a circle, in which each waits for the next: this one lets go.
                free = [msgspec.structs.replace(owner, block_owner_deletion=False) for owner in owners]
                await self._patch_owners(name, obj, free)
            await self._delete(name, obj, "Foreground")
        elif ORPHAN in obj.metadata.finalizers:
            await self._delete(name, obj, "Orphan")
        else:
            await self._delete(name, obj, "Foreground" if FOREGROUND in obj.metadata.finalizers else "Background")

    async def _stand(self, owner: OwnerReference, namespace: str) -> Owner:
        """The cache may be behind: only the API's own answer condemns."""
        if (place := self._by_uid.get(owner.uid)) is not None:
            known = self._graph[place[0]].get(place[1])
            return Owner.WAITING if known is not None and is_waiting(known) else Owner.SOLID
        resource = BY_KIND.get((owner.api_version, owner.kind))
        if resource is None:
            return Owner.SOLID  # a kind that is not served here: not ours to judge
        try:
            found = await self._client.get(
                resource.qualified, owner.name, namespace if resource.namespaced else None, type=Object
            )
        except ApiError as error:
            if error.is_not_found:
                return Owner.GONE
            raise
        if found.metadata.uid != owner.uid:
            return Owner.GONE
        return Owner.WAITING if is_waiting(found) else Owner.SOLID

    async def _foreground(self, name: str, obj: Object) -> None:
        """Those that block are waited for, and looked at; the others are garbage once this one is gone."""
        waited = [
            (kind, each) for kind, each in self._dependents(obj.metadata.uid) if obj.metadata.uid in blocking(each)
        ]
        for resource, dependent in waited:
            if not is_waiting(dependent):
                self._queue.add(f"{resource}|{key_of(dependent)}")
        if not waited:
            await self._drop_finalizer(name, obj, FOREGROUND)

    async def _orphan(self, name: str, obj: Object) -> None:
        for resource, dependent in self._dependents(obj.metadata.uid):
            left = [owner for owner in dependent.metadata.owner_references if owner.uid != obj.metadata.uid]
            await self._patch_owners(resource, dependent, left)
        await self._drop_finalizer(name, obj, ORPHAN)

    async def _patch_owners(self, name: str, obj: Object, owners: list[OwnerReference]) -> None:
        left = msgspec.to_builtins(owners) or None
        await self._patch(name, obj, {"uid": obj.metadata.uid, "ownerReferences": left})

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
