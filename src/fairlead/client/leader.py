"""One leader of several copies: who holds the Lease works, the others wait (client-go's leaderelection)."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from fairlead.api import time as api_time
from fairlead.api.status import ApiError
from fairlead.api.types.discovery import Lease, LeaseSpec
from fairlead.api.types.meta import ObjectMeta
from fairlead.client.rest import Client

log = logging.getLogger(__name__)

RESOURCE = "leases.coordination.k8s.io"
DURATION, DEADLINE, RETRY = 15.0, 10.0, 2.0  # seconds: a lease lasts, a leader may fail to renew, between attempts


class LeadershipLostError(Exception):
    """The Lease went to somebody else, or could not be renewed in time."""


@dataclass(frozen=True, slots=True)
class Observed:
    """Another's claim, and when *our* clock last saw it change: clocks of machines are never compared."""

    holder: str
    renewed: str
    since: float


def claim(lease: Lease, me: str, seen: Observed | None, now: float, moment: str) -> LeaseSpec | None:
    """The Lease's next spec where it is ours, free or run out; None: somebody else holds it. Pure.

    `now` is monotonic, `moment` is the wall clock's, rendered.
    """
    spec = lease.spec
    holder = spec.holder_identity or ""
    if holder and holder != me:
        lasts = spec.lease_duration_seconds or DURATION
        if seen is None or (seen.holder, seen.renewed) != (holder, spec.renew_time or "") or now < seen.since + lasts:
            return None
    ours = holder == me
    return LeaseSpec(
        holder_identity=me,
        lease_duration_seconds=int(DURATION),
        acquire_time=spec.acquire_time if ours else moment,
        renew_time=moment,
        lease_transitions=(spec.lease_transitions or 0) + (0 if ours or not spec.acquire_time else 1),
    )


class Lock(Protocol):
    """Where the claim is kept. Raises ApiError and OSError."""

    async def read(self) -> Lease:
        """One without a uid where there is none yet."""
        ...

    async def write(self, lease: Lease) -> None:
        """Only over what was read."""
        ...


class LeaseLock:
    """A Lease of that name."""

    def __init__(self, client: Client, name: str, namespace: str) -> None:
        self._client = client
        self._name = name
        self._namespace = namespace

    async def read(self) -> Lease:
        try:
            return await self._client.get(RESOURCE, self._name, self._namespace, type=Lease)
        except ApiError as error:
            if not error.is_not_found:
                raise
        metadata = ObjectMeta(name=self._name, namespace=self._namespace)
        return Lease(api_version="coordination.k8s.io/v1", kind="Lease", metadata=metadata)

    async def write(self, lease: Lease) -> None:
        if lease.metadata.uid:
            await self._client.update(RESOURCE, lease)
        else:
            await self._client.create(RESOURCE, lease, self._namespace)


class Election:
    """`run` waits for the lock (a Lease, where no other is given), works, and raises LeadershipLostError when it is
    lost."""

    def __init__(
        self, client: Client, name: str, me: str, namespace: str = "kube-system", *, lock: Lock | None = None
    ) -> None:
        self._lock: Lock = LeaseLock(client, name, namespace) if lock is None else lock
        self._name = name
        self._namespace = namespace
        self._me = me
        self._seen: Observed | None = None

    async def run(self, work: Callable[[], Awaitable[None]]) -> None:
        await self._win()
        log.info("%s leads %s/%s", self._me, self._namespace, self._name)
        working = asyncio.ensure_future(work())
        renewing = asyncio.create_task(self._renew())
        try:
            done, _ = await asyncio.wait((working, renewing), return_when=asyncio.FIRST_COMPLETED)
            for each in done:
                each.result()
        finally:
            # Nothing of ours may run on beside the next leader.
            for each in (working, renewing):
                each.cancel()
            await asyncio.gather(working, renewing, return_exceptions=True)

    async def _win(self) -> None:
        while True:
            if await self._attempt():
                return
            await asyncio.sleep(RETRY)

    async def _renew(self) -> None:
        last = time.monotonic()
        while True:
            await asyncio.sleep(RETRY)
            try:
                async with asyncio.timeout(DEADLINE):
                    held = await self._attempt()
            except TimeoutError:
                held = False
            if held:
                last = time.monotonic()
            elif self._seen is not None or time.monotonic() - last > DEADLINE:
                raise LeadershipLostError(f"{self._me} lost {self._namespace}/{self._name}")

    async def _attempt(self) -> bool:
        """Whether the Lease is ours now."""
        now, moment = time.monotonic(), api_time.render_micro(time.time())
        try:
            lease = await self._lock.read()
            spec = claim(lease, self._me, self._seen, now, moment)
            if spec is None:
                self._observe(lease, now)
                return False
            lease.spec = spec
            await self._lock.write(lease)
        except (ApiError, OSError, EOFError) as error:
            log.info("cannot lead %s/%s: %s", self._namespace, self._name, error)
            return False
        self._seen = None
        return True

    def _observe(self, lease: Lease, now: float) -> None:
        holder, renewed = lease.spec.holder_identity or "", lease.spec.renew_time or ""
        if self._seen is None or (self._seen.holder, self._seen.renewed) != (holder, renewed):
            self._seen = Observed(holder, renewed, now)
