"""What an earlier proxy left in the kernel: taken over where its fixed part is whole, so that a restart changes only
what has changed meanwhile, and no packet sees a gap."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from fairlead.host.nfnetlink import Encoded
from fairlead.host.nft import Nft
from fairlead.host.nft_reader import NftReader
from fairlead.proxy.mode import Node
from fairlead.proxy.modes.nftables.encode import encode_all
from fairlead.proxy.modes.nftables.plan import Wanted, shared_chain
from fairlead.proxy.modes.nftables.skeleton import FRESH, TABLE, skeleton


@dataclass(frozen=True, slots=True)
class Fixed:
    """Names of the skeleton's chains and sets."""

    chains: frozenset[str]
    sets: frozenset[str]


@dataclass(slots=True)
class Difference:
    """From what is there to what is wanted. `first` and `last`: scripts for before and after the elements."""

    first: list[str] = field(default_factory=list)
    removed: list[Encoded] = field(default_factory=list)
    added: list[Encoded] = field(default_factory=list)
    last: list[str] = field(default_factory=list)


def whole(nft: Nft, node: Node, there: NftReader) -> Fixed | None:
    """The fixed part, if the table has it just as we would make it: nobody has changed it, nor is it another version's.
    Raises NftError, NfnetlinkError."""
    nft.run_apart(skeleton(node, FRESH))
    try:
        chains, sets = there.chains(FRESH), there.sets(FRESH)
        ours = [rule for rule in there.rules(TABLE) if rule[0] in chains]
        known = there.sets(TABLE)
        if ours != there.rules(FRESH) or any(known.get(name) != what for name, what in sets.items()):
            return None
        return Fixed(frozenset(chains), frozenset(sets))
    finally:
        nft.run_apart(f"delete table {node.ip} {FRESH}")


def difference(node: Node, there: NftReader, fixed: Fixed, wanted: Iterable[Wanted]) -> Difference:
    """Raises NfnetlinkError."""
    ip, found = node.ip, Difference()
    chains: dict[str, tuple[str, ...]] = {}
    sets: dict[str, int] = {}
    shared: set[str] = set()
    by_set: dict[str, set[bytes]] = {name: set() for name in fixed.sets}
    for each in wanted:
        for name, data in encode_all(each):
            by_set[name].add(data)
        chains |= each.chains
        sets |= each.affinity_sets
        shared |= each.shared
    chains |= {name: shared_chain(name, ip) for name in shared}
    for name, seconds in sets.items():  # what is known of clients stays
        found.first.append(f"add set {ip} {TABLE} {name} {{ {affinity_set(node, seconds)} }}")
    for name in chains:
        found.first += [f"add chain {ip} {TABLE} {name}", f"flush chain {ip} {TABLE} {name}"]
    for name, rules in chains.items():
        found.first += [f"add rule {ip} {TABLE} {name} {rule}" for rule in rules]
    for name, after in by_set.items():
        before = set(there.elements(TABLE, name))
        found.removed += [(name, data) for data in before - after]
        found.added += [(name, data) for data in after - before]
    stale = sorted(there.chains(TABLE) - fixed.chains - chains.keys())
    found.last += [f"flush chain {ip} {TABLE} {name}" for name in stale]
    found.last += [f"delete chain {ip} {TABLE} {name}" for name in stale]
    unused = there.sets(TABLE).keys() - fixed.sets - sets.keys()
    found.last += [f"delete set {ip} {TABLE} {name}" for name in sorted(unused) if not name.startswith("__")]
    return found


def has(there: NftReader, wanted: Wanted) -> bool:
    """Whether the kernel has what one Service needs. Raises NfnetlinkError."""
    chains = all(len(there.rules(TABLE, name)) == len(rules) for name, rules in wanted.chains.items())
    return chains and there.has(TABLE, encode_all(wanted))


def affinity_set(node: Node, seconds: int) -> str:
    """Clients that came in the last seconds."""
    return f"type {node.address_type}; flags dynamic,timeout; timeout {seconds}s;"
