"""The revisioned key-value log, as every backend provides it.

One counter numbers all writes. A write is answered, and told to whoever watches, only when it is durable; changes are
told in the order of their revisions. The server holds the current state itself, so a backend needs no reads but one:
`open`, which replays the log.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol


class Change(NamedTuple):
    """One write. `value` is None for a deletion."""

    revision: int
    key: str
    value: bytes | None


class Write(NamedTuple):
    """What to write. `expected` is the revision that the key must have now: 0 where it must not exist."""

    key: str
    value: bytes | None
    expected: int


class Conflict(Exception):  # noqa: N818  # the outcome of a race, not a fault
    """The key is not at the revision expected. `current` is where it is (0: it does not exist)."""

    def __init__(self, key: str, current: int) -> None:
        super().__init__(f"{key} is at revision {current}")
        self.key = key
        self.current = current


class StoreFault(OSError):  # noqa: N818  # read as a noun: what broke
    """The backend cannot write (disk full, database lost): nothing was written."""


@dataclass(frozen=True, slots=True)
class Replay:
    """What the log held when it was opened. `changes` are in order, the first ones those that were compacted to the
    state of `floor`; a watch can go on from `floor` or later."""

    changes: Sequence[Change]
    floor: int
    revision: int


Watcher = Callable[[Sequence[Change]], None]


class Store(Protocol):
    """A backend. All methods are called on one event loop."""

    async def open(self, watcher: Watcher) -> Replay:
        """Starts; from now on `watcher` is called with every batch of changes, once it is durable."""

    async def write(self, write: Write) -> int:
        """Returns the new revision. Raises Conflict, StoreFault."""

    async def compact(self, floor: int) -> None:
        """Forgets what was replaced or deleted at or before `floor`."""

    async def close(self) -> None: ...
