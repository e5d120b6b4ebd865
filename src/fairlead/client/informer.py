"""A cache of one resource, kept by list and watch: what every part reads instead of asking the API."""

import asyncio
import logging
import random
import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar, cast

from fairlead.api.status import ApiError
from fairlead.client.rest import Client, Decode

T = TypeVar("T")
Handler = Callable[[str, T | None, T | None], None]  # key, before, after
Indexer = Callable[[T], list[str]]

log = logging.getLogger(__name__)

FIRST_WAIT, LONGEST_WAIT = 0.02, 2.0  # seconds between attempts to reach the server


class Informer(Generic[T]):
    """`items` by key: "namespace/name", or "name" of what has no namespace. Handlers are called in order."""

    def __init__(
        self,
        client: Client,
        resource: str,
        type: type[T],
        *,
        namespace: str | None = None,
        label_selector: str = "",
        field_selector: str = "",
        decode: Decode[T] | None = None,
    ) -> None:
        """`decode`: makes what is kept of an object's JSON, for who needs less than the object."""
        self.resource = resource
        self.items: dict[str, T] = {}
        self.lost_since: float | None = time.monotonic()  # None while the server is heard
        self._decode = decode
        self._client = client
        self._type = type
        self._namespace = namespace
        self._label_selector = label_selector
        self._field_selector = field_selector
        self._handlers: list[Handler[T]] = []
        self._indexers: dict[str, Indexer[T]] = {}
        self._indexes: dict[str, dict[str, set[str]]] = {}
        self._listed = asyncio.Event()

    def get(self, key: str) -> T | None:
        return self.items.get(key)

    def add_handler(self, handler: Handler[T]) -> None:
        """Told of every change; one added late is told of all that is there as added."""
        self._handlers.append(handler)
        for key, obj in self.items.items():
            handler(key, None, obj)

    def add_index(self, name: str, indexer: Indexer[T]) -> None:
        self._indexers[name] = indexer
        index: dict[str, set[str]] = {}
        self._indexes[name] = index
        for key, obj in self.items.items():
            for value in indexer(obj):
                index.setdefault(value, set()).add(key)

    def by_index(self, name: str, value: str) -> list[T]:
        return [self.items[key] for key in self._indexes[name].get(value, ())]

    async def synced(self) -> None:
        """Returns once the first list is in the cache."""
        await self._listed.wait()

    async def run(self) -> None:
        """Lists, then watches, for ever; a lost connection or an expired revision starts over."""
        wait = FIRST_WAIT
        while True:
            try:
                revision = await self._list()
                wait = FIRST_WAIT
                self.lost_since = None
                await self._watch(revision)
            except ApiError as error:
                if error.code != 410:
                    log.warning("cannot watch %s: %s", self.resource, error)
            except (OSError, EOFError) as error:
                log.info("watch of %s broke: %s", self.resource, error)
            if self.lost_since is None:
                self.lost_since = time.monotonic()
            await asyncio.sleep(wait * random.uniform(0.5, 1))
            wait = min(wait * 2, LONGEST_WAIT)

    async def _list(self) -> str:
        listed = await self._client.list(
            self.resource,
            type=self._type,
            namespace=self._namespace,
            label_selector=self._label_selector,
            field_selector=self._field_selector,
            decode=self._decode,
        )
        found = {key_of(obj): obj for obj in listed.items}
        for key in [key for key in self.items if key not in found]:
            self._set(key, None)
        for key, obj in found.items():
            known = self.items.get(key)
            if known is None or _revision(known) != _revision(obj):
                self._set(key, obj)
        self._listed.set()
        return listed.revision

    async def _watch(self, revision: str) -> None:
        """Goes on after a watch that just ended, as long as the server knows the revision."""
        while True:
            events = self._client.watch(
                self.resource,
                type=self._type,
                revision=revision,
                namespace=self._namespace,
                label_selector=self._label_selector,
                field_selector=self._field_selector,
                decode=self._decode,
            )
            async for event in events:
                revision = event.revision
                match event.type:
                    case "ADDED" | "MODIFIED":
                        self._set(key_of(event.object), event.object)
                    case "DELETED":
                        self._set(key_of(event.object), None)

    def _set(self, key: str, after: T | None) -> None:
        before = self.items.pop(key, None) if after is None else self.items.get(key)
        if before is None and after is None:
            return
        if after is not None:
            self.items[key] = after
        for name, indexer in self._indexers.items():
            self._reindex(self._indexes[name], key, indexer(before) if before else [], indexer(after) if after else [])
        for handler in self._handlers:
            try:
                handler(key, before, after)
            except Exception:  # one handler's fault must not blind the others
                log.exception("a handler of %s failed for %s", self.resource, key)

    @staticmethod
    def _reindex(index: dict[str, set[str]], key: str, before: list[str], after: list[str]) -> None:
        for value in before:
            if value not in after and (keys := index.get(value)):
                keys.discard(key)
                if not keys:
                    del index[value]
        for value in after:
            index.setdefault(value, set()).add(key)


def key_of(obj: object) -> str:
    metadata = cast(Any, obj)["metadata"] if isinstance(obj, dict) else cast(Any, obj).metadata
    if isinstance(metadata, dict):
        name, namespace = metadata["name"], metadata.get("namespace")
    else:
        name, namespace = metadata.name, metadata.namespace
    return f"{namespace}/{name}" if namespace else name


def _revision(obj: object) -> str:
    metadata = cast(Any, obj)["metadata"] if isinstance(obj, dict) else cast(Any, obj).metadata
    version: str = metadata["resourceVersion"] if isinstance(metadata, dict) else metadata.resource_version
    return version
