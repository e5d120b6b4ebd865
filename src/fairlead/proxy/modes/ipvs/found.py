"""What is in the kernel of an earlier proxy's."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from fairlead.host.ipset import Entry, Set
from fairlead.host.ipvs import (
    NEW_DESTINATION,
    NEW_SERVICE,
    SET_DESTINATION,
    SET_SERVICE,
    Change,
    Destination,
    Load,
    Server,
    Way,
)
from fairlead.proxy.modes.ipvs.difference import Difference
from fairlead.proxy.modes.ipvs.kernel import Kernel
from fairlead.proxy.modes.ipvs.plan import Wanted


@dataclass(slots=True)
class Found:
    """`all_servers`: also those that are not ours."""

    kernel: Kernel
    entries: set[tuple[Set, Entry]]
    bound: set[str]
    all_servers: dict[Server, Way]
    servers: set[Server] = field(default_factory=set)

    def compare(self, wanted: Wanted, change: Difference) -> None:
        """What is to be done. Weights count: one left at 0 gets nobody."""
        for server, way in wanted.servers.items():
            known = self.all_servers.get(server)
            if known is None:
                change.changed.append(Change(NEW_SERVICE, server, way))
            elif known != way:
                change.changed.append(Change(SET_SERVICE, server, way))
            there: dict[Destination, Load] = self.kernel.ipvs.destinations(server) if known is not None else {}
            for each in sorted(wanted.destinations[server]):
                if each not in there:
                    change.changed.append(Change(NEW_DESTINATION, server, None, each))
                elif there[each].weight != 1:
                    change.changed.append(Change(SET_DESTINATION, server, None, each))
            for each in there.keys() - wanted.destinations[server]:
                change.leave(server, each, drained=server in wanted.drained)
        change.gone |= dict.fromkeys(sorted(self.servers - wanted.servers.keys()))


def look(kernel: Kernel, sets: Mapping[str, Set]) -> Found:
    entries = {(kept, entry) for kept in sets.values() for entry in kernel.sets.entries(kept) or ()}
    found = Found(kernel, entries, kernel.addresses.bound(), kernel.ipvs.servers())
    found.servers = owned(found.all_servers, entries, kernel.addresses.others(), sets)
    return found


def owned(
    servers: Iterable[Server], entries: set[tuple[Set, Entry]], addresses: set[str], sets: Mapping[str, Set]
) -> set[Server]:
    """Those that our sets tell of. `addresses`: the node's own, where node ports are."""
    frontends = {
        (entry.address, entry.protocol, entry.port)
        for name in ("CLUSTER-IP", "EXTERNAL-IP", "EXTERNAL-IP-LOCAL", "LOAD-BALANCER", "NODE-PORT-SCTP-HASH")
        for kept, entry in entries
        if kept is sets[name]
    }
    node_ports = {
        (protocol, entry.port)
        for protocol in ("tcp", "udp")
        for kept, entry in entries
        if kept is sets[f"NODE-PORT-{protocol.upper()}"]
    }
    marks = {entry.mark for kept, entry in entries if kept is sets["SHORT-CUT"]}
    ipv6 = sets["CLUSTER-IP"].name.startswith("KUBE-6-")
    return {
        server
        for server in servers
        if (":" in server.address) == ipv6
        and (
            server.mark in marks
            if server.mark
            else (server.address, server.protocol.lower(), server.port) in frontends
            or (server.address in addresses and (server.protocol.lower(), server.port) in node_ports)
        )
    }
