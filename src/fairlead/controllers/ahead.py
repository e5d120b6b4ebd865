"""The cache as it will be: what we wrote counts at once, until the watch brings it.

This stands for client-go's "expectations" and the slices' staleness tracker: a plan that sees its own last writes
makes nothing twice and meets no conflict of its own making. It trusts that a resource's events come in the order of
their revisions, which a watch gives: an event that is newer than a write proves that the write was delivered too.
"""

from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

import msgspec

from fairlead.api.types.meta import Object
from fairlead.client.informer import Informer, key_of

T = TypeVar("T", bound=Object)


class Ahead(Generic[T]):
    """Make it before the controller's own handlers, which then read through it."""

    def __init__(self, informer: Informer[T]) -> None:
        self._informer = informer
        self._latest = 0  # the newest revision that the watch has brought
        self._written: dict[str, T] = {}
        self._gone: dict[str, str] = {}  # key → uid of what we deleted and the cache still shows
        informer.add_handler(self._seen)

    def write(self, obj: T) -> None:
        """The server's answer to a create, an update or a patch."""
        if _revision(obj) > self._latest:
            self._written[key_of(obj)] = obj

    def delete(self, obj: T) -> None:
        """Accepted by the server. It is shown as going, and stays until the watch says that it has gone."""
        key = key_of(obj)
        cached = self._informer.get(key)
        if cached is not None and cached.metadata.uid == obj.metadata.uid and not cached.metadata.deletion_timestamp:
            self._gone[key] = obj.metadata.uid
        self._written.pop(key, None)

    def get(self, key: str) -> T | None:
        found = self._written.get(key) or self._informer.get(key)
        return None if found is None else self._going(key, found)

    def over(self, cached: Iterable[T], belongs: Callable[[T], bool]) -> list[T]:
        """Objects of the cache as they will be, and those that it does not have yet."""
        found = {key_of(obj): obj for obj in cached}
        for key in [*found, *self._written]:
            written = self._written.get(key)
            if written is None:
                continue
            if belongs(written):
                found[key] = written
            else:
                found.pop(key, None)
        return [self._going(key, obj) for key, obj in found.items()]

    def _going(self, key: str, obj: T) -> T:
        if self._gone.get(key) != obj.metadata.uid:
            return obj
        metadata = msgspec.structs.replace(obj.metadata, deletion_timestamp=obj.metadata.creation_timestamp or "0")
        return msgspec.structs.replace(obj, metadata=metadata)

    def _seen(self, key: str, old: T | None, new: T | None) -> None:
        if new is None:
            self._gone.pop(key, None)
            written = self._written.get(key)
            if old is not None and written is not None and written.metadata.uid == old.metadata.uid:
                del self._written[key]
            return
        if key in self._gone and (new.metadata.uid != self._gone[key] or new.metadata.deletion_timestamp):
            del self._gone[key]
        self._latest = max(self._latest, _revision(new))
        for other in [other for other, obj in self._written.items() if _revision(obj) <= self._latest]:
            del self._written[other]


def _revision(obj: Any) -> int:
    """0 where a server's revisions are no numbers: then nothing is known to be ahead."""
    text = obj.metadata.resource_version
    return int(text) if text.isdigit() else 0
