"""Which keys have a value: kept as keys change."""

from collections.abc import Iterable

NONE: frozenset[str] = frozenset()


class Index:
    def __init__(self) -> None:
        self._keys: dict[str, set[str]] = {}

    def get(self, value: str) -> set[str] | frozenset[str]:
        return self._keys.get(value, NONE)

    def move(self, key: str, before: Iterable[str], after: Iterable[str]) -> None:
        """A key had the values of `before` and has those of `after`."""
        kept = set(after)
        for value in set(before) - kept:
            keys = self._keys[value]
            keys.discard(key)
            if not keys:
                del self._keys[value]
        for value in kept:
            self._keys.setdefault(value, set()).add(key)
