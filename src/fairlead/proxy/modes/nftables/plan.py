"""A Service port as elements of the table's maps, and the script from one set of elements to another. Pure.

Endpoints stand in slots 0…n-1 of their frontend, and the frontend's verdict leads to a chain that all frontends with n
endpoints share: `numgen random mod n` draws a slot. When an endpoint goes, the last one takes its slot.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from fairlead.proxy.modes.nftables.skeleton import PROTOCOLS, TABLE
from fairlead.services.model import Endpoint, ServicePort

Elements = dict[tuple[str, str], str]  # (map or set, key) → value; "" in a set


@dataclass(frozen=True, slots=True)
class Wanted:
    """What one Service needs: elements of shared maps, and chains and sets of its own (session affinity only)."""

    elements: Elements = field(default_factory=dict)
    chains: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # name → rules
    affinity_sets: Mapping[str, int] = field(default_factory=dict)  # name → seconds


def plan(ports: Iterable[ServicePort], node: str, slots: "Mapping[str, tuple[tuple[str, int], ...]]") -> Wanted:
    """`slots`: the order of endpoints so far, by frontend; an endpoint keeps its slot where it can."""
    elements: Elements = {}
    chains: dict[str, tuple[str, ...]] = {}
    sets: dict[str, int] = {}
    for port in ports:
        _plan_port(port, node, slots, elements, chains, sets)
    return Wanted(elements, chains, sets)


def _plan_port(
    port: ServicePort,
    node: str,
    slots: Mapping[str, tuple[tuple[str, int], ...]],
    elements: Elements,
    chains: dict[str, tuple[str, ...]],
    sets: dict[str, int],
) -> None:
    protocol = port.id.protocol.lower()
    inside = port.endpoints_for(node, from_outside=False)
    outside = port.endpoints_for(node, from_outside=True)
    for address in (port.cluster_ip, *port.external):
        external = address != port.cluster_ip
        endpoints = outside if external else inside
        key = f"{address} . {protocol} . {port.port}"
        masquerade = external and port.external_policy == "Cluster"
        if not endpoints:
            elements["no-endpoint-services", key] = _refusal(port, external=external)
            continue
        if port.affinity is not None:
            verdict = f"goto {_affinity(port, endpoints, masquerade, chains, sets)}"
        else:
            verdict = f"goto {'masq-' if masquerade else ''}lb-{len(endpoints)}"
            _fill(f"endpoints-{protocol}", f"{address} . {port.port}", endpoints, slots, elements)
        elements["service-ips", key] = verdict
        _hairpins(endpoints, elements)
    if port.node_port is not None:
        key = f"{protocol} . {port.node_port}"
        masquerade = port.external_policy == "Cluster"
        if not outside:
            elements["no-endpoint-nodeports", key] = _refusal(port, external=True)
            return
        if port.affinity is not None:
            elements["service-nodeports", key] = f"goto {_affinity(port, outside, masquerade, chains, sets)}"
        else:
            elements["service-nodeports", key] = f"goto {'masq-' if masquerade else ''}np-{len(outside)}"
            _fill(f"nodeport-endpoints-{protocol}", str(port.node_port), outside, slots, elements)
        _hairpins(outside, elements)


def _refusal(port: ServicePort, *, external: bool) -> str:
    """A node without local endpoints says nothing, so that a load balancer tries another one; else: refused."""
    elsewhere = external and port.external_policy == "Local" and port.endpoints
    return "goto drop-chain" if elsewhere else "goto reject-chain"


def _fill(
    map_: str,
    key: str,
    endpoints: tuple[Endpoint, ...],
    slots: Mapping[str, tuple[tuple[str, int], ...]],
    elements: Elements,
) -> None:
    for slot, (address, number) in enumerate(arrange(slots.get(f"{map_} {key}", ()), endpoints)):
        elements[map_, f"{key} . {slot}"] = f"{address} . {number}"


def arrange(before: tuple[tuple[str, int], ...], endpoints: Iterable[Endpoint]) -> tuple[tuple[str, int], ...]:
    """Slots after a change: who stays keeps its slot, holes are filled from the end, newcomers come last."""
    wanted = dict.fromkeys((each.address, each.port) for each in endpoints)
    line: list[tuple[str, int] | None] = [each if each in wanted else None for each in before]
    for each in before:
        wanted.pop(each, None)
    for newcomer in wanted:
        if None in line:
            line[line.index(None)] = newcomer
        else:
            line.append(newcomer)
    while None in line:
        last = line.pop()
        if last is not None:
            line[line.index(None)] = last
    return tuple(each for each in line if each is not None)


def _hairpins(endpoints: Iterable[Endpoint], elements: Elements) -> None:
    for each in endpoints:
        elements["hairpin-connections", f"{each.address} . {each.address}"] = ""


def _affinity(
    port: ServicePort,
    endpoints: tuple[Endpoint, ...],
    masquerade: bool,
    chains: dict[str, tuple[str, ...]],
    sets: dict[str, int],
) -> str:
    """Chains of the Service's own: who came before goes where it went, for `port.affinity` seconds after its last
    connection."""
    assert port.affinity is not None
    name = f"{'external' if masquerade else 'service'}-{_short(str(port.id), port.id.protocol)}"
    mark = ("jump mark-for-masquerade",) if masquerade else ()
    known, drawn = [], []
    for slot, each in enumerate(endpoints):
        short = _short(str(port.id), port.id.protocol, each.address, str(each.port))
        chain, set_ = f"endpoint-{short}", f"affinity-{short}"
        sets[set_] = port.affinity
        chains[chain] = (
            f"update @{set_} {{ ip saddr }}",
            f"meta l4proto {port.id.protocol.lower()} dnat to {each.address}:{each.port}",
        )
        known.append(f"ip saddr @{set_} goto {chain}")
        drawn.append(f"{slot} : goto {chain}")
    choice = f"numgen random mod {len(endpoints)} vmap {{ {', '.join(drawn)} }}"
    chains[name] = (*mark, *known, choice)
    return name


def _short(*parts: str) -> str:
    return hashlib.sha256("|".join(parts).encode()).hexdigest()[:16]


def shared_chain(name: str) -> tuple[str, ...]:
    """The rules of `lb-3`, `masq-lb-3`, `np-3`, `masq-np-3`."""
    kind, _, count = name.removeprefix("masq-").rpartition("-")
    mark = ("jump mark-for-masquerade",) if name.startswith("masq-") else ()
    key, map_ = ("ip daddr . ", "endpoints") if kind == "lb" else ("", "nodeport-endpoints")
    return (
        *mark,
        *(
            f"dnat ip to {key}{protocol} dport . numgen random mod {count} map @{map_}-{protocol}"
            for protocol in PROTOCOLS
        ),
    )


def is_shared(chain: str) -> bool:
    return chain.removeprefix("masq-").startswith(("lb-", "np-"))


def elements_script(removed: Elements, added: Elements) -> list[str]:
    """Removals first: a key that gets another value is both."""
    lines = []
    for verb, elements in (("delete", removed), ("add", added)):
        by_map: dict[str, list[str]] = {}
        for (map_, key), value in elements.items():
            text = key if verb == "delete" or not value else f"{key} : {value}"
            by_map.setdefault(map_, []).append(text)
        lines += [f"{verb} element ip {TABLE} {map_} {{ {', '.join(items)} }}" for map_, items in by_map.items()]
    return lines
