"""The reference: what must happen to the first packet of a connection. Every mode is tested against it. Pure."""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from fairlead.services.model import ServicePort


@dataclass(frozen=True, slots=True)
class Network:
    """The node where the packet is, and the cluster's ranges."""

    node: str
    node_addresses: tuple[str, ...]
    pod_cidr: str


@dataclass(frozen=True, slots=True)
class Packet:
    source: str
    destination: str
    protocol: str
    port: int


@dataclass(frozen=True, slots=True)
class Decision:
    """`to`: the endpoints among which one is chosen. `masquerade`: those for which the source becomes the node's."""

    verdict: Literal["deliver", "reject", "drop", "pass"]
    to: frozenset[tuple[str, int]] = frozenset()
    masquerade: frozenset[tuple[str, int]] = frozenset()
    sticky: int | None = None


PASS = Decision("pass")


def decide(packet: Packet, ports: Iterable[ServicePort], network: Network) -> Decision:
    """`pass`: no Service's business."""
    for service in ports:
        if service.id.protocol != packet.protocol:
            continue
        if (packet.destination, packet.port) == (service.cluster_ip, service.port):
            return _deliver(packet, service, network, from_outside=False)
        if packet.destination in service.external and packet.port == service.port:
            return _deliver(packet, service, network, from_outside=True)
        if packet.destination in network.node_addresses and packet.port == service.node_port:
            return _deliver(packet, service, network, from_outside=True)
    return PASS


def _deliver(packet: Packet, service: ServicePort, network: Network, *, from_outside: bool) -> Decision:
    inside = _within(packet.source, network.pod_cidr)
    local_source = inside or packet.source in network.node_addresses
    # What comes from the cluster itself may always use all endpoints of an external address (KEP-1669's short cut).
    outside = from_outside and not (service.external_policy == "Local" and local_source)
    endpoints = service.endpoints_for(network.node, from_outside=outside)
    if from_outside and not outside:
        endpoints = service.endpoints_for(network.node, from_outside=False)
    if not endpoints:
        somewhere = outside and service.external_policy == "Local" and service.endpoints
        return Decision("drop" if somewhere else "reject")
    to = frozenset((each.address, each.port) for each in endpoints)
    if from_outside:
        keeps_source = service.external_policy == "Local" and not local_source
        masquerade = frozenset() if keeps_source else to
    else:
        masquerade = to if not inside else frozenset(each for each in to if each[0] == packet.source)
    return Decision("deliver", to, masquerade, service.affinity)


def _within(address: str, cidr: str) -> bool:
    return ipaddress.IPv4Address(address) in ipaddress.IPv4Network(cidr)
