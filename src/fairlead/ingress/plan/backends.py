"""Endpoints of a Service's port, as an Ingress names it."""

import ipaddress
from collections.abc import Iterable
from typing import Protocol

from fairlead.api.types.discovery import EndpointConditions, EndpointSlice, SliceEndpoint, SlicePort
from fairlead.api.types.service import Endpoints, Service, ServicePort
from fairlead.ingress.plan.model import Backend
from fairlead.ingress.plan.targets import Target
from fairlead.services.model import Endpoint, usable

NOWHERE = Backend(endpoints=())


class Sources(Protocol):
    def service(self, key: str) -> Service | None: ...
    def slice_list(self, key: str) -> Iterable[EndpointSlice]: ...
    def addresses(self, name: str) -> tuple[str, ...]: ...


def backend_of(target: Target, sources: Sources, protocol: str = "TCP") -> Backend:
    """Without a Service, or without anybody behind it: no endpoints."""
    if target.host:
        return _outside(target.host, int(target.port), sources)
    service = sources.service(target.service_key)
    if service is None:
        return NOWHERE
    if service.spec.type == "ExternalName":
        port = port_of(service, target.port)
        number = port.port if port is not None else int(target.port) if target.port.isdigit() else 0
        return _outside(service.spec.external_name, number, sources)
    if target.direct:
        return through_service(service, target.port)
    return backend(service, target.port, sources.slice_list(target.service_key), protocol)


def port_of(service: Service, port: str) -> ServicePort | None:
    """By number, by name, or, as ingress-nginx does, by the target port's name or number. Empty: the first one."""
    if not port:
        return service.spec.ports[0] if service.spec.ports else None
    for each in service.spec.ports:
        if port in (str(each.port), each.name):
            return each
    for each in service.spec.ports:
        if port == str(each.target_port):
            return each
    return None


def backend(service: Service, port: str, slices: Iterable[EndpointSlice], protocol: str = "TCP") -> Backend:
    """Pods' own addresses: connections go to them, not through the Service's."""
    found = port_of(service, port)
    if found is None or found.protocol != protocol:
        return NOWHERE
    endpoints = dict.fromkeys(_endpoints(found, slices))
    return _backend((each.address, each.port) for each in usable(endpoints))


def through_service(service: Service, port: str) -> Backend:
    """The Service's own address, for who wants the node's proxy to choose (`service-upstream`)."""
    found = port_of(service, port)
    if found is None or not _routable(service.spec.cluster_ip):
        return NOWHERE
    return _backend([(service.spec.cluster_ip, found.port)])


def _outside(name: str, port: int, sources: Sources) -> Backend:
    try:
        addresses: tuple[str, ...] = (str(ipaddress.ip_address(name)),)
    except ValueError:
        addresses = sources.addresses(name)
    return _backend((each, port) for each in addresses if port and _routable(each))


def _backend(found: Iterable[tuple[str, int]]) -> Backend:
    """In a stable order; IPv6 addresses in brackets, as nginx wants them."""
    parsed = sorted({(ipaddress.ip_address(address), port) for address, port in found}, key=_order)
    return Backend(
        endpoints=tuple((f"[{address}]" if address.version == 6 else str(address), port) for address, port in parsed)
    )


def _order(each: tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, int]) -> tuple[int, bytes, int]:
    return each[0].version, each[0].packed, each[1]


def _endpoints(port: ServicePort, slices: Iterable[EndpointSlice]) -> Iterable[Endpoint]:
    for each in slices:
        numbers = [p.port for p in each.ports if (p.name or "") == port.name and (p.protocol or "TCP") == port.protocol]
        for number in numbers:
            if number is None:
                continue
            for endpoint in each.endpoints:
                if not endpoint.addresses or not _routable(endpoint.addresses[0]):
                    continue
                conditions = endpoint.conditions
                ready = conditions.ready is not False
                serving = ready if conditions.serving is None else conditions.serving
                yield Endpoint(endpoint.addresses[0], number, ready, serving, bool(conditions.terminating))


def _routable(address: str) -> bool:
    """Never nginx's own machine: the API refuses such endpoints too, and a name's answer could be one."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return not (parsed.is_loopback or parsed.is_link_local or parsed.is_unspecified or parsed.is_multicast)


def slices_of(endpoints: Endpoints) -> tuple[EndpointSlice, ...]:
    """The same as slices, where Endpoints are all that may be read."""
    made = []
    for subset in endpoints.subsets:
        ports = [SlicePort(name=p.name, protocol=p.protocol, port=p.port) for p in subset.ports]
        ready, unready = EndpointConditions(ready=True), EndpointConditions(ready=False)
        found = [SliceEndpoint(addresses=[each.ip], conditions=ready) for each in subset.addresses]
        found += [SliceEndpoint(addresses=[each.ip], conditions=unready) for each in subset.not_ready_addresses]
        made.append(EndpointSlice(metadata=endpoints.metadata, address_type="IPv4", endpoints=found, ports=ports))
    return tuple(made)
