"""The state that all reads come from, and the last changes of each resource, from which watches go on.

It is told of a change only when that is durable. Every watcher of a resource gets the same bytes; one that does not
keep up is dropped, never waited for.
"""

import asyncio
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Sequence

from fairlead.apiserver.entry import Entry
from fairlead.store.interface import Change, Replay

RING = 4096  # changes remembered of each resource

Matcher = Callable[[Entry], bool]


class Event:
    """One change of an object. `entry` is what it is now, `previous` what it was; a deletion has only that."""

    __slots__ = ("_rendered", "entry", "previous", "revision")

    def __init__(self, revision: int, entry: Entry | None, previous: Entry | None) -> None:
        self.revision = revision
        self.entry = entry
        self.previous = previous
        self._rendered: dict[str, bytes] = {}

    @property
    def subject(self) -> Entry:
        found = self.entry or self.previous
        assert found is not None
        return found

    def type_for(self, matches: Matcher | None) -> str | None:
        """ADDED, MODIFIED or DELETED as a watcher with this filter sees it; None: not at all."""
        now = self.entry is not None and (matches is None or matches(self.entry))
        before = self.previous is not None and (matches is None or matches(self.previous))
        if now:
            return "MODIFIED" if before else "ADDED"
        return "DELETED" if before else None

    def object_for(self, type_: str) -> Entry:
        """A DELETED object is the last that the watcher knew, at the revision of its deletion."""
        if type_ == "DELETED":
            assert self.previous is not None
            return Entry(self.previous.key, self.revision, self.previous.value)
        assert self.entry is not None
        return self.entry

    def line(self, type_: str) -> bytes:
        """The JSON line of a watch. Rendered once, whoever asks."""
        known = self._rendered.get(type_)
        if known is None:
            known = b'{"type":"%b","object":%b}\n' % (type_.encode(), self.object_for(type_).body)
            self._rendered[type_] = known
        return known


Watcher = Callable[[Sequence[Event]], None]


class Shelf:
    """All objects of one resource."""

    def __init__(self, floor: int) -> None:
        self.entries: dict[str, Entry] = {}
        self.events: deque[Event] = deque(maxlen=RING)
        self.floor = floor  # a watch can go on from here or later
        self.revision = floor  # of the last change
        self.watchers: dict[Watcher, str] = {}  # → the prefix of keys it wants
        self._keys: list[str] = []
        self._ordered: list[Entry] = []  # by key: whole lists are slices of it

    def apply(self, change: Change) -> Event:
        previous = self.entries.get(change.key)
        if change.value is None:
            entry = None
            if self.entries.pop(change.key, None) is not None:
                place = bisect_left(self._keys, change.key)
                del self._keys[place], self._ordered[place]
        else:
            entry = Entry(change.key, change.revision, change.value)
            place = bisect_left(self._keys, change.key)
            if previous is None:
                self._keys.insert(place, change.key)
                self._ordered.insert(place, entry)
            else:
                self._ordered[place] = entry
            self.entries[change.key] = entry
        event = Event(change.revision, entry, previous)
        if len(self.events) == RING:
            self.floor = self.events[0].revision
        self.events.append(event)
        self.revision = change.revision
        return event

    def span(self, prefix: str, after: str = "") -> range:
        """The places of what is beneath a prefix (which ends with a slash), in order, behind `after` only."""
        first = bisect_right(self._keys, max(prefix, after))
        return range(first, bisect_left(self._keys, prefix[:-1] + "0", first))  # "0" follows "/"

    def slice(self, places: range) -> list[Entry]:
        return self._ordered[places.start : places.stop]

    def since(self, revision: int) -> list[Event]:
        """Changes after a revision, in order. The caller has checked the floor."""
        found: list[Event] = []
        for event in reversed(self.events):
            if event.revision <= revision:
                break
            found.append(event)
        return found[::-1]


class WatchCache:
    def __init__(self) -> None:
        self.revision = 0
        self._shelves: dict[str, Shelf] = {}
        self._floor = 0
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []
        self.listeners: list[Callable[[Event], None]] = []  # told of every change: what derives from the state

    def load(self, replay: Replay) -> None:
        """The state as the log tells it."""
        self._floor = replay.floor
        for change in replay.changes:
            self.shelf(_prefix(change.key)).apply(change)
        self.revision = replay.revision

    def shelf(self, prefix: str) -> Shelf:
        found = self._shelves.get(prefix)
        if found is None:
            found = self._shelves[prefix] = Shelf(self._floor)
        return found

    def get(self, prefix: str, key: str) -> Entry | None:
        return self.shelf(prefix).entries.get(key)

    def find(self, key: str) -> Entry | None:
        return self.get(_prefix(key), key)

    def publish(self, changes: Sequence[Change]) -> None:
        """A batch that is durable now."""
        touched: dict[str, list[Event]] = {}
        for change in changes:
            prefix = _prefix(change.key)
            event = self.shelf(prefix).apply(change)
            touched.setdefault(prefix, []).append(event)
            for listener in self.listeners:
                listener(event)
        self.revision = changes[-1].revision
        for prefix, events in touched.items():
            for watcher, beneath in list(self._shelves[prefix].watchers.items()):
                wanted = events if beneath == prefix else [e for e in events if e.subject.key.startswith(beneath)]
                if wanted:
                    watcher(wanted)
        if self._waiting:
            self._wake()

    async def reached(self, revision: int) -> None:
        """Waits until a revision is published."""
        if self.revision < revision:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append((revision, future))
            await future

    def _wake(self) -> None:
        still = []
        for revision, future in self._waiting:
            if future.done():
                continue
            if revision <= self.revision:
                future.set_result(None)
            else:
                still.append((revision, future))
        self._waiting = still


def _prefix(key: str) -> str:
    """`/core/pods/dev/web` → `/core/pods/`."""
    return key[: key.index("/", key.index("/", 1) + 1) + 1]
