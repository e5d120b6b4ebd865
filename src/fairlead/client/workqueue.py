"""Keys to reconcile: each at most once in the queue, never twice at the same time, with back-off after a failure."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from fairlead.api.status import ApiError

log = logging.getLogger(__name__)

FIRST_WAIT, LONGEST_WAIT = 0.005, 60.0  # seconds before a failed key comes again
DOUBLINGS = 14  # more would pass LONGEST_WAIT, and a year of failures the range of floats


class WorkQueue:
    """A key added while it is worked on comes again afterwards."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[str] = asyncio.Queue()
        self._waiting: set[str] = set()
        self._active: set[str] = set()
        self._again: set[str] = set()
        self._failures: dict[str, int] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def add(self, key: str) -> None:
        if key in self._active:
            self._again.add(key)
        elif key not in self._waiting:
            self._waiting.add(key)
            self._queue.put_nowait(key)

    def add_after(self, key: str, seconds: float) -> None:
        """The earliest wish counts."""
        loop = asyncio.get_running_loop()
        known = self._timers.get(key)
        if known is not None:
            if known.when() <= loop.time() + seconds:
                return
            known.cancel()
        self._timers[key] = loop.call_later(max(seconds, 0), self._due, key)

    def add_rate_limited(self, key: str) -> None:
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        self.add_after(key, min(FIRST_WAIT * 2 ** min(failures, DOUBLINGS), LONGEST_WAIT))

    def forget(self, key: str) -> None:
        self._failures.pop(key, None)

    async def get(self) -> str:
        key = await self._queue.get()
        self._waiting.discard(key)
        self._active.add(key)
        return key

    def done(self, key: str) -> None:
        self._active.discard(key)
        if key in self._again:
            self._again.discard(key)
            self.add(key)

    def _due(self, key: str) -> None:
        self._timers.pop(key, None)
        self.add(key)


async def run(queue: WorkQueue, workers: int, reconcile: Callable[[str], Awaitable[None]], name: str) -> None:
    """Reconciles for ever. A failure is logged and tried again, a lost race tried again without a word."""

    async def work() -> None:
        while True:
            key = await queue.get()
            try:
                await reconcile(key)
            except ApiError as error:
                if not error.is_conflict:
                    log.warning("%s: %s: %s", name, key, error)
                queue.add_rate_limited(key)
            except OSError as error:
                log.info("%s: %s: %s", name, key, error)
                queue.add_rate_limited(key)
            except Exception:  # a fault of the controller's own with one object: told, tried again, the others go on
                log.exception("%s: %s failed", name, key)
                queue.add_rate_limited(key)
            else:
                queue.forget(key)
            finally:
                queue.done(key)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(workers):
            tasks.create_task(work())
