"""Asks nodes over HTTP whether they serve: each in its own rhythm, a connection a question."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple, cast

from fairlead.loadbalancer.device.health import AGAIN, PATIENCE, Health, Outcome, State, after, wait

EAGER = 2.0  # seconds in which what is new is asked more often: a proxy opens its port when it has heard of it


class Target(NamedTuple):
    address: str
    port: int
    path: str = "/healthz"


class Checking:
    """Of each owner ("namespace/name", or "" for the nodes themselves) on each node. `changed` is told whose state is
    another now."""

    def __init__(self, changed: Callable[[str, str, State], None]) -> None:
        self._changed = changed
        self._targets: dict[str, dict[str, Target]] = {}  # owner → node → what to ask
        self._tasks: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._health: dict[tuple[str, str], Health] = {}
        self._fell: dict[tuple[str, str], float] = {}

    def state(self, owner: str, node: str) -> State:
        return self._health.get((owner, node), Health()).state

    def fell(self, owner: str) -> dict[str, float]:
        """Node → when it was found not to be well any more, of those that were."""
        return {node: self._fell[owner, node] for node in self._targets.get(owner, ()) if (owner, node) in self._fell}

    def want(self, owner: str, targets: Mapping[str, Target]) -> None:
        """Exactly these."""
        before = self._targets.get(owner, {})
        for node, target in before.items():
            if targets.get(node) != target:
                self._health.pop((owner, node), None)
                self._fell.pop((owner, node), None)
                self._tasks.pop((owner, node)).cancel()
        for node, target in targets.items():
            if before.get(node) != target:
                task = asyncio.get_running_loop().create_task(self._check(owner, node, target))
                self._tasks[owner, node] = task
        if targets:
            self._targets[owner] = dict(targets)
        else:
            self._targets.pop(owner, None)

    def close(self) -> None:
        for owner in list(self._targets):
            self.want(owner, {})

    async def _check(self, owner: str, node: str, target: Target) -> None:
        eager_until = time.monotonic() + EAGER
        while True:
            before = self._health.get((owner, node), Health())
            outcome = await ask(target)
            health = self._health[owner, node] = after(before, outcome)
            if health.state is not before.state:
                if before.state is State.WELL:
                    self._fell[owner, node] = time.monotonic()
                self._changed(owner, node, health.state)
            eager = health.state is not State.WELL and time.monotonic() < eager_until
            await asyncio.sleep(AGAIN / 2 if eager else wait(health, len(self._tasks)))


async def ask(target: Target) -> Outcome:
    """One question."""
    loop = asyncio.get_running_loop()
    answered: asyncio.Future[bytes] = loop.create_future()
    transport: asyncio.Transport | None = None
    try:
        async with asyncio.timeout(PATIENCE):
            transport, _ = await loop.create_connection(lambda: _Answer(answered, target), target.address, target.port)
            line = await answered
    except TimeoutError:
        return Outcome.SILENT
    except ConnectionError:
        return Outcome.ABSENT
    except OSError:
        return Outcome.SILENT
    finally:
        if transport is not None:
            transport.abort()
    return Outcome.WELL if line.split(b" ")[1:2] == [b"200"] else Outcome.ILL


class _Answer(asyncio.Protocol):
    """The first line of it is enough."""

    def __init__(self, answered: asyncio.Future[bytes], target: Target) -> None:
        self._answered = answered
        self._target = target
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        host = f"[{self._target.address}]" if ":" in self._target.address else self._target.address
        request = f"GET {self._target.path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        cast(asyncio.Transport, transport).write(request.encode())  # uvloop's is none of asyncio's classes

    def data_received(self, data: bytes) -> None:
        self._data += data
        line, found, _ = self._data.partition(b"\r\n")
        if (found or len(self._data) > 1024) and not self._answered.done():
            self._answered.set_result(line)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._answered.done():
            with contextlib.suppress(asyncio.InvalidStateError):
                self._answered.set_exception(ConnectionResetError("closed without an answer"))
