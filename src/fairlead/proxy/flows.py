"""UDP flows that the kernel would still send where nothing is any more, or had refused while there was nothing."""

import asyncio
import time
from collections.abc import Callable, Iterator

from fairlead.host import conntrack
from fairlead.services.model import Family, ServicePort, ServicePortName

Name = tuple[Family, ServicePortName]


class Flows:
    """Services are keyed "namespace/name"."""

    def __init__(self, tell: Callable[[Family, float, int], None]) -> None:
        """`tell`: of each time: the family, how many seconds it took, how many flows were forgotten."""
        self._tell = tell
        self._known: dict[str, dict[Name, ServicePort]] = {}  # what is of UDP
        self._tasks: set[asyncio.Task[None]] = set()

    def changed(self, changes: dict[str, tuple[ServicePort, ...]]) -> None:
        """After the rules have changed: before, a client that goes on would be sent the old way again."""
        for key, ports in changes.items():
            after = {(port.family, port.id): port for port in ports if port.id.protocol == "UDP"}
            before = self._known.get(key, {})
            if before is after or not (before or after):
                continue
            stale = list(_stale(before, after))
            if stale:
                task = asyncio.get_running_loop().create_task(self._forget(stale))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            if after:
                self._known[key] = after
            else:
                self._known.pop(key, None)

    async def _forget(self, stale: list[tuple[ServicePort, str | None]]) -> None:
        """By each of the Service's addresses."""
        began = time.monotonic()
        forgotten: dict[Family, int] = {}
        for port, endpoint in stale:
            ways: list[tuple[str | None, int]] = [(each, port.port) for each in (port.cluster_ip, *port.external)]
            if port.node_port is not None:
                ways.append((None, port.node_port))
            for address, number in ways:
                count = await conntrack.forget_udp(port.family, address, number, endpoint)
                forgotten[port.family] = forgotten.get(port.family, 0) + count
        for family, count in forgotten.items():
            self._tell(family, time.monotonic() - began, count)


def _stale(before: dict[Name, ServicePort], after: dict[Name, ServicePort]) -> Iterator[tuple[ServicePort, str | None]]:
    """Each port with an endpoint that is gone; None: there was none before."""
    for name, port in before.items():
        now = after.get(name)
        left = {each.address for each in now.endpoints if each.ready} if now is not None else set()
        yield from ((port, gone) for gone in {each.address for each in port.endpoints} - left)
    for name, port in after.items():
        if port.endpoints and name in before and not before[name].endpoints:
            yield port, None
