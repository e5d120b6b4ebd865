"""Objects by resource, namespace and name, over the store and the watch cache: create, change, remove.

Changes of one object are made one after another; a change is a function of the object as it is, so a lost race is
simply played again.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable
from typing import Any

from fairlead.api import time as api_time
from fairlead.api.resources import Resource
from fairlead.api.status import already_exists, conflict, internal, not_found
from fairlead.apiserver.entry import Entry, encode
from fairlead.apiserver.watchcache import WatchCache
from fairlead.store.interface import Conflict, Store, StoreFault, Write

Json = dict[str, Any]

log = logging.getLogger(__name__)

SUFFIX_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"  # apimachinery's: no words by accident
COMPACT_SECONDS = 300.0
TRIES = 16


class Registry:
    def __init__(self, store: Store) -> None:
        self.cache = WatchCache()
        self._store = store
        self._busy: dict[str, asyncio.Future[None]] = {}

    async def open(self) -> None:
        self.cache.load(await self._store.open(self.cache.publish))

    async def close(self) -> None:
        await self._store.close()

    async def compact_regularly(self) -> None:
        """Every five minutes forgets what was superseded before the last five, as Kubernetes does with etcd."""
        floor = self.cache.revision
        while True:
            await asyncio.sleep(COMPACT_SECONDS)
            try:
                await self._store.compact(floor)
            except StoreFault as error:
                log.warning("compaction failed: %s", error)
            floor = self.cache.revision

    def find(self, resource: Resource, namespace: str | None, name: str) -> Entry | None:
        return self.cache.get(resource.prefix, key_of(resource, namespace, name))

    def get(self, resource: Resource, namespace: str | None, name: str) -> Entry:
        """Raises ApiError (NotFound)."""
        found = self.find(resource, namespace, name)
        if found is None:
            raise not_found(resource, name)
        return found

    async def create(self, resource: Resource, obj: Json) -> Entry:
        """Raises ApiError (AlreadyExists)."""
        metadata = obj["metadata"]
        key = key_of(resource, metadata.get("namespace"), metadata["name"])
        try:
            return await self._write(key, encode(obj), 0)
        except Conflict:
            raise already_exists(resource, metadata["name"]) from None

    async def change(
        self, resource: Resource, namespace: str | None, name: str, change: Callable[[Entry], Json | None]
    ) -> tuple[Entry, bool]:
        """Replaces an object by what `change` makes of it; None removes it. Returns it as it is now (or, removed, as
        it was last) and whether it is gone. What changes nothing is not written."""
        key = key_of(resource, namespace, name)
        for _ in range(TRIES):
            while (busy := self._busy.get(key)) is not None:
                await asyncio.wait((busy,))
            entry = self.get(resource, namespace, name)
            wanted = change(entry)
            value = None if wanted is None else encode(wanted)
            if value == entry.value:
                return entry, False
            try:
                written = await self._write(key, value, entry.revision)
            except Conflict as lost:  # somebody else shares the store
                await self.cache.reached(lost.current)
                continue
            return (written, False) if value is not None else (Entry(key, written.revision, entry.value), True)
        raise conflict(resource, name)

    async def _write(self, key: str, value: bytes | None, expected: int) -> Entry:
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if expected:
            self._busy[key] = mine
        try:
            revision = await self._store.write(Write(key, value, expected))
        except StoreFault as error:
            raise internal(str(error)) from error
        finally:
            if expected:
                del self._busy[key]
            mine.set_result(None)
        found = self.cache.find(key)
        return found if found is not None and found.revision == revision else Entry(key, revision, value or b"")


def key_of(resource: Resource, namespace: str | None, name: str) -> str:
    return f"{resource.prefix}{namespace}/{name}" if resource.namespaced else resource.prefix + name


def stamp(metadata: Json) -> None:
    """What the server alone says of a new object."""
    metadata["uid"] = new_uid()
    metadata["creationTimestamp"] = api_time.render(time.time())
    for field in ("deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "resourceVersion", "managedFields"):
        metadata.pop(field, None)


def new_uid() -> str:
    """A random UUID (RFC 9562, version 4). Unique, not secret: no system call for each."""
    digits = f"{random.getrandbits(128):032x}"
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


def generated_name(prefix: str) -> str:
    """`web-` → `web-x7k2p`, at most 63 characters, as names of hosts."""
    return prefix[:58] + "".join(random.choices(SUFFIX_ALPHABET, k=5))
