"""Service ports, their frontends and endpoints, from API objects. Pure.

Source: KEP-1669 (terminating endpoints), KEP-2086 (internal traffic policy), "Virtual IPs and Service Proxies".
"""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from fairlead.api.types.discovery import EndpointHints, EndpointSlice
from fairlead.api.types.service import Service
from fairlead.services.trimmed import TrimmedService, TrimmedSlice

AFFINITY_SECONDS = 10800
Policy = Literal["Cluster", "Local"]
Family = Literal["IPv4", "IPv6"]
FAMILIES: tuple[Family, ...] = ("IPv4", "IPv6")


def family_of(address: str) -> Family:
    """Of an address or a range that is one."""
    return "IPv6" if ":" in address else "IPv4"


def host_port(address: str, port: int) -> str:
    """As in a URL: an IPv6 address in brackets."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


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
    """A pod's address and port. `serving` pods answer; `terminating` ones are going away. `for_zones` and `for_nodes`:
    whom it is meant for, where that is said (hints, KEP-2433 and KEP-3015)."""

    address: str
    port: int
    ready: bool = True
    serving: bool = True
    terminating: bool = False
    node: str = ""
    for_zones: tuple[str, ...] = ()
    for_nodes: tuple[str, ...] = ()


class Locality(NamedTuple):
    """Where a proxy is."""

    node: str = ""
    zone: str = ""


@dataclass(frozen=True, slots=True)
class ServicePort:
    """In one family of addresses: a dual-stack Service has two of each.

    `affinity`: seconds that a client stays with its endpoint; None: none. `external`: addresses beside the cluster's
    own (externalIPs, a load balancer's). `balancers`: those of them that are a load balancer's, open to `source_ranges`
    only, where there are any. `near`: the endpoints meant for where the proxy is; none: all are. `health_check_port`:
    where a load balancer asks whether endpoints are here.
    """

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
    near: frozenset[tuple[str, int]] = frozenset()
    health_check_port: int | None = None

    @property
    def family(self) -> Family:
        return family_of(self.cluster_ip)

    @property
    def everywhere(self) -> tuple[Endpoint, ...]:
        """Where a new connection may go by the policy Cluster."""
        found = usable(self.endpoints)
        if not self.near:
            return found
        return tuple(each for each in found if each[:2] in self.near) or found

    @property
    def guarded(self) -> tuple[str, ...]:
        """Addresses that not everybody may dial."""
        return self.balancers if self.source_ranges else ()

    def endpoints_for(self, node: str, *, from_outside: bool) -> tuple[Endpoint, ...]:
        """Where a new connection on this node may go."""
        policy = self.external_policy if from_outside else self.internal_policy
        if policy == "Local":
            return usable(each for each in self.endpoints if each.node == node)
        return self.everywhere


def usable(endpoints: Iterable[Endpoint]) -> tuple[Endpoint, ...]:
    """Those that are ready; without any, those that still serve while they end (KEP-1669)."""
    all_ = tuple(endpoints)
    ready = [each for each in all_ if each.ready]
    if len(ready) == len(all_):
        return all_
    return tuple(ready or [each for each in all_ if each.serving and each.terminating])


def near(endpoints: Iterable[Endpoint], here: Locality) -> frozenset[tuple[str, int]]:
    """Those meant for this node, else for this zone, where every endpoint that is ready says whom it is meant for
    (pkg/proxy/topology.go)."""
    ready = [each for each in endpoints if each.ready]
    if not ready or not (ready[0].for_nodes or ready[0].for_zones):
        return frozenset()
    for place, hints in ((here.node, [each.for_nodes for each in ready]), (here.zone, [e.for_zones for e in ready])):
        if place and all(hints) and any(place in each for each in hints):
            return frozenset(each[:2] for each, given in zip(ready, hints, strict=True) if place in given)
    return frozenset()


def service_ports(
    service: Service | TrimmedService,
    slices: Iterable[EndpointSlice | TrimmedSlice],
    here: Locality = Locality(),  # noqa: B008  # immutable
    family: Family = "IPv4",
) -> list[ServicePort]:
    """Of one family. None for a Service without an address of its own there: headless, ExternalName, single-stack."""
    spec = service.spec
    if spec.type == "ExternalName" or spec.cluster_ip in ("", "None"):
        return []
    own = [each for each in spec.cluster_ips or (spec.cluster_ip,) if family_of(each) == family]
    if not own:
        return []
    given = [each for each in slices if each.address_type == family]
    status = service.status if spec.type == "LoadBalancer" else None
    ingress = status.load_balancer.ingress if status is not None else []
    balancers = tuple(e.ip for e in ingress if e.ip and e.ip_mode != "Proxy" and family_of(e.ip) == family)
    others = [each for each in spec.external_ips if family_of(each) == family and each != own[0]]
    external = tuple(dict.fromkeys((*others, *balancers)))
    ranges = _ranges(spec.load_balancer_source_ranges, family)
    affinity = _affinity(service)
    health_check = (spec.external_traffic_policy == "Local" and spec.health_check_node_port) or None
    found = [(port, _endpoints(port.name, port.protocol, given)) for port in spec.ports]
    return [
        ServicePort(
            id=ServicePortName(service.metadata.namespace, service.metadata.name, port.name, port.protocol),
            cluster_ip=own[0],
            port=port.port,
            node_port=port.node_port or None,
            external=external,
            affinity=affinity,
            internal_policy="Local" if spec.internal_traffic_policy == "Local" else "Cluster",
            external_policy="Local" if spec.external_traffic_policy == "Local" else "Cluster",
            endpoints=endpoints,
            balancers=balancers,
            source_ranges=ranges,
            near=near(endpoints, here),
            health_check_port=health_check,
        )
        for port, endpoints in found
    ]


def _ranges(texts: Iterable[str], family: Family) -> tuple[str, ...]:
    """Those of the family, none within another; none at all where everybody is in them."""
    found: list[Any] = []
    for text in texts:
        try:
            network = ipaddress.ip_network(text.strip(), strict=False)
        except ValueError:
            continue
        if family_of(text) == family:
            found.append(network)
    if len(found) > 1:
        found = list(ipaddress.collapse_addresses(found))
    return () if any(each.prefixlen == 0 for each in found) else tuple(str(each) for each in found)


_BYTE = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_is_ipv4 = re.compile(rf"{_BYTE}(?:\.{_BYTE}){{3}}").fullmatch


def _is_address(text: str, family: str) -> bool:
    return _is_ipv4(text) is not None if family == "IPv4" else _is_ipv6(text)


@lru_cache(maxsize=4096)
def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def problems(slice_: TrimmedSlice) -> list[str]:
    """What is passed over in it, by field (the API server refuses such slices; others may not)."""
    found: list[str] = []
    if slice_.address_type not in FAMILIES:
        return found if slice_.address_type == "FQDN" else [f"addressType: Unsupported value: {slice_.address_type!r}"]
    for index, endpoint in enumerate(slice_.endpoints):
        address = endpoint.addresses[0] if endpoint.addresses else ""
        if not _is_address(address, slice_.address_type):
            found.append(
                f"endpoints[{index}].addresses[0]: Invalid value: {address!r}: must be an {slice_.address_type} address"
            )
    for index, port in enumerate(slice_.ports):
        if port.port is not None and not 0 < port.port < 65536:
            found.append(f"ports[{index}].port: Invalid value: {port.port}: must be between 1 and 65535, inclusive")
    return found


def _affinity(service: Service | TrimmedService) -> int | None:
    if service.spec.session_affinity != "ClientIP":
        return None
    config = service.spec.session_affinity_config
    seconds = config.client_ip.timeout_seconds if config is not None and config.client_ip is not None else None
    return seconds or AFFINITY_SECONDS


def _endpoints(name: str, protocol: str, slices: Iterable[EndpointSlice | TrimmedSlice]) -> tuple[Endpoint, ...]:
    """In a stable order; an address that is in two slices counts once, its better state."""
    found: dict[tuple[str, int], Endpoint] = {}
    for each in slices:
        numbers = [p.port for p in each.ports if (p.name or "") == name and (p.protocol or "TCP") == protocol]
        for number in numbers:
            if number is None or not 0 < number < 65536:
                continue
            for endpoint in each.endpoints:
                address = endpoint.addresses[0] if endpoint.addresses else ""
                if not _is_address(address, each.address_type):
                    continue
                conditions, hints = endpoint.conditions, endpoint.hints
                ready = conditions.ready is not False
                serving = ready if conditions.serving is None else conditions.serving
                zones, nodes = _hinted(hints) if hints is not None else ((), ())
                node, ending = endpoint.node_name or "", bool(conditions.terminating)
                made = Endpoint(address, number, ready, serving, ending, node, zones, nodes)
                known = found.get((address, number))
                if known is None or (ready and not known.ready):
                    found[address, number] = made
    return tuple(sorted(found.values()))


def _hinted(hints: EndpointHints) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return tuple(each.name for each in hints.for_zones), tuple(each.name for each in hints.for_nodes)
