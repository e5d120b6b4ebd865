"""The queue: once each, never twice at a time, again after a failure."""

import asyncio

import pytest

from fairlead.api.status import ApiError
from fairlead.client.workqueue import DOUBLINGS, FIRST_WAIT, LONGEST_WAIT, WorkQueue, run


async def test_a_key_added_twice_is_worked_on_once() -> None:
    queue = WorkQueue()
    queue.add("a")
    queue.add("a")
    assert await queue.get() == "a"
    queue.done("a")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(queue.get(), 0.01)


async def test_a_key_added_while_it_is_worked_on_comes_again_afterwards_and_not_before() -> None:
    queue = WorkQueue()
    queue.add("a")
    await queue.get()
    queue.add("a")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(queue.get(), 0.01)
    queue.done("a")
    assert await asyncio.wait_for(queue.get(), 1) == "a"


async def test_of_two_delays_the_earlier_counts() -> None:
    queue = WorkQueue()
    queue.add_after("a", 60)
    queue.add_after("a", 0.001)
    queue.add_after("a", 60)
    assert await asyncio.wait_for(queue.get(), 1) == "a"


async def test_a_year_of_failures_overflows_nothing() -> None:
    queue = WorkQueue()
    for _ in range(3000):
        queue.add_rate_limited("a")
    assert FIRST_WAIT * 2**DOUBLINGS >= LONGEST_WAIT


@pytest.mark.parametrize(
    "failure", [ApiError(409, "Conflict", "late"), ApiError(500, "InternalError", ""), OSError(), KeyError("bug")]
)
async def test_whatever_fails_is_tried_again_and_nothing_ends_the_worker(failure: Exception) -> None:
    queue, seen, done = WorkQueue(), [], asyncio.Event()

    async def reconcile(key: str) -> None:
        seen.append(key)
        if len(seen) < 3:
            raise failure
        done.set()

    worker = asyncio.create_task(run(queue, 2, reconcile, "test"))
    queue.add("a")
    await asyncio.wait_for(done.wait(), 2)
    assert seen == ["a"] * 3
    worker.cancel()


async def test_two_workers_never_share_a_key() -> None:
    queue, active, worst, left = WorkQueue(), 0, 0, 20
    done = asyncio.Event()

    async def reconcile(key: str) -> None:
        nonlocal active, worst, left
        active += 1
        worst = max(worst, active)
        queue.add(key)
        await asyncio.sleep(0)
        active -= 1
        left -= 1
        if not left:
            done.set()

    worker = asyncio.create_task(run(queue, 4, reconcile, "test"))
    queue.add("a")
    await asyncio.wait_for(done.wait(), 2)
    assert worst == 1
    worker.cancel()
