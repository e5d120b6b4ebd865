"""The cluster's zone: what Services and EndpointSlices say, indexed by what a question asks. Pure.

Source: the Kubernetes DNS-Based Service Discovery specification, version 1.1.0. A change touches only the entries of
its own Service; a question costs a few dictionary look-ups, whatever the cluster's size.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from fairlead.api.types.core import Service
from fairlead.api.types.discovery import EndpointSlice
from fairlead.dns.wire import IN, Rcode, Record, Reply, Type, address_data, encode_name, soa_data, srv_data, txt_data

SPECIFICATION = "1.1.0"
Address = IPv4Address | IPv6Address
Key = tuple[str, str]  # (namespace, name)


@dataclass(frozen=True, slots=True)
class Port:
    name: str
    protocol: str  # lowered: tcp, udp, sctp
    port: int


@dataclass(frozen=True, slots=True)
class ServiceEntry:
    """A Service, trimmed to what DNS needs."""

    key: Key
    addresses: tuple[Address, ...]
    ports: tuple[Port, ...]
    headless: bool
    external_name: str | None
    publish_not_ready: bool

    @classmethod
    def from_api(cls, service: Service) -> "ServiceEntry":
        spec = service.spec
        external = spec.external_name.rstrip(".") if spec.type == "ExternalName" else None
        headless = service.is_headless
        addresses = () if headless or external else tuple(spec.cluster_ips or filter(None, (spec.cluster_ip,)))
        return cls(
            key=(service.metadata.namespace, service.metadata.name),
            addresses=tuple(ip_address(a) for a in addresses),
            ports=tuple(Port(p.name, p.protocol.lower(), p.port) for p in spec.ports),
            headless=headless,
            external_name=external,
            publish_not_ready=spec.publish_not_ready_addresses,
        )


@dataclass(frozen=True, slots=True)
class EndpointEntry:
    address: Address
    host: str  # the pod's hostname, or its address with dashes
    ready: bool


@dataclass(frozen=True, slots=True)
class SliceEntry:
    """An EndpointSlice of one Service."""

    service: Key
    endpoints: tuple[EndpointEntry, ...]
    ports: tuple[Port, ...]

    @classmethod
    def from_api(cls, slice_: EndpointSlice) -> "SliceEntry | None":
        """None for slices that belong to no Service, or hold names instead of addresses."""
        service = slice_.metadata.labels.get("kubernetes.io/service-name")
        if service is None or slice_.address_type == "FQDN":
            return None
        endpoints = tuple(
            EndpointEntry(ip_address(text), e.hostname or dashed(text), e.conditions.ready is not False)
            for e in slice_.endpoints
            for text in e.addresses
        )
        ports = tuple(
            Port(p.name or "", (p.protocol or "TCP").lower(), p.port) for p in slice_.ports if p.port is not None
        )
        return cls((slice_.metadata.namespace, service), endpoints, ports)


def dashed(address: str) -> str:
    """`10.244.1.4` → `10-244-1-4`, as endpoints without a hostname are called."""
    return address.replace(".", "-").replace(":", "-")


class Zone:
    """The index and its answers. Not thread-safe: one writer, the part's event loop."""

    def __init__(self, domain: str, ttl: int) -> None:
        """`domain`: `cluster.local`; `ttl`: seconds, for every record."""
        self.domain = domain.strip(".").lower()
        self.ttl = ttl
        self.serial = 1
        self._services: dict[Key, ServiceEntry] = {}
        self._slices: dict[Key, dict[str, SliceEntry]] = {}
        self._slice_owner: dict[tuple[str, str], Key] = {}
        self._namespaces: set[str] = set()
        self._pointers: dict[Address, dict[object, str]] = {}
        self._turn = 0

    # What changes.

    def put_namespace(self, name: str) -> None:
        self._namespaces.add(name)

    def remove_namespace(self, name: str) -> None:
        self._namespaces.discard(name)

    def put_service(self, entry: ServiceEntry) -> None:
        self.remove_service(entry.key)
        self._services[entry.key] = entry
        for address in entry.addresses:
            self._pointers.setdefault(address, {})[entry.key] = self._service_name(entry.key)
        self._point_to_endpoints(entry.key, add=True)

    def remove_service(self, key: Key) -> None:
        self.serial += 1
        self._point_to_endpoints(key, add=False)
        entry = self._services.pop(key, None)
        for address in entry.addresses if entry else ():
            self._unpoint(address, key)

    def put_slice(self, namespace: str, name: str, entry: SliceEntry | None) -> None:
        """`entry` None: the slice holds nothing for DNS, or went away."""
        self.serial += 1
        owner = self._slice_owner.pop((namespace, name), None)
        affected = {key for key in (owner, entry.service if entry else None) if key is not None}
        for key in affected:
            self._point_to_endpoints(key, add=False)
        if owner is not None:
            slices = self._slices[owner]
            del slices[name]
            if not slices:
                del self._slices[owner]
        if entry is not None:
            self._slice_owner[(namespace, name)] = entry.service
            self._slices.setdefault(entry.service, {})[name] = entry
        for key in affected:
            self._point_to_endpoints(key, add=True)

    def _point_to_endpoints(self, key: Key, *, add: bool) -> None:
        """PTR for endpoints of headless Services only (specification 2.4.3)."""
        service = self._services.get(key)
        if service is None or not service.headless:
            return
        for endpoint in self._endpoints(service):
            mark = (key, endpoint.host)
            if add:
                names = self._pointers.setdefault(endpoint.address, {})
                names[mark] = f"{endpoint.host}.{self._service_name(key)}"
            else:
                self._unpoint(endpoint.address, mark)

    def _unpoint(self, address: Address, mark: object) -> None:
        names = self._pointers.get(address, {})
        names.pop(mark, None)
        if not names:
            self._pointers.pop(address, None)

    # What is asked.

    def answer(self, name: str, qtype: int, klass: int = IN) -> Reply:
        """`name`: lowered, without the final dot. REFUSED for names outside the cluster's zones."""
        if klass not in (IN, Type.ANY):
            return Reply(Rcode.REFUSED, authoritative=False)
        if name == self.domain or name.endswith("." + self.domain):
            labels = name[: -len(self.domain) - 1].split(".") if name != self.domain else []
            return self._in_domain(name, labels, qtype)
        if name.endswith((".in-addr.arpa", ".ip6.arpa")):
            return self._reverse(name, qtype)
        return Reply(Rcode.REFUSED, authoritative=False)

    def _in_domain(self, name: str, labels: list[str], qtype: int) -> Reply:
        match labels:
            case []:
                return self._apex(name, qtype)
            case ["dns-version"]:
                return self._records(name, qtype, [(Type.TXT, txt_data(SPECIFICATION))])
            case ["svc"] | ["pod"]:
                return self._no_data()
            case [namespace, "svc" | "pod"]:
                return self._no_data() if self._namespace_exists(namespace) else self._no_name()
            case [address, namespace, "pod"]:
                return self._pod(name, address, namespace, qtype)
            case [*above, service, namespace, "svc"]:
                entry = self._services.get((namespace, service))
                return self._no_name() if entry is None else self._service(name, above, entry, qtype)
        return self._no_name()

    def _service(self, name: str, above: list[str], entry: ServiceEntry, qtype: int) -> Reply:
        if entry.external_name is not None:
            return self._external(name, above, entry.external_name, qtype)
        match above:
            case []:
                addresses = self._addresses(entry)
                if entry.headless and not addresses:
                    return self._no_name()
                if qtype in (Type.SRV, Type.ANY):
                    return self._srv(name, entry, lambda _: True)
                return self._address_reply(name, addresses, qtype)
            case [host]:
                found = [e.address for e in self._endpoints(entry) if e.host == host]
                return self._address_reply(name, found, qtype) if found else self._no_name()
            case [port, protocol] if port.startswith("_") and protocol.startswith("_"):
                wanted = (port[1:], protocol[1:])
                reply = self._srv(name, entry, lambda p: (p.name, p.protocol) == wanted)
                if not reply.answers:
                    return self._no_name()
                return reply if qtype in (Type.SRV, Type.ANY) else self._no_data()
        return self._no_name()

    def _external(self, name: str, above: list[str], target: str, qtype: int) -> Reply:
        if above:
            return self._no_name()
        try:
            address = ip_address(target)
        except ValueError:
            cname = Record(name, Type.CNAME, self.ttl, encode_name(target.lower()))
            inside = target.lower().endswith("." + self.domain) and qtype in (Type.A, Type.AAAA)
            followed = self.answer(target.lower(), qtype).answers if inside else ()
            return Reply(answers=(cname, *followed))
        return self._address_reply(name, [address], qtype)

    def _srv(self, name: str, entry: ServiceEntry, wanted: Callable[[Port], bool]) -> Reply:
        """One record a port and target: the Service itself, or each endpoint of a headless one (2.3.2, 2.4.2)."""
        answers: dict[Record, None] = {}
        additional: dict[Record, None] = {}
        for port, target, addresses in self._targets(entry):
            if wanted(port):
                answers[Record(name, Type.SRV, self.ttl, srv_data(0, 100, port.port, target))] = None
                additional.update(dict.fromkeys(self._address_records(target, a) for a in addresses))
        return Reply(answers=tuple(answers), additional=tuple(additional)) if answers else self._no_data()

    def _targets(self, entry: ServiceEntry) -> Iterator[tuple[Port, str, tuple[Address, ...]]]:
        own = self._service_name(entry.key)
        if not entry.headless:
            for port in entry.ports:
                yield port, own, entry.addresses
            return
        for slice_ in self._slices.get(entry.key, {}).values():
            for port in slice_.ports:
                for endpoint in slice_.endpoints:
                    if endpoint.ready or entry.publish_not_ready:
                        yield port, f"{endpoint.host}.{own}", (endpoint.address,)

    def _pod(self, name: str, text: str, namespace: str, qtype: int) -> Reply:
        """`pods insecure`: the address that the name spells, whether such a pod exists or not, as kubeadm sets it."""
        if not self._namespace_exists(namespace):
            return self._no_name()
        try:
            address = ip_address(text.replace("-", "." if text.count("-") == 3 and "--" not in text else ":"))
        except ValueError:
            return self._no_name()
        return self._address_reply(name, [address], qtype)

    def _reverse(self, name: str, qtype: int) -> Reply:
        address = _address_of_reverse(name)
        names = self._pointers.get(address) if address else None
        if not names:
            return Reply(Rcode.NXDOMAIN, authority=(self._soa(),))
        return self._records(name, qtype, [(Type.PTR, encode_name(target)) for target in names.values()])

    def _apex(self, name: str, qtype: int) -> Reply:
        ns = (Type.NS, encode_name(f"ns.dns.{self.domain}"))
        soa = (Type.SOA, self._soa().data)
        return self._records(name, qtype, [soa, ns])

    # How answers are built.

    def _address_reply(self, name: str, addresses: list[Address], qtype: int) -> Reply:
        return self._records(name, qtype, [(_type_of(a), address_data(a)) for a in addresses])

    def _records(self, name: str, qtype: int, records: list[tuple[Type, bytes]]) -> Reply:
        """Those of the type asked for, each answer beginning one further than the last; NODATA where none is left."""
        chosen = [Record(name, t, self.ttl, data) for t, data in records if qtype in (t, Type.ANY)]
        if not chosen:
            return self._no_data()
        self._turn += 1
        start = self._turn % len(chosen)
        return Reply(answers=(*chosen[start:], *chosen[:start]))

    def _address_records(self, name: str, address: Address) -> Record:
        return Record(name, _type_of(address), self.ttl, address_data(address))

    def _no_data(self) -> Reply:
        return Reply(authority=(self._soa(),))

    def _no_name(self) -> Reply:
        return Reply(Rcode.NXDOMAIN, authority=(self._soa(),))

    def _soa(self) -> Record:
        return Record(self.domain, Type.SOA, self.ttl, soa_data(self.domain, self.serial & 0xFFFFFFFF, self.ttl))

    def _service_name(self, key: Key) -> str:
        return f"{key[1]}.{key[0]}.svc.{self.domain}"

    def _namespace_exists(self, namespace: str) -> bool:
        return namespace in self._namespaces

    def _endpoints(self, entry: ServiceEntry) -> Iterator[EndpointEntry]:
        for slice_ in self._slices.get(entry.key, {}).values():
            for endpoint in slice_.endpoints:
                if endpoint.ready or entry.publish_not_ready:
                    yield endpoint

    def _addresses(self, entry: ServiceEntry) -> list[Address]:
        if not entry.headless:
            return list(entry.addresses)
        return list(dict.fromkeys(endpoint.address for endpoint in self._endpoints(entry)))


def _type_of(address: Address) -> Type:
    return Type.A if address.version == 4 else Type.AAAA


def _address_of_reverse(name: str) -> Address | None:
    """`10.0.96.10.in-addr.arpa` → 10.96.0.10; None for anything else."""
    labels = name.split(".")
    try:
        if labels[-2] == "in-addr" and len(labels) == 6:
            return ip_address(".".join(reversed(labels[:4])))
        if labels[-2] == "ip6" and len(labels) == 34:
            return IPv6Address(int("".join(reversed(labels[:32])), 16))
    except ValueError:
        return None
    return None
