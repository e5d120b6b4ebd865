"""A Service port as frontends, each with its set of endpoints in numbered slots, and the steps from one state to
another. Pure.

Only what sockets of the node itself and of its pods dial stands here; all else goes the way of the mode behind this
one: what comes from outside, SCTP, node ports at other addresses than the node's own, addresses that are open to some
only, and silence where only other nodes have endpoints (internalTrafficPolicy Local).
"""

import ipaddress
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from fairlead.proxy.mode import Node
from fairlead.proxy.slots import Line, arrange
from fairlead.services.model import Endpoint, ServicePort, ServicePortName, usable

CARRIED = ("TCP", "UDP")


class Frontend(NamedTuple):
    address: str
    port: int
    protocol: str


class Aim(NamedTuple):
    """What a frontend leads to: `size` slots of a set; none: it refuses. `affinity` in seconds, 0: none. `service`:
    whose clients are meant, known since the time `since` (nanoseconds, CLOCK_MONOTONIC)."""

    set: int
    size: int
    affinity: int
    since: int
    service: Frontend


class Set(NamedTuple):
    """`asked`: who is in it can be asked, because clients or datagrams come back to where they went."""

    number: int
    line: Line
    asked: bool


@dataclass(frozen=True, slots=True)
class Wanted:
    """What one Service needs. Sets by the name of their port and their kind."""

    frontends: dict[Frontend, Aim] = field(default_factory=dict)
    sets: dict[str, Set] = field(default_factory=dict)
    services: dict[Frontend, ServicePortName] = field(default_factory=dict)  # whose clients are meant, and its name


class Slot(NamedTuple):
    set: int
    number: int


class Member(NamedTuple):
    set: int
    address: str
    port: int


# An element of a map and its value; None: it goes.
Step = tuple[Frontend | Slot | Member, Aim | tuple[str, int] | None]
HERE = ("", 0)

NOTHING = Wanted()


def plan(ports: Iterable[ServicePort], node: Node, before: Wanted, new_set: Callable[[], int], since: int) -> Wanted:
    """All ports of one Service. `before`: what it needs so far; an endpoint keeps its slot where it can. `since`: from
    when on clients are known, if the Service is new."""
    wanted = Wanted()
    if node.masquerade_all:  # whoever dials shall be seen as the node, which only packets can be
        return wanted
    for port in ports:
        if port.id.protocol in CARRIED and not _left_to_packets(port):
            _Planner(port, node, before, new_set, since, wanted).plan()
    return wanted


def _left_to_packets(port: ServicePort) -> bool:
    """A client shall come to one endpoint by all addresses of the Service: must some be left to packets, all are."""
    return port.affinity is not None and (port.id.protocol == "UDP" or bool(port.guarded))


class _Planner:
    def __init__(
        self, port: ServicePort, node: Node, before: Wanted, new_set: Callable[[], int], since: int, wanted: Wanted
    ) -> None:
        self._port = port
        self._node = node
        self._before = before
        self._new_set = new_set
        self._wanted = wanted
        self._service = Frontend(port.cluster_ip, port.port, port.id.protocol)
        known = before.frontends.get(self._service)
        self._since = known.since if known is not None else since

    def plan(self) -> None:
        port, node = self._port, self._node
        # To whoever is inside there is no difference between an external address and the cluster's own: policy Local
        # is for those outside.
        anywhere = [Frontend(each, port.port, port.id.protocol) for each in port.external if each not in port.guarded]
        if port.node_port is not None and _answers(node):
            anywhere.append(Frontend(node.address, port.node_port, port.id.protocol))
        if port.internal_policy == "Cluster":
            anywhere.append(self._service)
        else:
            here = port.endpoints_for(node.name, from_outside=False)
            if here or not usable(port.endpoints):  # silence is for packets
                self._wanted.frontends[self._service] = self._aim("here", here)
        self._wanted.services[self._service] = port.id
        if anywhere:
            self._wanted.frontends.update(dict.fromkeys(anywhere, self._aim("any", port.everywhere)))

    def _aim(self, kind: str, endpoints: Iterable[Endpoint]) -> Aim:
        port = self._port
        name = f"{port.id.protocol} {port.id.port} {kind}"
        before = self._before.sets.get(name)
        line = arrange(before.line if before is not None else (), endpoints)
        number = 0
        if line:
            number = before.number if before is not None else self._new_set()
            asked = port.affinity is not None or port.id.protocol == "UDP"
            self._wanted.sets[name] = Set(number, line, asked)
        return Aim(number, len(line), port.affinity or 0, self._since, self._service)


def _answers(node: Node) -> bool:
    """Whether the node's own address is one of those with node ports."""
    if not node.address or not node.node_port_addresses:
        return bool(node.address)
    address = ipaddress.ip_address(node.address)
    return any(address in ipaddress.ip_network(each, strict=False) for each in node.node_port_addresses)


def steps(before: Wanted, after: Wanted) -> Iterator[Step]:
    """In an order in which the maps make sense after each step: no slot is drawn that is not there, and none that is
    drawn goes."""
    for name, set_ in after.sets.items():
        yield from _filled(before.sets.get(name), set_)
    for frontend, aim in after.frontends.items():
        if before.frontends.get(frontend) != aim:
            yield frontend, aim
    for frontend in before.frontends:
        if frontend not in after.frontends:
            yield frontend, None
    for name, set_ in before.sets.items():
        yield from _emptied(set_, after.sets.get(name))


def _filled(before: Set | None, after: Set) -> Iterator[Step]:
    if before == after:
        return
    known = before.line if before is not None else ()
    for slot, endpoint in enumerate(after.line):
        if slot >= len(known) or known[slot] != endpoint:
            yield Slot(after.number, slot), endpoint
    if after.asked:
        asked = set(known) if before is not None and before.asked else ()
        for address, port in after.line:
            if (address, port) not in asked:
                yield Member(after.number, address, port), HERE


def _emptied(before: Set, after: Set | None) -> Iterator[Step]:
    if before == after:
        return
    line = after.line if after is not None else ()
    for slot in range(len(line), len(before.line)):
        yield Slot(before.number, slot), None
    if before.asked:
        asked = set(line) if after is not None and after.asked else ()
        for address, port in before.line:
            if (address, port) not in asked:
                yield Member(before.number, address, port), None
