"""Questions about the cluster, answered from its index. Pure.

Source: the Kubernetes DNS-Based Service Discovery specification, version 1.1.0; what it leaves open is as CoreDNS's
plugin `kubernetes` has it.
"""

from collections.abc import Iterable, Iterator
from ipaddress import ip_address

import msgspec
from msgspec.structs import replace

from fairlead.dns.config.settings import Kubernetes, matching
from fairlead.dns.entries import Key, Port, ServiceEntry
from fairlead.dns.wire import (
    Rcode,
    Record,
    Reply,
    Type,
    WireError,
    encode_name,
    soa_data,
    srv_data,
    txt_data,
)
from fairlead.dns.zone import SERIAL, Tag, Zone, address_of_reverse, endpoints_of, endpoints_tag, number_of

SPECIFICATION = "1.1.0"
VERSION_TTL = 28800
LONGEST_CHAIN = 10  # of CNAMEs


class Answered(msgspec.Struct, frozen=True, gc=False):
    """`tags`: whose change makes this old. `follow`: a name outside the cluster that a CNAME leads to, whose records
    belong to the answer too."""

    reply: Reply
    tags: frozenset[Tag]
    follow: str | None = None


class Answers:
    """Of one plugin `kubernetes`, about one zone's index."""

    def __init__(self, zone: Zone, settings: Kubernetes, own_addresses: tuple[bytes, ...] = ()) -> None:
        """`own_addresses`: where this server is asked, which the name of the zone's NS record leads to."""
        self._zone = zone
        self._settings = settings
        self._own = own_addresses
        self._domain = settings.primary
        self._ttl = settings.ttl
        self._denials: dict[str, tuple[int, Record, Reply, Reply]] = {}  # by apex, of a serial

    def answer(self, name: str, qtype: int) -> Answered | None:
        """`name`: lowered. None for names outside the zones that are served."""
        apex = matching(name, self._settings.zones)
        if apex is None:
            return None
        if apex.endswith(("in-addr.arpa", "ip6.arpa")):
            return self._reverse(apex, name, qtype)
        return self._forward(apex, name, qtype)

    # Names.

    def _forward(self, apex: str, name: str, qtype: int, chain: tuple[str, ...] = ()) -> Answered:
        labels = name[: -len(apex) - 1].split(".") if name != apex else []
        match labels:
            case []:
                return self._apex(apex, name, qtype)
            case ["dns-version"]:
                text = Record(name, Type.TXT, VERSION_TTL, txt_data(SPECIFICATION))
                return self._chosen(apex, [text], qtype, ())
            case ["dns"]:
                return self._no_data(apex, ())
            case ["ns", "dns"]:
                return self._addresses(apex, name, self._own, qtype, ())
            case ["svc"] | ["pod"]:
                return self._no_data(apex, ())
            case [namespace, "svc" | "pod"]:
                exists = self._exposed(namespace)
                return self._no_data(apex, (namespace,)) if exists else self._no_name(apex, (namespace,))
            case [address, namespace, "pod"]:
                return self._pod(apex, name, address, namespace, qtype)
            case [*above, service, namespace, "svc"]:
                key = (namespace, service)
                entry = self._zone.services.get(key)
                if entry is None or not self._exposed(namespace):
                    return self._no_name(apex, (key, namespace))
                return self._service(apex, name, above, entry, qtype, chain)
        return self._no_name(apex, ())

    def _service(
        self, apex: str, name: str, above: list[str], entry: ServiceEntry, qtype: int, chain: tuple[str, ...]
    ) -> Answered:
        if entry.external_name is not None:
            return self._external(apex, name, above, entry, qtype, chain)
        ignored = self._settings.ignore_empty_service
        tags = _tags(entry, endpoints=entry.headless or ignored or len(above) == 1)
        empty = ignored and not self._zone.has_endpoints(entry.key)
        if empty and not entry.headless:
            return self._no_name(apex, tags)
        match above:
            case []:
                if qtype == Type.SRV:
                    return self._srv(apex, name, entry, None, tags)
                found = entry.addresses if not entry.headless else self._ready(entry)
                if entry.headless and not found:
                    return self._no_name(apex, tags)
                return self._addresses(apex, name, found, qtype, tags)
            case [label] if label.startswith("_") and label in self._protocols(apex, entry):
                return self._no_data(apex, tags)  # there are names below it (RFC 8020)
            case [host]:
                found = tuple(packed for each, packed in self._endpoints(entry) if each.lower() == host)
                if not found:
                    return self._no_name(apex, tags)
                if qtype == Type.SRV:
                    return self._srv(apex, name, entry, None, tags, host)
                return self._addresses(apex, name, found, qtype, tags)
            case [port, protocol] if port.startswith("_") and protocol.startswith("_"):
                answered = self._srv(apex, name, entry, (port[1:], protocol[1:]), tags)
                if not answered.reply.answers:
                    return self._no_name(apex, tags)
                return answered if qtype in (Type.SRV, Type.ANY) else self._no_data(apex, tags)
        return self._no_name(apex, tags)

    def _external(
        self, apex: str, name: str, above: list[str], entry: ServiceEntry, qtype: int, chain: tuple[str, ...]
    ) -> Answered:
        """A CNAME, whatever is asked for, followed inside the cluster here; what its end is decides about the code
        (RFC 6604). An external name that is an address is taken for a name, which nobody has (the Service's reference
        says so, and CoreDNS answers so)."""
        target = (entry.external_name or "").lower()
        tags = _tags(entry, endpoints=False)
        if above or not target or _is_address(target):
            return self._no_name(apex, tags)
        try:
            alias = Record(name, Type.CNAME, self._ttl, encode_name(target))
        except (WireError, UnicodeEncodeError):
            return self._no_name(apex, tags)
        told = Answered(Reply(answers=(alias,)), frozenset(tags))
        chain = (*chain, name)
        if qtype in (Type.CNAME, Type.ANY) or target in chain or len(chain) > LONGEST_CHAIN:
            return told
        inside = matching(target, tuple(zone for zone in self._settings.zones if not zone.endswith("arpa")))
        if inside is None:
            return replace(told, follow=target)
        followed = self._forward(inside, target, qtype, chain)
        reply = replace(followed.reply, answers=(alias, *followed.reply.answers))
        return Answered(reply, told.tags | followed.tags, followed.follow)

    def _srv(
        self,
        apex: str,
        name: str,
        entry: ServiceEntry,
        wanted: tuple[str, str] | None,
        tags: tuple[Tag, ...],
        host: str | None = None,
    ) -> Answered:
        """A record a port and target: the Service itself, or each endpoint of a headless one (2.3.2, 2.4.2). Targets
        share the weight 100, as in CoreDNS."""
        targets: dict[tuple[int, str], None] = {}
        additional: dict[tuple[str, bytes], None] = {}
        count = 0
        for port, target, addresses in self._targets(apex, entry, host):
            if wanted is None or (port.name.lower(), port.protocol) == wanted:
                targets[port.port, target] = None
                additional.update(dict.fromkeys((target, packed) for packed in addresses))
                count += len(addresses)
        if not targets:
            missing = entry.headless and wanted is None and not self._ready(entry)
            return self._no_name(apex, tags) if missing else self._no_data(apex, tags)
        weight = max(1, 100 // max(1, count))
        reply = Reply(
            answers=tuple(
                Record(name, Type.SRV, self._ttl, srv_data(0, weight, port, target)) for port, target in targets
            ),
            additional=tuple(self._address(target, packed) for target, packed in additional),
        )
        return Answered(reply, frozenset(tags))

    def _protocols(self, apex: str, entry: ServiceEntry) -> set[str]:
        """`_tcp` and so on, below which the Service has ports."""
        return {f"_{port.protocol}" for port, _, _ in self._targets(apex, entry, None) if port.name}

    def _targets(
        self, apex: str, entry: ServiceEntry, host: str | None
    ) -> Iterator[tuple[Port, str, tuple[bytes, ...]]]:
        own = f"{entry.key[1]}.{entry.key[0]}.svc.{apex}"
        if not entry.headless and host is None:
            for port in entry.ports:
                yield port, own, entry.addresses
            return
        for slice_ in self._zone.slices_of(entry.key) if self._settings.endpoints else ():
            endpoints = list(endpoints_of(entry, slice_, pod_names=self._settings.endpoint_pod_names))
            for port in slice_.ports:
                for each, packed in endpoints:
                    if host is None or each.lower() == host:
                        yield port, f"{each}.{own}", (packed,)

    def _endpoints(self, entry: ServiceEntry) -> Iterator[tuple[str, bytes]]:
        if self._settings.endpoints:
            for slice_ in self._zone.slices_of(entry.key):
                yield from endpoints_of(entry, slice_, pod_names=self._settings.endpoint_pod_names)

    def _ready(self, entry: ServiceEntry) -> tuple[bytes, ...]:
        if not self._settings.endpoints:
            return ()
        found: dict[bytes, None] = {}
        for slice_ in self._zone.slices_of(entry.key):
            found.update(dict.fromkeys(slice_.packed(all_=entry.publish_not_ready)))
        return tuple(found)

    def _pod(self, apex: str, name: str, text: str, namespace: str, qtype: int) -> Answered:
        """`pods insecure`: the address that the name spells; `verified`: if a pod of the namespace has it."""
        if self._settings.pods == "disabled" or not self._exposed(namespace):
            return self._no_name(apex, (namespace,))
        try:
            spelt = text.replace("-", "." if text.count("-") == 3 and "--" not in text else ":")
            packed = ip_address(spelt).packed
        except ValueError:
            return self._no_name(apex, (namespace,))
        number = number_of(packed)
        tags = (namespace, number)
        if self._settings.pods == "verified" and namespace not in self._zone.namespaces_of_pods_at(number):
            return self._no_name(apex, tags)
        return self._addresses(apex, name, (packed,), qtype, tags)

    def _apex(self, apex: str, name: str, qtype: int) -> Answered:
        own = f"ns.dns.{apex}"
        server = Record(name, Type.NS, self._ttl, encode_name(own))
        answered = self._chosen(apex, [self._soa(apex), server], qtype, (SERIAL,))
        if qtype == Type.NS:
            extra = tuple(self._address(own, packed) for packed in self._own)
            return Answered(Reply(answers=answered.reply.answers, additional=extra), answered.tags)
        return answered

    def _exposed(self, namespace: str) -> bool:
        listed = self._settings.namespaces
        return namespace in self._zone.namespaces and (not listed or namespace in listed)

    # Addresses.

    def _reverse(self, apex: str, name: str, qtype: int) -> Answered:
        if name == apex:
            return self._apex(apex, name, qtype)
        if name == f"ns.dns.{apex}":
            return self._addresses(apex, name, self._own, qtype, ())
        packed = address_of_reverse(name)
        if packed is None:
            return self._no_name(apex, ())
        number = number_of(packed)
        key = self._zone.service_at(number)
        owners = (key,) if key is not None else self._zone.services_of_endpoint(number)
        tags: tuple[Tag, ...] = (number, *(tag for owner in owners for tag in (owner, owner[0], endpoints_tag(owner))))
        targets = tuple(dict.fromkeys(self._names_at(key, owners, packed)))
        if not targets:
            return self._no_name(apex, tags)
        records = [Record(name, Type.PTR, self._ttl, encode_name(f"{each}.svc.{self._domain}")) for each in targets]
        return self._chosen(apex, records, qtype, tags)

    def _names_at(self, key: Key | None, owners: tuple[Key, ...], packed: bytes) -> Iterator[str]:
        """A Service's address is that Service's alone; an endpoint's is of every Service that has it."""
        if key is not None:
            if self._exposed(key[0]):
                yield f"{key[1]}.{key[0]}"
            return
        for owner in owners:
            entry = self._zone.services.get(owner)
            if entry is not None and entry.external_name is None and self._exposed(owner[0]):
                yield from (f"{host}.{owner[1]}.{owner[0]}" for host, each in self._endpoints(entry) if each == packed)

    # How answers are built.

    def _addresses(
        self, apex: str, name: str, addresses: Iterable[bytes], qtype: int, tags: tuple[Tag, ...]
    ) -> Answered:
        return self._chosen(apex, [self._address(name, packed) for packed in addresses], qtype, tags)

    def _chosen(self, apex: str, records: list[Record], qtype: int, tags: tuple[Tag, ...]) -> Answered:
        """Those of the type asked for; NODATA where none is left."""
        chosen = tuple(record for record in records if qtype in (record.type, Type.ANY))
        return Answered(Reply(answers=chosen), frozenset(tags)) if chosen else self._no_data(apex, tags)

    def _address(self, name: str, packed: bytes) -> Record:
        return Record(name, Type.A if len(packed) == 4 else Type.AAAA, self._ttl, packed)

    def _no_data(self, apex: str, tags: tuple[Tag, ...]) -> Answered:
        return Answered(self._denial(apex)[2], frozenset(tags))

    def _no_name(self, apex: str, tags: tuple[Tag, ...]) -> Answered:
        return Answered(self._denial(apex)[3], frozenset(tags))

    def _soa(self, apex: str) -> Record:
        return self._denial(apex)[1]

    def _denial(self, apex: str) -> tuple[int, Record, Reply, Reply]:
        """The serial, the SOA with it, NODATA and NXDOMAIN: the same for all questions until something changes."""
        serial = self._zone.serial & 0xFFFFFFFF
        known = self._denials.get(apex)
        if known is None or known[0] != serial:
            soa = Record(apex, Type.SOA, self._ttl, soa_data(apex, serial, self._ttl))
            known = serial, soa, Reply(authority=(soa,)), Reply(Rcode.NXDOMAIN, authority=(soa,))
            self._denials[apex] = known
        return known

    # A whole zone, for AXFR.

    def transfer(self, apex: str) -> Iterator[Record]:
        """Every record of a zone, its SOA first and last (RFC 5936). Addresses have no order that a peer could use."""
        soa = self._soa(apex)
        yield soa
        yield Record(apex, Type.NS, self._ttl, encode_name(f"ns.dns.{apex}"))
        for packed in self._own:
            yield self._address(f"ns.dns.{apex}", packed)
        yield Record(f"dns-version.{apex}", Type.TXT, VERSION_TTL, txt_data(SPECIFICATION))
        for key in list(self._zone.services):
            yield from self._transferred(apex, key)
        yield soa

    def _transferred(self, apex: str, key: Key) -> Iterator[Record]:
        entry = self._zone.services.get(key)
        if entry is None or not self._exposed(key[0]):
            return
        name = f"{key[1]}.{key[0]}.svc.{apex}"
        for qtype in (Type.CNAME,) if entry.external_name is not None else (Type.A, Type.AAAA, Type.SRV):
            yield from self._service(apex, name, [], entry, qtype, ()).reply.answers
        if entry.external_name is not None:
            return
        ports = entry.ports if not entry.headless else [p for s in self._zone.slices_of(key) for p in s.ports]
        for port in dict.fromkeys((p.name, p.protocol) for p in ports if p.name):
            where = f"_{port[0]}._{port[1]}.{name}"
            yield from self._srv(apex, where, entry, (port[0].lower(), port[1]), ()).reply.answers
        for host, packed in dict.fromkeys(self._endpoints(entry)):
            yield self._address(f"{host}.{name}", packed)
        for host in dict.fromkeys(host for host, _ in self._endpoints(entry)):
            yield from self._srv(apex, f"{host}.{name}", entry, None, (), host.lower()).reply.answers


def _tags(entry: ServiceEntry, *, endpoints: bool) -> tuple[Tag, ...]:
    """Whose change makes an answer about a Service old."""
    own = (entry.key, entry.key[0])
    return (*own, endpoints_tag(entry.key)) if endpoints else own


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
