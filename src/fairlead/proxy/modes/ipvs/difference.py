"""From what a Service needed to what it needs: changes of virtual servers and their destinations. Pure."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from fairlead.host.ipset import Entry, Set
from fairlead.host.ipvs import (
    DELETE_DESTINATION,
    DELETE_SERVICE,
    NEW_DESTINATION,
    NEW_SERVICE,
    SET_DESTINATION,
    SET_SERVICE,
    Change,
    Destination,
    Server,
)
from fairlead.proxy.modes.ipvs.plan import Wanted


@dataclass(slots=True)
class Difference:
    """`changed` in the order in which it is to be made; servers that are `gone` come last. `draining`: destinations
    that get nobody new, and whether their pods are being deleted. `ended`: those whose pods are deleted now."""

    changed: list[Change] = field(default_factory=list)
    gone: dict[Server, None] = field(default_factory=dict)
    users: Counter[tuple[Set, Entry] | str] = field(default_factory=Counter)
    draining: dict[tuple[Server, Destination], None] = field(default_factory=dict)
    wanted_again: set[tuple[Server, Destination]] = field(default_factory=set)
    ended: set[Destination] = field(default_factory=set)

    def additions(self) -> list[Change]:
        return self.changed

    def removals(self) -> list[Change]:
        return [Change(DELETE_SERVICE, server) for server in self.gone]

    def hand_on(self, servers: Iterable[Server]) -> None:
        """Those that one Service gives up and another one gets: made anew, with nothing of the first one's."""
        for server in servers:
            if server in self.gone:
                del self.gone[server]
                self.changed.insert(0, Change(DELETE_SERVICE, server))

    def leave(self, server: Server, destination: Destination, *, drained: bool) -> None:
        """No new connection goes there. TCP's may end by themselves; others have no end."""
        if drained:
            self.changed.append(Change(SET_DESTINATION, server, None, destination, 0))
            self.draining[server, destination] = None
        else:
            self.changed.append(Change(DELETE_DESTINATION, server, None, destination))


def between(before: Wanted, after: Wanted, change: Difference) -> None:
    """Adds to `change`."""
    for server, way in after.servers.items():
        known = before.servers.get(server)
        if known is None:
            change.changed.append(Change(NEW_SERVICE, server, way))
        elif known != way:
            change.changed.append(Change(SET_SERVICE, server, way))
        there = before.destinations.get(server, frozenset())
        wanted = after.destinations[server]
        if there is wanted or there == wanted:
            continue
        for each in sorted(wanted - there):
            change.changed.append(Change(NEW_DESTINATION, server, None, each))
            change.wanted_again.add((server, each))
        for each in sorted(there - wanted):
            change.leave(server, each, drained=server in after.drained)
    for server in before.servers:
        if server not in after.servers:
            change.gone[server] = None
    change.ended |= before.ending - after.ending
