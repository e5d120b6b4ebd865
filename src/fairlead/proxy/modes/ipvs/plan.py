"""A Service as virtual servers, entries of IP sets and addresses of the node. Pure. Source: pkg/proxy/ipvs/proxier.go.

Where kube-proxy's ipvs mode leaves out what Kubernetes promises, this one keeps to the promise: without an endpoint
here, policy Local is silence, not any other endpoint; and pods come by an address from outside to all endpoints, by a
virtual server of their own, which their packets' mark leads to.
"""

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from fairlead.host.ipset import Entry, Set
from fairlead.host.ipvs import Destination, Server, Way
from fairlead.proxy.mode import Node
from fairlead.services.model import Endpoint, ServicePort, ServicePortName

SOURCE_HASH = 0x10  # IP_VS_SVC_F_SCHED2: "mh" takes the client's port into account, as kube-proxy has it


@dataclass(frozen=True, slots=True)
class Place:
    """`addresses`: all of the node's own. `node_ports`: those of them where node ports answer."""

    node: Node
    sets: Mapping[str, Set]
    addresses: frozenset[str] = frozenset()
    node_ports: tuple[str, ...] = ()


@dataclass(slots=True)
class Wanted:
    """What one Service needs. `bound`: addresses that the node must have. `ending`: endpoints whose pods are being
    deleted, which have what connections they have."""

    servers: dict[Server, Way] = field(default_factory=dict)
    destinations: dict[Server, frozenset[Destination]] = field(default_factory=dict)
    entries: dict[tuple[Set, Entry], None] = field(default_factory=dict)
    bound: dict[str, None] = field(default_factory=dict)
    drained: set[Server] = field(default_factory=set)  # their destinations go when their connections have ended
    ending: frozenset[Destination] = frozenset()


def needs_mark(port: ServicePort, node: Node) -> bool:
    """Whether pods come to other endpoints than those outside."""
    if port.external_policy != "Local" or not (port.external or port.node_port is not None):
        return False
    here = port.endpoints_for(node.name, from_outside=True)
    return bool(here) and {each[:2] for each in here} != {each[:2] for each in port.everywhere}


def plan(ports: Iterable[ServicePort], place: Place, marks: Mapping[ServicePortName, int]) -> Wanted:
    """All ports of one Service. `marks`: one for each that needs one."""
    wanted = Wanted()
    ending: set[Destination] = set()
    for port in ports:
        _Planner(port, place, marks, wanted).plan()
        ending |= {Destination(each.address, each.port) for each in port.endpoints if each.terminating}
    wanted.ending = frozenset(ending)
    return wanted


class _Planner:
    def __init__(self, port: ServicePort, place: Place, marks: Mapping[ServicePortName, int], wanted: Wanted) -> None:
        self._port = port
        self._place = place
        self._node = place.node
        self._mark = marks[port.id] if needs_mark(port, place.node) else 0
        self._wanted = wanted
        self._protocol = port.id.protocol.lower()
        self._anywhere = port.everywhere

    def plan(self) -> None:
        port, name = self._port, self._node.name
        inside = port.endpoints_for(name, from_outside=False)
        self._serve(port.cluster_ip, port.port, inside)
        self._enter("CLUSTER-IP", port.cluster_ip, port.port)
        if not inside and self._anywhere:
            self._enter("NOT-HERE", port.cluster_ip, port.port)
        self._bind(port.cluster_ip)
        for each in port.endpoints:
            if each.node in ("", name):
                itself = Entry(each.address, self._protocol, each.port, each.address)
                self._wanted.entries[self._place.sets["LOOP-BACK"], itself] = None
        for address in port.external:
            self._external(address)
        if port.node_port is not None:
            self._node_port(port.node_port)
        if self._mark:
            server = Server("", "::" if port.family == "IPv6" else "0.0.0.0", 0, self._mark)
            # The kernel keeps clients of a mark at their endpoint, but not at its port; hashing them comes to the same.
            self._add(server, Way("sh") if port.affinity else self._way(), self._anywhere)

    def _external(self, address: str) -> None:
        port = self._port
        kind = "LOAD-BALANCER" if address in port.balancers else "EXTERNAL-IP"
        if port.external_policy == "Cluster":
            self._enter(kind, address, port.port)
        else:
            self._enter(f"{kind}-LOCAL", address, port.port)
            if kind == "LOAD-BALANCER":
                self._enter(kind, address, port.port)
        if address in port.guarded:
            self._guard(address)
        self._from_outside(address, port.port)
        if address not in self._place.addresses:
            self._bind(address)

    def _guard(self, address: str) -> None:
        """loadBalancerSourceRanges. The node dials the address as itself: it is let in where one of its own is."""
        port, sets = self._port, self._place.sets
        self._enter("LOAD-BALANCER-FW", address, port.port)
        for given in port.source_ranges:
            network = ipaddress.ip_network(given, strict=False)
            # Sets know no range of everything, so that is two halves.
            for each in network.subnets() if network.prefixlen == 0 else (network,):
                allowed = Entry(address, self._protocol, port.port, str(each))
                self._wanted.entries[sets["LOAD-BALANCER-SOURCE-CIDR"], allowed] = None
            if self._node.address and ipaddress.ip_address(self._node.address) in network:
                itself = Entry(address, self._protocol, port.port, address)
                self._wanted.entries[sets["LOAD-BALANCER-SOURCE-IP"], itself] = None

    def _node_port(self, number: int) -> None:
        sctp = self._protocol == "sctp"
        suffix = "SCTP-HASH" if sctp else self._port.id.protocol
        names = [f"NODE-PORT-{suffix}"]
        if self._port.external_policy == "Local":
            names.append(f"NODE-PORT-LOCAL-{suffix}")
        for name in names:
            if sctp:
                for address in self._place.node_ports:
                    self._enter(name, address, number)
            else:
                self._wanted.entries[self._place.sets[name], Entry(port=number)] = None
        for address in self._place.node_ports:
            self._from_outside(address, number)

    def _from_outside(self, address: str, number: int) -> None:
        """With policy Local and no endpoint here, only who is inside comes to the others."""
        here = self._port.endpoints_for(self._node.name, from_outside=True)
        self._serve(address, number, here or self._anywhere)
        if not here and self._anywhere:
            self._enter("LOCAL-ONLY", address, number)
        if self._mark:
            entry = Entry(address, self._protocol, number, mark=self._mark)
            self._wanted.entries[self._place.sets["SHORT-CUT"], entry] = None

    def _serve(self, address: str, number: int, endpoints: Sequence[Endpoint]) -> None:
        self._add(Server(self._port.id.protocol, address, number), self._way(self._port.affinity or 0), endpoints)
        if not self._anywhere:
            self._enter("NO-ENDPOINTS", address, number)

    def _add(self, server: Server, way: Way, endpoints: Sequence[Endpoint]) -> None:
        self._wanted.servers[server] = way
        self._wanted.destinations[server] = frozenset(Destination(each.address, each.port) for each in endpoints)
        if self._protocol == "tcp":
            self._wanted.drained.add(server)

    def _way(self, timeout: int = 0) -> Way:
        scheduler = self._node.ipvs.scheduler
        return Way(scheduler, timeout, SOURCE_HASH if scheduler == "mh" else 0)

    def _enter(self, name: str, address: str, number: int) -> None:
        self._wanted.entries[self._place.sets[name], Entry(address, self._protocol, number)] = None

    def _bind(self, address: str) -> None:
        self._wanted.bound[address] = None
        self._wanted.entries[self._place.sets["IPVS-IPS"], Entry(address)] = None
