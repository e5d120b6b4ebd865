"""A Service's ways in: those that lead to a listener here, and those that are refused. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from fairlead.proxy.mode import Node
from fairlead.proxy.modes.userspace.skeleton import PROTOCOLS, TABLE
from fairlead.services.model import ServicePort, ServicePortName

Elements = dict[tuple[str, str], str]  # (map or set, key) → value; "" in a set


@dataclass(frozen=True, slots=True)
class Door:
    """One listener: those who come by the cluster's address have another choice than those from outside."""

    port: ServicePortName
    from_outside: bool


@dataclass(slots=True)
class Wanted:
    """`portals`: elements that lead to a door; their value is known once it listens."""

    doors: dict[Door, ServicePort] = field(default_factory=dict)
    portals: dict[tuple[str, str], Door] = field(default_factory=dict)
    elements: Elements = field(default_factory=dict)

    def rules(self, listening: Mapping[Door, str]) -> Elements:
        """`listening`: door → "address . port"."""
        numbers = {
            ("listening", f"{door.port.protocol.lower()} . {listening[door].rpartition(' ')[2]}"): ""
            for door in self.doors
        }
        return {**self.elements, **{key: listening[door] for key, door in self.portals.items()}, **numbers}


def plan(ports: Iterable[ServicePort], node: Node) -> Wanted:
    """All ports of one Service. SCTP is not carried here."""
    wanted = Wanted()
    for port in ports:
        if port.id.protocol.lower() in PROTOCOLS:
            _plan(port, node, wanted)
    return wanted


def _plan(port: ServicePort, node: Node, wanted: Wanted) -> None:
    protocol = port.id.protocol.lower()
    anywhere = port.everywhere
    refusal = "goto drop-chain" if anywhere else "goto reject-chain"

    def serve(from_outside: bool) -> Door:
        door = Door(port.id, from_outside)
        wanted.doors[door] = port
        return door

    key = (port.cluster_ip, port.port)
    if port.endpoints_for(node.name, from_outside=False):
        wanted.portals[f"portals-{protocol}", _pair(*key)] = serve(False)
    else:
        wanted.elements["no-endpoint-services", _triple(protocol, *key)] = refusal
    here = port.endpoints_for(node.name, from_outside=True)
    for address in port.guarded:
        guarded = _triple(protocol, address, port.port)
        wanted.elements["guarded-services", guarded] = ""
        wanted.elements |= {("allowed-sources", f"{guarded} . {each}"): "" for each in port.source_ranges}
    for address in port.external:
        if anywhere:
            wanted.portals[f"portals-{protocol}", _pair(address, port.port)] = serve(True)
            if not here:
                wanted.elements["local-only-services", _triple(protocol, address, port.port)] = ""
        else:
            wanted.elements["no-endpoint-services", _triple(protocol, address, port.port)] = refusal
    if port.node_port is not None:
        number = f"{protocol} . {port.node_port}"
        if anywhere:
            wanted.portals[f"nodeports-{protocol}", str(port.node_port)] = serve(True)
            if not here:
                wanted.elements["local-only-nodeports", number] = ""
        else:
            wanted.elements["no-endpoint-nodeports", number] = refusal


def script(removed: Elements, added: Elements, ip: str) -> list[str]:
    """In the table of the family `ip` or `ip6`. Removals first: a key that gets another value is both."""
    return [
        f"{verb} element {ip} {TABLE} {map_} {{ {key}{f' : {value}' if value and verb == 'add' else ''} }}"
        for verb, elements in (("delete", removed), ("add", added))
        for (map_, key), value in elements.items()
    ]


def _pair(address: str, number: int) -> str:
    return f"{address} . {number}"


def _triple(protocol: str, address: str, number: int) -> str:
    return f"{address} . {protocol} . {number}"
