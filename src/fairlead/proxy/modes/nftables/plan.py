"""A Service port as elements of the table's maps, and the script from one set of elements to another. Pure.

Endpoints stand in slots 0…n-1 of their frontend, and the frontend's verdict leads to a chain that all frontends with n
endpoints share: `numgen random mod n` draws a slot. When an endpoint goes, the last one takes its slot. Only session
affinity and `externalTrafficPolicy: Local` need chains of a Service's own.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any, NamedTuple

from fairlead.proxy.mode import Node
from fairlead.proxy.modes.nftables.skeleton import PROTOCOLS, TABLE
from fairlead.proxy.slots import Line, Target, arrange
from fairlead.services.model import Endpoint, ServicePort

HAIRPINS, ALLOWED = "hairpin-connections", "allowed-sources"
Key = tuple[Any, ...]  # its parts, as nft prints them with " . " between them: ("10.96.0.10", "udp", 53)
Elements = dict[tuple[str, Key], str | Target]  # (map or set, key) → value; "" in a set
Lines = dict[tuple[str, Key], Line]  # (map, frontend) → its endpoints by slot


@dataclass(slots=True)
class Wanted:
    """What one Service needs: elements of maps that no other Service has, endpoints in their slots, addresses that may
    reach themselves, shared chains, and chains and sets of its own."""

    elements: Elements = field(default_factory=dict)
    lines: Lines = field(default_factory=dict)
    hairpins: tuple[str, ...] = ()
    shared: set[str] = field(default_factory=set)
    chains: dict[str, tuple[str, ...]] = field(default_factory=dict)  # name → rules
    affinity_sets: dict[str, int] = field(default_factory=dict)  # name → seconds


class _Frontend(NamedTuple):
    """Where connections come in, and in which maps that is said."""

    verdicts: str
    refusals: str
    key: Key  # in these two
    line: tuple[str, Key]
    chain: str  # prefix of the shared chains


def plan(ports: Iterable[ServicePort], node: Node, before: Lines) -> Wanted:
    """All ports of one Service. `before`: an endpoint keeps its slot where it can."""
    wanted = Wanted()
    hairpins: dict[str, None] = {}
    for port in ports:
        _Planner(port, node, before, wanted, hairpins).plan()
    wanted.hairpins = tuple(hairpins)
    return wanted


class _Planner:
    def __init__(self, port: ServicePort, node: Node, before: Lines, wanted: Wanted, hairpins: dict[str, None]) -> None:
        self._port = port
        self._node = node
        self._before = before
        self._wanted = wanted
        self._hairpins = hairpins
        self._protocol = port.id.protocol.lower()
        self._anywhere = port.everywhere

    def plan(self) -> None:
        port = self._port
        everywhere = port.internal_policy == "Cluster"
        inside = self._anywhere if everywhere else port.endpoints_for(self._node.name, from_outside=False)
        self._balance(self._address(port.cluster_ip), inside, masquerade=False)
        external = [self._address(address) for address in port.external]
        for address in port.guarded:
            self._guard((address, self._protocol, port.port))
        if port.node_port is not None:
            external.append(self._node_port(port.node_port))
        for frontend in external:
            if port.external_policy == "Cluster":
                self._balance(frontend, self._anywhere, masquerade=True)
            else:
                self._keep_source(frontend, port.endpoints_for(self._node.name, from_outside=True))

    def _address(self, address: str) -> _Frontend:
        number = self._port.port
        line = (f"endpoints-{self._protocol}", (address, number))
        return _Frontend("service-ips", "no-endpoint-services", (address, self._protocol, number), line, "lb")

    def _node_port(self, number: int) -> _Frontend:
        line = (f"nodeport-endpoints-{self._protocol}", (number,))
        return _Frontend("service-nodeports", "no-endpoint-nodeports", (self._protocol, number), line, "np")

    def _balance(self, frontend: _Frontend, endpoints: Sequence[Endpoint], *, masquerade: bool) -> None:
        if endpoints:
            chain = self._choice(frontend, endpoints, masquerade=masquerade)
            self._wanted.elements[frontend.verdicts, frontend.key] = f"goto {chain}"
        else:
            self._refuse(frontend)

    def _guard(self, key: Key) -> None:
        """loadBalancerSourceRanges: silence for everybody else."""
        self._wanted.elements["guarded-services", key] = ""
        for each in self._port.source_ranges:
            self._wanted.elements[ALLOWED, (*key, each)] = ""

    def _refuse(self, frontend: _Frontend) -> None:
        """Where only other nodes have endpoints it is silence, so that a load balancer tries one of them."""
        chain = "drop-chain" if self._anywhere else "reject-chain"
        self._wanted.elements[frontend.refusals, frontend.key] = f"goto {chain}"

    def _keep_source(self, frontend: _Frontend, local: Sequence[Endpoint]) -> None:
        """externalTrafficPolicy Local: local endpoints see the client's address; pods and the node itself, for whom
        there is no difference between an external address and the cluster's own, get all endpoints."""
        if not self._anywhere:
            self._refuse(frontend)
            return
        anywhere = self._choice(frontend, self._anywhere, masquerade=False)
        rules = [
            f"{self._node.ip} saddr {self._node.pod_cidr} goto {anywhere}",
            "fib saddr type local jump mark-for-masquerade",
            f"fib saddr type local goto {anywhere}",
        ]
        if not local:
            self._refuse(frontend)  # what no rule has taken
        elif self._port.affinity is not None:
            rules.append(f"goto {self._affinity('local', local)}")
        else:
            rules.append(self._drawn(local))
            self._allow_hairpins(local)
        name = f"external-{self._short(frontend.verdicts, *map(str, frontend.key))}"
        self._wanted.chains[name] = tuple(rules)
        self._wanted.elements[frontend.verdicts, frontend.key] = f"goto {name}"

    def _choice(self, frontend: _Frontend, endpoints: Sequence[Endpoint], *, masquerade: bool) -> str:
        """The chain that takes one of the endpoints."""
        if self._port.affinity is not None:
            return self._affinity("masq-service" if masquerade else "service", endpoints)
        self._wanted.lines[frontend.line] = arrange(self._before.get(frontend.line, ()), endpoints)
        chain = f"{'masq-' if masquerade else ''}{frontend.chain}-{len(endpoints)}"
        self._wanted.shared.add(chain)
        self._allow_hairpins(endpoints)
        return chain

    def _drawn(self, endpoints: Sequence[Endpoint]) -> str:
        slots = ", ".join(f"{slot} : {each.address} . {each.port}" for slot, each in enumerate(endpoints))
        drawn = f"numgen random mod {len(endpoints)} map {{ {slots} }}"
        return f"meta l4proto {self._protocol} dnat {self._node.ip} to {drawn}"

    def _affinity(self, kind: str, endpoints: Sequence[Endpoint]) -> str:
        """Who came before goes where it went, for `port.affinity` seconds after its last connection."""
        assert self._port.affinity is not None
        known, drawn = [], []
        for slot, each in enumerate(endpoints):
            short = self._short(each.address, str(each.port), str(self._port.affinity))
            chain, set_ = f"endpoint-{short}", f"affinity-{short}"
            self._wanted.affinity_sets[set_] = self._port.affinity
            self._wanted.chains[chain] = (
                f"update @{set_} {{ {self._node.ip} saddr }}",
                f"meta l4proto {self._protocol} dnat to {_dialled(each)}",
            )
            known.append(f"{self._node.ip} saddr @{set_} goto {chain}")
            drawn.append(f"{slot} : goto {chain}")
        name = f"{kind}-{self._short(*known)}"
        mark = ("jump mark-for-masquerade",) if kind.startswith("masq-") else ()
        choice = f"numgen random mod {len(endpoints)} vmap {{ {', '.join(drawn)} }}"
        self._wanted.chains[name] = (*mark, *known, choice)
        self._allow_hairpins(endpoints)
        return name

    def _allow_hairpins(self, endpoints: Iterable[Endpoint]) -> None:
        self._hairpins |= {each.address: None for each in endpoints}

    def _short(self, *parts: str) -> str:
        name = "|".join((str(self._port.id), self._port.id.protocol, *parts))
        return hashlib.sha256(name.encode()).hexdigest()[:16]


def _dialled(endpoint: Endpoint) -> str:
    address = f"[{endpoint.address}]" if ":" in endpoint.address else endpoint.address
    return f"{address}:{endpoint.port}"


def shared_chain(name: str, ip: str) -> tuple[str, ...]:
    """In a table of the family `ip` or `ip6`, the rules of `lb-3`, `masq-lb-3`, `np-3`, `masq-np-3`."""
    kind, _, count = name.removeprefix("masq-").rpartition("-")
    mark = ("jump mark-for-masquerade",) if name.startswith("masq-") else ()
    key, map_ = (f"{ip} daddr . ", "endpoints") if kind == "lb" else ("", "nodeport-endpoints")
    return (
        *mark,
        *(
            f"dnat {ip} to {key}{protocol} dport . numgen random mod {count} map @{map_}-{protocol}"
            for protocol in PROTOCOLS
        ),
    )


def moves(before: Lines, after: Lines) -> tuple[Elements, Elements]:
    """The slots whose endpoint is another: what they hold no more, and what they hold now."""
    removed: Elements = {}
    added: Elements = {}
    for line in before.keys() | after.keys():
        old, new = before.get(line, ()), after.get(line, ())
        if old == new:
            continue
        map_, key = line
        for slot, (was, is_) in enumerate(zip_longest(old, new)):
            if was == is_:
                continue
            if was is not None:
                removed[map_, (*key, slot)] = was
            if is_ is not None:
                added[map_, (*key, slot)] = is_
    return removed, added


def elements_script(removed: Elements, added: Elements, ip: str) -> list[str]:
    """In the table of the family `ip` or `ip6`. Removals first: a key that gets another value is both."""
    lines = []
    for verb, elements in (("delete", removed), ("add", added)):
        by_map: dict[str, list[str]] = {}
        for (map_, key), value in elements.items():
            text = " . ".join(map(str, key))
            if verb == "add" and value:
                text += f" : {value if isinstance(value, str) else f'{value[0]} . {value[1]}'}"
            by_map.setdefault(map_, []).append(text)
        lines += [f"{verb} element {ip} {TABLE} {map_} {{ {', '.join(items)} }}" for map_, items in by_map.items()]
    return lines
