"""What a Service asks of its load balancer, from the API's object. Pure."""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from fairlead.api.types.service import ServiceStatus, SessionAffinityConfig
from fairlead.loadbalancer.model import Balanced, Frontend
from fairlead.services.model import FAMILIES, Family, family_of
from fairlead.services.trimmed import TrimmedPort

FINALIZER = "service.kubernetes.io/load-balancer-cleanup"
# Ours, then those that MetalLB's users have written already.
PREFIXES = ("loadbalancer.fairlead.dev", "metallb.io", "metallb.universe.tf")
RANGES = "service.beta.kubernetes.io/load-balancer-source-ranges"  # older than the field of the same meaning
IPS, POOL, SHARED = ("ip", "loadBalancerIPs"), ("pool", "address-pool"), ("allow-shared-ip",)


class _Trimmed(msgspec.Struct, rename="camel", kw_only=True, frozen=True, gc=False):
    pass


class Metadata(_Trimmed, frozen=True):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    finalizers: tuple[str, ...] = ()
    annotations: dict[str, str] = {}


class Spec(_Trimmed, frozen=True):
    type: str = "ClusterIP"
    ports: tuple[TrimmedPort, ...] = ()
    cluster_ip: str = msgspec.field(default="", name="clusterIP")
    ip_families: tuple[str, ...] = ()
    ip_family_policy: str | None = None
    external_ips: tuple[str, ...] = msgspec.field(default=(), name="externalIPs")
    load_balancer_ip: str = msgspec.field(default="", name="loadBalancerIP")
    load_balancer_class: str | None = None
    load_balancer_source_ranges: tuple[str, ...] = ()
    session_affinity: str = "None"
    session_affinity_config: SessionAffinityConfig | None = None
    external_traffic_policy: str = ""
    health_check_node_port: int = 0


class Service(_Trimmed, frozen=True):
    """As far as a load balancer reads it. Never written: changes go by patches."""

    metadata: Metadata = Metadata()
    spec: Spec = Spec()
    status: ServiceStatus | None = None

    @property
    def key(self) -> str:
        return f"{self.metadata.namespace}/{self.metadata.name}"

    @property
    def addresses(self) -> tuple[str, ...]:
        """Those that its status shows."""
        ingress = self.status.load_balancer.ingress if self.status is not None else ()
        return tuple(each.ip for each in ingress if each.ip)

    @property
    def has_finalizer(self) -> bool:
        return FINALIZER in self.metadata.finalizers

    @property
    def is_wanted(self) -> bool:
        """Whether it is to have a load balancer, of whichever class."""
        return self.spec.type == "LoadBalancer" and self.metadata.deletion_timestamp is None


@dataclass(frozen=True, slots=True)
class Asked:
    """`families` of addresses, of which all must be there if `all_families`. `addresses`: exactly these. `sharing`:
    with whom it may share an address, as long as no port is the same."""

    namespace: str
    families: tuple[Family, ...]
    ports: frozenset[tuple[str, int]]
    all_families: bool = False
    addresses: tuple[str, ...] = ()
    pool: str = ""
    sharing: str = ""


class AskingError(Exception):
    """A Service that asks for what nobody can give. The message names the field or annotation."""


def asked(service: Service) -> Asked:
    """Raises AskingError."""
    spec = service.spec
    families: tuple[Family, ...] = tuple(family for each in spec.ip_families for family in FAMILIES if each == family)
    return Asked(
        service.metadata.namespace,
        families or FAMILIES[:1],
        frozenset((port.protocol, port.port) for port in spec.ports),
        spec.ip_family_policy == "RequireDualStack",
        _asked_addresses(service),
        _annotation(service, POOL),
        _annotation(service, SHARED),
    )


def _asked_addresses(service: Service) -> tuple[str, ...]:
    given = _annotation(service, IPS)
    where = "annotation" if given else "spec.loadBalancerIP"
    texts = [each.strip() for each in given.split(",") if each.strip()] if given else []
    if not given and service.spec.load_balancer_ip:
        texts = [service.spec.load_balancer_ip]
    found = []
    for text in texts:
        try:
            address = str(ipaddress.ip_address(text))
        except ValueError:
            raise AskingError(f"{where}: {text!r} is not an IP address") from None
        if service.spec.ip_families and family_of(address) not in service.spec.ip_families:
            raise AskingError(f"{where}: {address} is {family_of(address)}, which the Service is not of")
        found.append(address)
    if len({family_of(each) for each in found}) < len(found):
        raise AskingError(f"{where}: one address of each family")
    return tuple(found)


def _annotation(service: Service, names: Iterable[str]) -> str:
    annotations = service.metadata.annotations
    for prefix in PREFIXES:
        for name in names:
            if value := annotations.get(f"{prefix}/{name}", "").strip():
                return value
    return ""


def balanced(service: Service, addresses: Iterable[str]) -> Balanced:
    """With the addresses that it was given."""
    spec = service.spec
    local = spec.external_traffic_policy == "Local"
    ranges = spec.load_balancer_source_ranges or service.metadata.annotations.get(RANGES, "").split(",")
    return Balanced(
        tuple(Frontend(address, port.protocol, port.port) for address in addresses for port in spec.ports),
        spec.session_affinity == "ClientIP",
        local,
        spec.health_check_node_port if local else 0,
        tuple(dict.fromkeys(filter(None, map(_range, ranges)))),
    )


def _range(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text.strip(), strict=False))
    except ValueError:
        return ""
