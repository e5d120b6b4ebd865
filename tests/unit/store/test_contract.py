"""One contract for every backend: what `store.interface` promises."""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.store.interface import Change, Conflict, Store, StoreFault, Write
from fairlead.store.memory import MemoryStore
from fairlead.store.sqlite import SqliteStore

Reopen = Callable[[], Store]


@pytest.fixture(params=["memory", "sqlite"])
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Reopen:
    """Gives the backend, and again after it was closed, on the same data."""
    memory = MemoryStore()
    return (lambda: memory) if request.param == "memory" else lambda: SqliteStore(str(tmp_path / "state.db"))


def ignore(_: Sequence[Change]) -> None:
    pass


async def test_a_write_returns_the_next_revision_and_is_told(reopen: Reopen) -> None:
    store, told = reopen(), list[Change]()
    await store.open(told.extend)
    assert await store.write(Write("a", b"1", 0)) == 1
    assert await store.write(Write("a", b"2", 1)) == 2
    assert await store.write(Write("a", None, 2)) == 3
    assert told == [Change(1, "a", b"1"), Change(2, "a", b"2"), Change(3, "a", None)]
    await store.close()


@pytest.mark.parametrize(("expected", "current"), [(0, 1), (7, 1)])
async def test_a_lost_race_is_refused_and_changes_nothing(reopen: Reopen, expected: int, current: int) -> None:
    store = reopen()
    await store.open(ignore)
    await store.write(Write("a", b"1", 0))
    with pytest.raises(Conflict) as caught:
        await store.write(Write("a", b"2", expected))
    assert caught.value.current == current
    assert await store.write(Write("a", b"3", 1)) == 2
    await store.close()


async def test_of_many_writers_that_expect_the_same_one_wins(reopen: Reopen) -> None:
    store = reopen()
    await store.open(ignore)
    results = await asyncio.gather(*(store.write(Write("a", b"%d" % n, 0)) for n in range(50)), return_exceptions=True)
    assert [r for r in results if not isinstance(r, Conflict)] == [1]
    await store.close()


async def test_what_was_written_is_replayed_after_reopening(reopen: Reopen) -> None:
    store = reopen()
    await store.open(ignore)
    for n in range(20):
        await store.write(Write(f"k{n}", b"v", 0))
    await store.write(Write("k3", None, 4))
    await store.close()
    again = reopen()
    replay = await again.open(ignore)
    assert (len(replay.changes), replay.revision, replay.floor) == (21, 21, 0)
    assert replay.changes[-1] == Change(21, "k3", None)
    assert await again.write(Write("k3", b"new", 0)) == 22
    await again.close()


async def test_compaction_keeps_the_state_and_raises_the_floor(reopen: Reopen) -> None:
    store = reopen()
    await store.open(ignore)
    await store.write(Write("a", b"1", 0))
    await store.write(Write("a", b"2", 1))
    await store.write(Write("b", b"1", 0))
    await store.write(Write("b", None, 3))
    await store.compact(4)
    await store.write(Write("a", b"3", 2))
    await store.close()
    again = reopen()
    replay = await again.open(ignore)
    assert [(c.revision, c.key, c.value) for c in replay.changes] == [(2, "a", b"2"), (5, "a", b"3")]
    assert (replay.floor, replay.revision) == (4, 5)
    await again.close()


async def test_revisions_go_on_when_everything_was_deleted_and_compacted(reopen: Reopen) -> None:
    store = reopen()
    await store.open(ignore)
    await store.write(Write("a", b"1", 0))
    await store.write(Write("a", None, 1))
    await store.compact(2)
    await store.close()
    again = reopen()
    await again.open(ignore)
    assert await again.write(Write("a", b"1", 0)) == 3
    await again.close()


@given(st.lists(st.tuples(st.sampled_from("abc"), st.one_of(st.none(), st.binary(max_size=3))), max_size=30))
def test_backends_agree(operations: list[tuple[str, bytes | None]]) -> None:
    async def run(store: Store) -> list[Change]:
        told: list[Change] = []
        await store.open(told.extend)
        at: dict[str, int] = {}
        for key, value in operations:
            if value is None and key not in at:
                continue
            revision = await store.write(Write(key, value, at.get(key, 0)))
            if value is None:
                del at[key]
            else:
                at[key] = revision
        await store.close()
        return told

    assert asyncio.run(run(MemoryStore())) == asyncio.run(run(SqliteStore(":memory:")))


async def test_a_file_that_is_no_database_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    path.write_bytes(b"not a database, " * 100)
    with pytest.raises(StoreFault, match=r"state\.db"):
        await SqliteStore(str(path)).open(ignore)


async def test_a_failed_commit_fails_its_writers_and_the_next_write_works(tmp_path: Path) -> None:
    store = SqliteStore(str(tmp_path / "state.db"))
    told: list[Change] = []
    await store.open(told.extend)
    await store.write(Write("a", b"1", 0))

    def fill(connection: sqlite3.Connection) -> None:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count={pages}")

    def empty(connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA max_page_count=1000000")

    await store._in_thread(fill)
    big = b"x" * 100_000
    results = await asyncio.gather(
        store.write(Write("a", big, 1)), store.write(Write("b", big, 0)), return_exceptions=True
    )
    assert all(isinstance(result, StoreFault) for result in results)
    await store._in_thread(empty)
    revision = await store.write(Write("a", b"2", 1))
    assert told[-1] == Change(revision, "a", b"2")
    assert len(told) == 2
    await store.close()
