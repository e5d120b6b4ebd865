"""Destinations that get nobody new and go when their connections have ended (graceful_termination.go)."""

from fairlead.host.ipvs import DELETE_DESTINATION, Change, Destination, Ipvs, Server
from fairlead.proxy.modes.ipvs.difference import Difference

MOST_SECONDS = 86400.0  # a connection that lives on where the endpoint does, without being the Service's any more
GONE_SECONDS = 30.0  # after its pod is deleted: who is still connected is told by a reset


class Drain:
    def __init__(self) -> None:
        self._deadlines: dict[Server, dict[Destination, float]] = {}

    def clear(self) -> None:
        self._deadlines.clear()

    def add(self, change: Difference, now: float) -> None:
        if not (self._deadlines or change.draining):
            return
        for server, destination in change.draining:
            self._deadlines.setdefault(server, {})[destination] = now + MOST_SECONDS
        for server, destination in change.wanted_again:
            self._deadlines.get(server, {}).pop(destination, None)
        for server in change.gone:
            self._deadlines.pop(server, None)
        if change.ended:
            for waiting in self._deadlines.values():
                for destination in change.ended & waiting.keys():
                    waiting[destination] = now + GONE_SECONDS

    def tend(self, ipvs: Ipvs, now: float) -> None:
        """Raises IpvsError, OSError."""
        for server, waiting in list(self._deadlines.items()):
            loads = ipvs.destinations(server) if waiting else {}
            for destination, deadline in list(waiting.items()):
                load = loads.get(destination)
                if load is not None and load.weight == 0 and load.active + load.inactive and now < deadline:
                    continue
                if load is not None and load.weight == 0:
                    ipvs.change([Change(DELETE_DESTINATION, server, None, destination)])
                del waiting[destination]
            if not waiting:
                del self._deadlines[server]
