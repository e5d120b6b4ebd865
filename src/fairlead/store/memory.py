"""A store without a disk: a real backend, for tests and for clusters that nobody means to keep."""

from fairlead.store.interface import Change, Replay, Watcher, Write
from fairlead.store.ledger import Ledger


class MemoryStore:
    """Durable as long as the object lives: `close` and `open` again replays it."""

    def __init__(self) -> None:
        self._ledger = Ledger()
        self._log: list[Change] = []
        self._floor = 0
        self._watcher: Watcher | None = None

    async def open(self, watcher: Watcher) -> Replay:
        self._watcher = watcher
        return Replay(tuple(self._log), self._floor, self._ledger.revision)

    async def write(self, write: Write) -> int:
        change = self._ledger.number(write)
        self._log.append(change)
        if self._watcher is not None:
            self._watcher((change,))
        return change.revision

    async def compact(self, floor: int) -> None:
        newest = {change.key: change.revision for change in self._log if change.revision <= floor}
        self._log = [
            change
            for change in self._log
            if change.revision > floor or (change.value is not None and newest[change.key] == change.revision)
        ]
        self._floor = max(self._floor, min(floor, self._ledger.revision))

    async def close(self) -> None:
        self._watcher = None
