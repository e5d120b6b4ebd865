"""What a Service is given: its cluster address, its node ports.

The pools follow the watch cache, so they are right after any restart; a claim covers the time until a write is there.
"""

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from fairlead.api.field import FieldError, invalid
from fairlead.api.resources import SERVICES, Resource
from fairlead.api.status import internal
from fairlead.api.status import invalid as invalid_object
from fairlead.apiserver.allocation.pool import Pool
from fairlead.apiserver.entry import Entry
from fairlead.apiserver.watchcache import Event, WatchCache

Json = dict[str, Any]


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


class Allocators:
    def __init__(self, cache: WatchCache, service_cidr: str, node_ports: tuple[int, int]) -> None:
        self._network = ipaddress.IPv4Network(service_cidr)
        first = int(self._network.network_address) + 1
        self._addresses = Pool(first, int(self._network.broadcast_address) - 1)
        self._ports = Pool(*node_ports)
        for entry in cache.shelf(SERVICES.prefix).entries.values():
            self._follow(Event(entry.revision, entry, None))
        cache.listeners.append(self._follow)

    def claim(self, resource: Resource, new: Json, old: Json | None) -> Claim:
        """Fills in what `new` lacks. Raises ApiError (Invalid) for what is taken or out of range."""
        claim = Claim()
        if resource is not SERVICES:
            return claim
        key = f"{resource.prefix}{new['metadata']['namespace']}/{new['metadata']['name']}"
        try:
            errors = [*self._address(new["spec"], key, claim), *self._node_ports(new["spec"], key, claim)]
        except BaseException:
            claim.release()
            raise
        if errors:
            claim.release()
            raise invalid_object(resource, new["metadata"]["name"], errors)
        return claim

    def _address(self, spec: Json, key: str, claim: Claim) -> list[FieldError]:
        if spec.get("type") == "ExternalName" or spec.get("clusterIP") == "None":
            return []
        wanted = spec.get("clusterIP", "")
        if not wanted:
            number = self._addresses.claim_any(key)
            if number is None:
                raise internal("failed to allocate a serviceIP: range is full")
            claim.hold(self._addresses, number)
            spec["clusterIP"] = str(ipaddress.IPv4Address(number))
            spec["clusterIPs"] = [spec["clusterIP"]]
            return []
        number = int(ipaddress.IPv4Address(wanted))
        if not self._addresses.contains(number):
            why = f"the provided IP ({wanted}) is not in the valid range. The range of valid IPs is {self._network}"
        elif not self._addresses.claim(number, key):
            why = "provided IP is already allocated"
        else:
            claim.hold(self._addresses, number)
            return []
        return [invalid("spec.clusterIPs", [wanted], f"failed to allocate IP {wanted}: {why}")]

    def _node_ports(self, spec: Json, key: str, claim: Claim) -> list[FieldError]:
        errors: list[FieldError] = []
        if not wants_node_ports(spec):
            return errors
        by_number: dict[int, set[str]] = {}
        for index, port in enumerate(spec.get("ports", ())):
            number, protocol = port.get("nodePort", 0), port.get("protocol", "TCP")
            if not number:
                number = self._shared(by_number, protocol, spec, port) or self._ports.claim_any(key)
                if number is None:
                    raise internal("failed to allocate a nodePort: range is full")
                claim.hold(self._ports, number)
                port["nodePort"] = number
            else:
                field_ = f"spec.ports[{index}].nodePort"
                if not self._ports.contains(number):
                    span = f"{self._ports.first}-{self._ports.last}"
                    why = f"provided port is not in the valid range. The range of valid ports is {span}"
                    errors.append(invalid(field_, number, why))
                    continue
                if not self._ports.claim(number, key) or protocol in by_number.get(number, ()):
                    errors.append(invalid(field_, number, "provided port is already allocated"))
                    continue
                claim.hold(self._ports, number)
            by_number.setdefault(number, set()).add(protocol)
        if spec.get("externalTrafficPolicy") == "Local" and spec.get("type") == "LoadBalancer":
            errors += self._health_check(spec, key, claim)
        return errors

    def _health_check(self, spec: Json, key: str, claim: Claim) -> list[FieldError]:
        number = spec.get("healthCheckNodePort", 0)
        if not number:
            number = self._ports.claim_any(key)
            if number is None:
                raise internal("failed to allocate a healthCheckNodePort: range is full")
            spec["healthCheckNodePort"] = number
        elif not self._ports.contains(number) or not self._ports.claim(number, key):
            return [invalid("spec.healthCheckNodePort", number, "provided port is already allocated")]
        claim.hold(self._ports, number)
        return []

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
        for pool, numbers in ((self._addresses, _addresses), (self._ports, _ports)):
            pool.store(key, _of(event.entry, numbers), _of(event.previous, numbers))


def wants_node_ports(spec: Json) -> bool:
    match spec.get("type"):
        case "NodePort":
            return True
        case "LoadBalancer":
            return bool(spec.get("allocateLoadBalancerNodePorts", True))
    return False


def _of(entry: Entry | None, numbers: Callable[[Json], set[int]]) -> set[int]:
    return set() if entry is None else numbers(entry.decode().get("spec", {}))


def _addresses(spec: Json) -> set[int]:
    address = spec.get("clusterIP") or "None"
    return set() if address == "None" else {int(ipaddress.IPv4Address(address))}


def _ports(spec: Json) -> set[int]:
    ports = {port["nodePort"] for port in spec.get("ports", ()) if port.get("nodePort")}
    return ports | ({spec["healthCheckNodePort"]} if spec.get("healthCheckNodePort") else set())
