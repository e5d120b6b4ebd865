"""Packets that were answered before, to their finished answers: what makes most questions cost one look-up. Pure.

There is no lifetime: a change drops what carries one of its tags. The bound is kept by two generations: when the young
one is full it becomes the old one, and what is asked again from there is young again. So nothing need be remembered
for each entry beside its tags. A generation is full by the bytes that were put into it, whatever was dropped from it
since: what tags still say of dropped entries takes memory too.
"""

from collections.abc import Iterable, Sequence
from typing import Generic, TypeVar

from fairlead.dns.zone import Tag

T = TypeVar("T")
COST = 420  # bytes that an entry takes beside its key and what it holds, as measured


class _Generation(Generic[T]):
    def __init__(self) -> None:
        self.entries: dict[bytes, T] = {}
        self.keys: dict[Tag, list[bytes]] = {}
        self.behind: dict[bytes, tuple[Sequence[object], *tuple[Tag, ...]]] = {}  # what it holds, its tags
        self.size = 0

    def put(self, key: bytes, value: T, held: Sequence[object], *tags: Tag) -> None:
        self.entries[key] = value
        self.behind[key] = held, *tags
        self.size += COST + len(key) + len(held)
        for tag in tags:
            self.keys.setdefault(tag, []).append(key)

    def drop(self, tag: Tag) -> None:
        for key in self.keys.pop(tag, ()):
            self.entries.pop(key, None)
            self.behind.pop(key, None)


class Memo(Generic[T]):
    """`young` is the dictionary to look into; `older` where it has nothing."""

    def __init__(self, most: int) -> None:
        """`most`: bytes of each generation, about."""
        self._most = most
        self._young: _Generation[T] = _Generation()
        self._old: _Generation[T] = _Generation()
        self.young = self._young.entries

    def put(self, key: bytes, value: T, held: Sequence[object], tags: Iterable[Tag]) -> None:
        """`held`: bytes, or a list of them, that must live as long as the value, which refers to them."""
        self._young.put(key, value, held, *tags)

    def older(self, key: bytes) -> T | None:
        value = self._old.entries.get(key)
        if value is not None:
            self._young.put(key, value, *self._old.behind[key])
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
        if self._young.size < self._most:
            return False
        self._old = self._young
        self._young = _Generation()
        self.young = self._young.entries
        return True
