"""Service ports, their frontends and endpoints, from API objects. Pure.

Source: KEP-1669 (terminating endpoints), KEP-2086 (internal traffic policy), "Virtual IPs and Service Proxies".
"""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from fairlead.api.types.core import Service
from fairlead.api.types.core import ServicePort as ApiPort
from fairlead.api.types.discovery import EndpointSlice

AFFINITY_SECONDS = 10800
Policy = Literal["Cluster", "Local"]


class ServicePortName(NamedTuple):
    """The unit of proxying."""

    namespace: str
    name: str
    port: str  # the port's name; empty where the Service has one only
    protocol: str  # TCP, UDP, SCTP

    def __str__(self) -> str:
        port = f":{self.port}" if self.port else ""
        return f"{self.namespace}/{self.name}{port}"


class Endpoint(NamedTuple):
    """A pod's address and port. `serving` pods answer; `terminating` ones are going away."""

    address: str
    port: int
    ready: bool = True
    serving: bool = True
    terminating: bool = False
    node: str = ""


@dataclass(frozen=True, slots=True)
class ServicePort:
    """`affinity`: seconds that a client stays with its endpoint; None: none. `external`: addresses beside the cluster's
    own (externalIPs, a load balancer's). `balancers`: those of them that are a load balancer's, open to `source_ranges`
    only, where there are any."""

    id: ServicePortName
    cluster_ip: str
    port: int
    node_port: int | None = None
    external: tuple[str, ...] = ()
    affinity: int | None = None
    internal_policy: Policy = "Cluster"
    external_policy: Policy = "Cluster"
    endpoints: tuple[Endpoint, ...] = ()
    balancers: tuple[str, ...] = ()
    source_ranges: tuple[str, ...] = ()

    @property
    def guarded(self) -> tuple[str, ...]:
        """Addresses that not everybody may dial."""
        return self.balancers if self.source_ranges else ()

    def endpoints_for(self, node: str, *, from_outside: bool) -> tuple[Endpoint, ...]:
        """Where a new connection on this node may go."""
        policy = self.external_policy if from_outside else self.internal_policy
        candidates = self.endpoints
        if policy == "Local":
            candidates = tuple(each for each in candidates if each.node == node)
        return usable(candidates)


def usable(endpoints: Iterable[Endpoint]) -> tuple[Endpoint, ...]:
    """Those that are ready; without any, those that still serve while they end (KEP-1669)."""
    all_ = tuple(endpoints)
    ready = tuple(each for each in all_ if each.ready)
    return ready or tuple(each for each in all_ if each.serving and each.terminating)


def service_ports(service: Service, slices: Iterable[EndpointSlice]) -> list[ServicePort]:
    """None for a Service without an address of its own: headless, ExternalName."""
    spec = service.spec
    if spec.type == "ExternalName" or spec.cluster_ip in ("", "None"):
        return []
    given = list(slices)
    ingress = service.status.load_balancer.ingress if spec.type == "LoadBalancer" else []
    balancers = tuple(each.ip for each in ingress if each.ip and each.ip_mode != "Proxy")
    external = tuple(dict.fromkeys((*spec.external_ips, *balancers)))
    ranges = tuple(each.strip() for each in spec.load_balancer_source_ranges if _is_range(each.strip()))
    return [
        ServicePort(
            id=ServicePortName(service.metadata.namespace, service.metadata.name, port.name, port.protocol),
            cluster_ip=spec.cluster_ip,
            port=port.port,
            node_port=port.node_port or None,
            external=external,
            affinity=_affinity(service),
            internal_policy="Local" if spec.internal_traffic_policy == "Local" else "Cluster",
            external_policy="Local" if spec.external_traffic_policy == "Local" else "Cluster",
            endpoints=tuple(_endpoints(port, given)),
            balancers=balancers,
            source_ranges=ranges,
        )
        for port in spec.ports
    ]


def _is_range(text: str) -> bool:
    """Of the family that is served here."""
    try:
        return ipaddress.ip_network(text, strict=False).version == 4
    except ValueError:
        return False


def _affinity(service: Service) -> int | None:
    if service.spec.session_affinity != "ClientIP":
        return None
    config = service.spec.session_affinity_config
    seconds = config.client_ip.timeout_seconds if config is not None and config.client_ip is not None else None
    return seconds or AFFINITY_SECONDS


def _endpoints(port: ApiPort, slices: Iterable[EndpointSlice]) -> list[Endpoint]:
    """In a stable order; an address that is in two slices counts once, its better state."""
    found: dict[tuple[str, int], Endpoint] = {}
    for each in slices:
        if each.address_type != "IPv4":
            continue
        numbers = [p.port for p in each.ports if (p.name or "") == port.name and (p.protocol or "TCP") == port.protocol]
        for number in numbers:
            if number is None:
                continue
            for endpoint in each.endpoints:
                conditions = endpoint.conditions
                ready = conditions.ready is not False
                serving = ready if conditions.serving is None else conditions.serving
                made = Endpoint(
                    endpoint.addresses[0],
                    number,
                    ready,
                    serving,
                    bool(conditions.terminating),
                    endpoint.node_name or "",
                )
                known = found.get((made.address, number))
                if known is None or (made.ready and not known.ready):
                    found[made.address, number] = made
    return sorted(found.values(), key=lambda each: (tuple(int(part) for part in each.address.split(".")), each.port))
