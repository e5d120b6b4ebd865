"""The reference: what must happen to the first packet of a connection. Every mode is tested against it. Pure."""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from fairlead.services.model import ServicePort, usable


@dataclass(frozen=True, slots=True)
class Network:
    """The node where the packet is, and the cluster's ranges. `dials`: sockets of the node's pods dial endpoints
    themselves (the proxy's mode eBPF), so that nobody is between them."""

    node: str
    node_addresses: tuple[str, ...]
    pod_cidrs: tuple[str, ...]
    dials: bool = False


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
            if packet.destination in service.guarded and not _allowed(packet, service):
                return Decision("drop")
            return _deliver(packet, service, network, from_outside=True)
        if packet.destination in network.node_addresses and packet.port == service.node_port:
            return _deliver(packet, service, network, from_outside=True)
    return PASS


def _deliver(packet: Packet, service: ServicePort, network: Network, *, from_outside: bool) -> Decision:
    from_pod = any(_within(packet.source, each) for each in network.pod_cidrs)
    from_node = packet.source in network.node_addresses
    # With externalTrafficPolicy Local, what comes from the cluster itself is routed as if the policy were Cluster: to
    # the client there is no difference between an external address and the cluster's own.
    short_cut = from_outside and service.external_policy == "Local" and (from_pod or from_node)
    endpoints = service.everywhere if short_cut else service.endpoints_for(network.node, from_outside=from_outside)
    if not endpoints:
        # Where only other nodes have endpoints, silence makes a load balancer try one of them.
        return Decision("drop" if usable(service.endpoints) else "reject")
    to = frozenset((each.address, each.port) for each in endpoints)
    if from_outside:
        everything = service.external_policy == "Cluster" or from_node
    else:
        everything = not from_pod
    masquerade = to if everything else frozenset(each for each in to if each[0] == packet.source)
    if network.dials and from_pod and _is_dialled(packet, service):
        masquerade = frozenset()
    return Decision("deliver", to, masquerade, service.affinity)


def _is_dialled(packet: Packet, service: ServicePort) -> bool:
    """Not where it depends on the source, which a socket has not before it is connected; nor where all packets of a
    client must come to one endpoint, and some are not dialled."""
    guarded = packet.destination in service.guarded or (service.affinity is not None and bool(service.guarded))
    return packet.protocol == "TCP" and not guarded


def _allowed(packet: Packet, service: ServicePort) -> bool:
    return any(_within(packet.source, each) for each in service.source_ranges)


def _within(address: str, cidr: str) -> bool:
    return ipaddress.ip_address(address) in ipaddress.ip_network(cidr, strict=False)
