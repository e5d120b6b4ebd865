"""Packets that were answered before, to their finished answers: what makes most questions cost one look-up. Pure.

There is no lifetime: a change drops what carries one of its tags. The bound is kept by two generations: when the young
one is full it becomes the old one, and what is asked again from there is young again. So nothing need be remembered
for each entry beside its tags.
"""

from collections.abc import Iterable
from typing import Generic, TypeVar

from fairlead.dns.zone import Tag

T = TypeVar("T")


class _Generation(Generic[T]):
    def __init__(self) -> None:
        self.entries: dict[bytes, T] = {}
        self.keys: dict[Tag, list[bytes]] = {}
        self.tags: dict[bytes, tuple[Tag, ...]] = {}

    def put(self, key: bytes, value: T, tags: tuple[Tag, ...]) -> None:
        self.entries[key] = value
        self.tags[key] = tags
        for tag in tags:
            self.keys.setdefault(tag, []).append(key)

    def drop(self, tag: Tag) -> None:
        for key in self.keys.pop(tag, ()):
            self.entries.pop(key, None)
            self.tags.pop(key, None)


class Memo(Generic[T]):
    """`young` is the dictionary to look into; `older` where it has nothing."""

    def __init__(self, most: int) -> None:
        """`most`: entries of each generation."""
        self._most = most
        self._young: _Generation[T] = _Generation()
        self._old: _Generation[T] = _Generation()
        self.young = self._young.entries

    def put(self, key: bytes, value: T, tags: Iterable[Tag]) -> None:
        self._young.put(key, value, tuple(tags))

    def older(self, key: bytes) -> T | None:
        value = self._old.entries.get(key)
        if value is not None:
            self._young.put(key, value, self._old.tags[key])
        return value

    def drop(self, tags: Iterable[Tag]) -> None:
        for tag in tags:
            self._young.drop(tag)
            self._old.drop(tag)

    def clear(self) -> None:
        self._old = _Generation()
        self._young = _Generation()
        self.young = self._young.entries

    def settle(self) -> bool:
        """Between batches: the old generation goes when the young one is full. Whether `young` is another one now."""
        if len(self.young) < self._most:
            return False
        self._old = self._young
        self._young = _Generation()
        self.young = self._young.entries
        return True
