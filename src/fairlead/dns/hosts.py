"""The plugin `hosts`: names and addresses as in hosts(5). Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address

from fairlead.dns.config.settings import Hosts, is_in
from fairlead.dns.wire import Rcode, Record, Reply, Type, WireError, encode_name
from fairlead.dns.zone import address_of_reverse


@dataclass(frozen=True, slots=True)
class Table:
    """Names are lowered, addresses packed; a name may have several of both families."""

    addresses: Mapping[str, tuple[bytes, ...]]
    names: Mapping[bytes, tuple[str, ...]]


def parse(*texts: str) -> Table:
    """What is no address or no name is left out, as the C library does. Earlier texts win over later ones."""
    addresses: dict[str, dict[bytes, None]] = {}
    names: dict[bytes, dict[str, None]] = {}
    for text in texts:
        told = set(addresses)
        for line in text.splitlines():
            first, *others = line.partition("#")[0].split() or [""]
            try:
                packed = ip_address(first.partition("%")[0]).packed
            except ValueError:
                continue
            for other in others:
                name = other.rstrip(".").lower()
                try:
                    encode_name(name)
                except (WireError, UnicodeEncodeError):
                    continue
                if name not in told:
                    addresses.setdefault(name, {})[packed] = None
                    names.setdefault(packed, {})[name] = None
    return Table(
        {name: tuple(each) for name, each in addresses.items()},
        {packed: tuple(each) for packed, each in names.items()},
    )


def answer(table: Table, settings: Hosts, name: str, qtype: int) -> Reply | None:
    """None: the next plugin shall answer. Without a SOA a name cannot be denied, so what is unknown and may not fall
    through is a failure, as in CoreDNS."""
    if not any(is_in(name, zone) for zone in settings.zones):
        return None
    records: list[Record] = []
    known = name in table.addresses
    for packed in table.addresses.get(name, ()):
        kind = Type.A if len(packed) == 4 else Type.AAAA
        if qtype in (kind, Type.ANY):
            records.append(Record(name, kind, settings.ttl, packed))
    if settings.reverse and (packed_ := address_of_reverse(name)) is not None:
        targets = table.names.get(packed_, ())
        known = known or bool(targets)
        if qtype in (Type.PTR, Type.ANY):
            records += [Record(name, Type.PTR, settings.ttl, encode_name(target)) for target in targets]
    if records or known:
        return Reply(answers=tuple(records))
    if settings.fallthrough is not None and any(is_in(name, zone) for zone in settings.fallthrough):
        return None
    return Reply(Rcode.SERVFAIL, authoritative=False)
