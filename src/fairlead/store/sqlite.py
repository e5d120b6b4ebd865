"""The log in SQLite: write-ahead log, `synchronous=FULL`, group commit.

Writes are numbered on the event loop and committed by one thread. While one commit waits for the disk, the next batch
gathers, so the cost of a sync is shared by all writers that came meanwhile.
"""

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fairlead.store.interface import Change, Replay, StoreFault, Watcher, Write
from fairlead.store.ledger import Ledger

BATCH = 512  # writes in one commit, at most

SCHEMA = """
CREATE TABLE IF NOT EXISTS log (
    revision INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    value BLOB,                  -- NULL: deleted
    previous INTEGER NOT NULL    -- the revision that this one replaces; 0: created
);
CREATE TABLE IF NOT EXISTS floor (revision INTEGER NOT NULL);
"""
ROW = "(?, ?, ?, ?)"
SUPERSEDED = "DELETE FROM log WHERE revision IN (SELECT previous FROM log WHERE revision <= ? AND previous > 0)"


@dataclass(slots=True)
class _Pending:
    change: Change
    replaces: int
    done: asyncio.Future[int]


Job = Callable[[sqlite3.Connection], None]


class SqliteStore:
    """One file, one process. Raises StoreFault from `open` where the file is no database or cannot be written."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._ledger = Ledger()
        self._watcher: Watcher | None = None
        self._queue: queue.SimpleQueue[_Pending | Job | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def open(self, watcher: Watcher) -> Replay:
        self._watcher = watcher
        self._loop = asyncio.get_running_loop()
        Path(self._path).parent.mkdir(parents=True, exist_ok=True)
        try:
            connection = _connect(self._path)
            rows, floor, revision = _read(connection)
        except sqlite3.Error as error:
            raise StoreFault(f"{self._path}: {error}") from error
        changes = self._ledger.reset(rows, revision)
        self._thread = threading.Thread(target=self._work, args=(connection,), name="store", daemon=True)
        self._thread.start()
        return Replay(changes, floor, self._ledger.revision)

    async def write(self, write: Write) -> int:
        assert self._loop is not None
        change = self._ledger.number(write)
        pending = _Pending(change, write.expected, self._loop.create_future())
        self._queue.put(pending)
        return await pending.done

    async def compact(self, floor: int) -> None:
        floor = min(floor, self._ledger.revision)

        def run(connection: sqlite3.Connection) -> None:
            with connection:
                connection.execute("BEGIN IMMEDIATE")
                connection.execute(SUPERSEDED, (floor,))
                connection.execute("DELETE FROM log WHERE revision <= ? AND value IS NULL", (floor,))
                connection.execute("DELETE FROM floor")
                connection.execute("INSERT INTO floor VALUES (?)", (floor,))

        await self._in_thread(run)

    async def close(self) -> None:
        """Waits until everything asked for is written."""
        if self._thread is not None:
            self._queue.put(None)
            await asyncio.to_thread(self._thread.join)
            self._thread = None

    async def _in_thread(self, job: Job) -> None:
        assert self._loop is not None
        loop, done = self._loop, self._loop.create_future()

        def run(connection: sqlite3.Connection) -> None:
            try:
                job(connection)
            except sqlite3.Error as error:
                loop.call_soon_threadsafe(done.set_exception, StoreFault(str(error)))
            else:
                loop.call_soon_threadsafe(done.set_result, None)

        self._queue.put(run)
        await done

    # The thread.

    def _work(self, connection: sqlite3.Connection) -> None:
        try:
            while self._step(connection):
                pass
        finally:
            connection.close()

    def _step(self, connection: sqlite3.Connection) -> bool:
        """One batch. False when told to end."""
        assert self._loop is not None
        batch: list[_Pending] = []
        first = self._queue.get()
        job: Job | None = None
        ends = False
        item: _Pending | Job | None = first
        while True:
            if isinstance(item, _Pending):
                batch.append(item)
            else:
                ends, job = item is None, item
                break
            if len(batch) == BATCH:
                break
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                break
        if batch:
            self._commit(connection, batch)
        if job is not None:
            job(connection)
        return not ends

    def _commit(self, connection: sqlite3.Connection, batch: Sequence[_Pending]) -> None:
        assert self._loop is not None
        values = [item for pending in batch for item in (*pending.change, pending.replaces)]
        try:
            connection.execute(_insert(len(batch)), values)
        except sqlite3.Error as error:
            fault = StoreFault(f"{self._path}: {error}")
            recovered = asyncio.run_coroutine_threadsafe(self._recover(connection, batch, fault), self._loop)
            recovered.result()
        else:
            self._loop.call_soon_threadsafe(self._publish, batch)

    def _publish(self, batch: Sequence[_Pending]) -> None:
        if self._watcher is not None:
            self._watcher([pending.change for pending in batch])
        for pending in batch:
            if not pending.done.done():
                pending.done.set_result(pending.change.revision)

    async def _recover(self, connection: sqlite3.Connection, batch: Sequence[_Pending], fault: StoreFault) -> None:
        """Nothing of this batch was written, and what was numbered behind it stands on it: all of that fails too, and
        the ledger starts again from the disk. Runs on the loop while the thread waits, so nothing new is numbered."""
        failed = list(batch)
        kept: list[Job | None] = []
        while not self._queue.empty():
            item = self._queue.get_nowait()
            if isinstance(item, _Pending):
                failed.append(item)
            else:
                kept.append(item)
        for item in kept:
            self._queue.put(item)
        highest = self._ledger.revision  # never given twice: a watcher may not see one number mean two things
        rows, _, _ = _read(connection)
        self._ledger.reset(rows, highest)
        for pending in failed:
            if not pending.done.done():
                pending.done.set_exception(fault)


@cache
def _insert(count: int) -> str:
    """One statement, which is a transaction of its own: the thread asks once for the interpreter, not for each row."""
    return f"INSERT INTO log VALUES {', '.join([ROW] * count)}"  # noqa: S608  # placeholders only


def _connect(path: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA locking_mode=EXCLUSIVE")
    connection.execute("PRAGMA cache_size=-2000")
    connection.executescript(SCHEMA)
    return connection


def _read(connection: sqlite3.Connection) -> tuple[list[tuple[int, str, bytes | None]], int, int]:
    """Rows in order, the floor of compaction, and the highest revision ever known."""
    rows = connection.execute("SELECT revision, key, value FROM log ORDER BY revision").fetchall()
    (floor,) = connection.execute("SELECT coalesce(max(revision), 0) FROM floor").fetchone()
    return rows, floor, max(floor, rows[-1][0] if rows else 0)
