"""What a Service is given: its cluster address, its node ports.

The pools follow the watch cache, so they are right after any restart; a claim covers the time until a write is there.
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from fairlead.api.field import FieldError, invalid
from fairlead.api.resources import SERVICES, Resource
from fairlead.api.status import internal
from fairlead.api.status import invalid as invalid_object
from fairlead.apiserver.allocation import families
from fairlead.apiserver.allocation.pool import Pool
from fairlead.apiserver.entry import Entry
from fairlead.apiserver.validation.service_addresses import parse_address
from fairlead.apiserver.watchcache import Event, WatchCache

Json = dict[str, Any]
TAKEN = "provided port is already allocated"


@dataclass(slots=True)
class Claim:
    """Numbers held for a write; `release` when it has succeeded or failed."""

    _held: list[tuple[Pool, int]] = field(default_factory=list)

    def hold(self, pool: Pool, number: int) -> None:
        self._held.append((pool, number))

    def release(self) -> None:
        for pool, number in self._held:
            pool.release(number)
        self._held.clear()


class Range:
    """The addresses of one family: all but the network's own and, in IPv4, the broadcast address."""

    def __init__(self, cidr: str) -> None:
        self.network = ipaddress.ip_network(cidr)
        self.family = f"IPv{self.network.version}"
        last = int(self.network.broadcast_address) - (self.network.version == 4)
        self.pool = Pool(int(self.network.network_address) + 1, last)

    def text(self, number: int) -> str:
        kind = ipaddress.IPv4Address if self.network.version == 4 else ipaddress.IPv6Address
        return str(kind(number))


class Allocators:
    def __init__(self, cache: WatchCache, service_cidrs: Sequence[str], node_ports: tuple[int, int]) -> None:
        """`service_cidrs`: one, or one of each family; the first is the default. Raises ValueError."""
        ranges = [Range(cidr) for cidr in service_cidrs]
        self._ranges = {each.family: each for each in ranges}
        if not 0 < len(ranges) == len(self._ranges):
            raise ValueError("--service-cluster-ip-range: one range, or two of different IP families")
        self._ports = Pool(*node_ports)
        for entry in cache.shelf(SERVICES.prefix).entries.values():
            self._follow(Event(entry.revision, entry, None))
        cache.listeners.append(self._follow)

    def settle(self, resource: Resource, new: Json, old: Json | None) -> None:
        """Which families `new` has. Raises ApiError (Invalid)."""
        if resource is SERVICES:
            before = None if old is None else old["spec"]
            if errors := families.settle(new["spec"], before, tuple(self._ranges)):
                raise invalid_object(resource, new["metadata"].get("name", ""), errors)

    def claim(self, resource: Resource, new: Json, old: Json | None) -> Claim:
        """Fills in what `new`, whose families are settled, lacks. Raises ApiError (Invalid) for what is taken or out
        of range."""
        claim = Claim()
        if resource is not SERVICES:
            return claim
        key = f"{resource.prefix}{new['metadata']['namespace']}/{new['metadata']['name']}"
        try:
            held = set(old["spec"].get("clusterIPs") or ()) if old is not None else set()
            errors = [*self._addresses(new["spec"], held, key, claim), *self._node_ports(new["spec"], key, claim)]
        except BaseException:  # whatever it is, what was claimed so far is nobody's
            claim.release()
            raise
        if errors:
            claim.release()
            raise invalid_object(resource, new["metadata"]["name"], errors)
        return claim

    def _addresses(self, spec: Json, held: set[str], key: str, claim: Claim) -> list[FieldError]:
        """`held`: what the Service has already, perhaps of a range that is not the cluster's any more."""
        given: list[str] = spec.get("clusterIPs") or []
        if spec["type"] == "ExternalName" or given == ["None"]:
            return []
        for index, family in enumerate(spec["ipFamilies"]):
            wanted = given[index] if index < len(given) else ""
            if wanted in held:
                continue
            within = self._ranges[family]
            if not wanted:
                number = within.pool.claim_any(key)
                if number is None:
                    raise internal("failed to allocate a serviceIP: range is full")
                given = [*given, within.text(number)]
            else:
                number = int(parse_address(wanted))
                if not within.pool.contains(number):
                    valid = f"The range of valid IPs is {within.network}"
                    why = f"the provided IP ({wanted}) is not in the valid range. {valid}"
                    return [invalid("spec.clusterIPs", given, f"failed to allocate IP {wanted}: {why}")]
                if not within.pool.claim(number, key):
                    why = "provided IP is already allocated"
                    return [invalid("spec.clusterIPs", given, f"failed to allocate IP {wanted}: {why}")]
            claim.hold(within.pool, number)
        spec["clusterIP"], spec["clusterIPs"] = given[0], given
        return []

    def _node_ports(self, spec: Json, key: str, claim: Claim) -> list[FieldError]:
        errors: list[FieldError] = []
        if not may_have_node_ports(spec):
            return errors
        by_number: dict[int, set[str]] = {}
        for index, port in enumerate(spec.get("ports", ())):
            number, protocol = port.get("nodePort", 0), port.get("protocol", "TCP")
            if not number and not wants_node_ports(spec):
                continue  # those that are named are given all the same
            if not number:
                number = self._shared(by_number, protocol, spec, port) or self._ports.claim_any(key)
                if number is None:
                    raise internal("failed to allocate a nodePort: range is full")
                claim.hold(self._ports, number)
                port["nodePort"] = number
            else:
                field_ = f"spec.ports[{index}].nodePort"
                if not self._ports.contains(number):
                    errors.append(invalid(field_, number, self._not_in_range()))
                    continue
                if not self._ports.claim(number, key) or protocol in by_number.get(number, ()):
                    errors.append(invalid(field_, number, TAKEN))
                    continue
                claim.hold(self._ports, number)
            by_number.setdefault(number, set()).add(protocol)
        if spec.get("externalTrafficPolicy") == "Local" and spec.get("type") == "LoadBalancer":
            self._health_check(spec, key, claim)
        return errors

    def _not_in_range(self) -> str:
        span = f"{self._ports.first}-{self._ports.last}"
        return f"provided port is not in the valid range. The range of valid ports is {span}"

    def _health_check(self, spec: Json, key: str, claim: Claim) -> None:
        """Raises ApiError (500), as Kubernetes does."""
        number = spec.get("healthCheckNodePort", 0)
        if not number:
            number = self._ports.claim_any(key)
            if number is None:
                raise internal("failed to allocate a healthCheckNodePort: range is full")
            spec["healthCheckNodePort"] = number
        elif not self._ports.contains(number) or not self._ports.claim(number, key):
            why = TAKEN if self._ports.contains(number) else self._not_in_range()
            raise internal(f"failed to allocate requested HealthCheck NodePort {number}: {why}")
        claim.hold(self._ports, number)

    @staticmethod
    def _shared(by_number: dict[int, set[str]], protocol: str, spec: Json, port: Json) -> int | None:
        """The same port over another protocol gets the same node port, as DNS over UDP and TCP."""
        for other in spec["ports"]:
            number = other.get("nodePort", 0)
            if (
                other is not port
                and other["port"] == port["port"]
                and protocol not in by_number.get(number, {protocol})
            ):
                return int(number)
        return None

    def _follow(self, event: Event) -> None:
        if not event.subject.key.startswith(SERVICES.prefix):
            return
        key = event.subject.key
        now, before = _spec(event.entry), _spec(event.previous)
        self._ports.store(key, _ports(now), _ports(before))
        for family, within in self._ranges.items():
            within.pool.store(key, _addresses(now, family), _addresses(before, family))


def may_have_node_ports(spec: Json) -> bool:
    return spec.get("type") in ("NodePort", "LoadBalancer")


def wants_node_ports(spec: Json) -> bool:
    """Also those that it does not name."""
    match spec.get("type"):
        case "NodePort":
            return True
        case "LoadBalancer":
            return bool(spec.get("allocateLoadBalancerNodePorts", True))
    return False


def _spec(entry: Entry | None) -> Json:
    return {} if entry is None else entry.decode().get("spec", {})


def _addresses(spec: Json, family: str) -> set[int]:
    addresses = [parse_address(each) for each in spec.get("clusterIPs") or () if each != "None"]
    return {int(address) for address in addresses if f"IPv{address.version}" == family}


def _ports(spec: Json) -> set[int]:
    ports = {port["nodePort"] for port in spec.get("ports", ()) if port.get("nodePort")}
    return ports | ({spec["healthCheckNodePort"]} if spec.get("healthCheckNodePort") else set())
