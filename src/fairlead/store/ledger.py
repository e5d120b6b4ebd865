"""Which key is at which revision, writes under way included: the part of optimistic locking that backends share."""

from collections.abc import Sequence

from fairlead.store.interface import Change, Conflict, Write


class Ledger:
    """Numbers writes and refuses those that lost a race. What is under way counts as written: should it fail, the
    whole ledger must be rebuilt by `reset` and everything numbered later fails with it."""

    def __init__(self) -> None:
        self.revision = 0
        self._latest: dict[str, int] = {}

    def number(self, write: Write) -> Change:
        """The change that a write makes. Raises Conflict."""
        current = self._latest.get(write.key, 0)
        if write.expected != current:
            raise Conflict(write.key, current)
        self.revision += 1
        if write.value is None:
            del self._latest[write.key]
        else:
            self._latest[write.key] = self.revision
        return Change(self.revision, write.key, write.value)

    def reset(self, rows: Sequence[tuple[int, str, bytes | None]], revision: int) -> list[Change]:
        """Starts anew from a log's rows in order; returns them as changes."""
        self._latest = {}
        changes = []
        for number, key, value in rows:
            changes.append(Change(number, key, value))
            if value is None:
                self._latest.pop(key, None)
            else:
                self._latest[key] = number
        self.revision = max(revision, rows[-1][0] if rows else 0)
        return changes
