"""The mode: plans what changed, applies it in one transaction, and remembers it only when that has succeeded."""

import itertools
import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from fairlead.host.nfnetlink import NfnetlinkError, SetElements
from fairlead.host.nft import Nft, NftError
from fairlead.host.nft_reader import NftReader
from fairlead.proxy.mode import ModeError, Node
from fairlead.proxy.modes.nftables.adopt import affinity_set, difference, has, whole
from fairlead.proxy.modes.nftables.encode import encode
from fairlead.proxy.modes.nftables.plan import HAIRPINS, Elements, Wanted, elements_script, moves, plan, shared_chain
from fairlead.proxy.modes.nftables.skeleton import TABLE, skeleton
from fairlead.services.model import ServicePort

log = logging.getLogger(__name__)

NOTHING = Wanted()


@dataclass(slots=True)
class _Change:
    """One transaction, and what is different after it. Its size is that of the change."""

    first: list[str] = field(default_factory=list)
    last: list[str] = field(default_factory=list)
    removed: Elements = field(default_factory=dict)
    added: Elements = field(default_factory=dict)
    users: dict[str, int] = field(default_factory=dict)  # how many more Services have an address
    shared: set[str] = field(default_factory=set)

    def script(self, ip: str) -> list[str]:
        return [*self.first, *elements_script(self.removed, self.added, ip), *self.last]

    @property
    def is_elements_only(self) -> bool:
        return not self.first and not self.last


class NftablesMode:
    """One node's table in one family. Services are keyed "namespace/name"."""

    def __init__(self, nft: Nft, elements: SetElements, there: NftReader, node: Node) -> None:
        self._nft = nft
        self._elements = elements
        self._there = there
        self._node = node
        self._applied: dict[str, Wanted] = {}
        self._users: Counter[str] = Counter()  # how many Services have an endpoint at an address
        self._shared: set[str] = set()
        self._started = False
        self._distrusted = False  # what is there: the last attempt to make something of it has failed

    def apply(self, changes: dict[str, tuple[ServicePort, ...]]) -> None:
        """`changes`: all ports of each Service that may have changed; none: it is gone. Raises ModeError."""
        before = {key: self._applied.get(key, NOTHING) for key in changes}
        wanted = {key: plan(ports, self._node, before[key].lines) for key, ports in changes.items()}
        try:
            if self._started:
                self._make(change := self._change(wanted))
            else:
                change = self._start(wanted)
        except (NftError, NfnetlinkError) as error:
            raise ModeError(str(error)) from error
        self._started = True
        self._shared |= change.shared
        for address, count in change.users.items():
            self._users[address] += count
            if not self._users[address]:
                del self._users[address]
        for key, each in wanted.items():
            if each.elements or each.chains:
                self._applied[key] = each
            else:
                self._applied.pop(key, None)

    def _make(self, change: _Change) -> None:
        """Elements go by netlink, which is what nearly all changes are; chains by nft."""
        if change.is_elements_only:
            self._elements.change(encode(change.removed), encode(change.added))
        elif script := change.script(self._node.ip):
            self._nft.run("\n".join(script))

    def _start(self, wanted: dict[str, Wanted]) -> _Change:
        """The first time. A table that an earlier proxy has left is taken over, or replaced in one transaction."""
        found = self._there.chains(TABLE)
        fixed = whole(self._nft, self._node, self._there) if found and not self._distrusted else None
        self._distrusted = True  # until this has succeeded
        if fixed is not None:
            change = _Change(users=Counter(itertools.chain.from_iterable(each.hairpins for each in wanted.values())))
            change.shared.update(*(each.shared for each in wanted.values()))
            left = difference(self._node, self._there, fixed, wanted.values())
            self._nft.run_apart("\n".join(left.first))
            self._elements.change(left.removed, left.added)
            self._nft.run_apart("\n".join(left.last))
        else:
            change = self._change(wanted)
            if found:
                self._nft.run_apart("\n".join([skeleton(self._node), *change.script(self._node.ip)]))
            else:
                self._nft.run_apart("\n".join([skeleton(self._node), *change.first]))
                self._elements.change((), encode(change.added))
        self._distrusted = False
        return change

    def restart(self) -> None:
        """What is in the kernel is not what we believed: the next apply starts over, with everything."""
        self._applied.clear()
        self._users.clear()
        self._shared.clear()
        self._started = False

    def generation(self) -> object:
        return self._there.generation()

    def audit(self, keys: Sequence[str], *, fixed: bool) -> bool:
        try:
            if fixed and whole(self._nft, self._node, self._there) is None:
                return False
            return all(has(self._there, self._applied.get(key, NOTHING)) for key in keys)
        except (NftError, NfnetlinkError) as error:
            log.warning("cannot look at our rules: %s", error)
            return False

    @property
    def known(self) -> Iterable[str]:
        return self._applied.keys()

    def owns(self, table: str, name: str) -> bool:
        """What is known of clients comes and goes by itself."""
        return table == TABLE and not name.startswith("affinity-")

    def close(self) -> None:
        """As the end of the process would: the table stays."""
        self._nft.close()
        self._elements.close()
        self._there.close()

    def clean_up(self) -> None:
        """Takes the table away."""
        try:
            self._nft.run(f"delete table {self._node.ip} {TABLE}")
        except NftError as error:
            log.debug("no table to delete: %s", error)

    def _change(self, wanted: dict[str, Wanted]) -> _Change:
        change = _Change()
        for key, after in wanted.items():
            before = self._applied.get(key, NOTHING)
            removed, added = moves(before.lines, after.lines)
            change.removed |= removed
            change.added |= added
            if before.elements != after.elements:
                change.removed |= {e: value for e, value in before.elements.items() if after.elements.get(e) != value}
                change.added |= {e: value for e, value in after.elements.items() if before.elements.get(e) != value}
            if before.hairpins != after.hairpins:
                self._count_hairpins(before, after, change)
            if not after.shared <= self._shared:
                self._share(after, change)
            if before.chains != after.chains:
                _own(before, after, change, self._node)
        return change

    def _count_hairpins(self, before: Wanted, after: Wanted, change: _Change) -> None:
        """These are of an address, whichever Services have it: the first one makes it, and the last takes it away."""
        users = change.users
        for address in set(before.hairpins).difference(after.hairpins):
            users[address] = users.get(address, 0) - 1
            if not self._users[address] + users[address]:
                change.removed[HAIRPINS, (address, address)] = ""
        for address in set(after.hairpins).difference(before.hairpins):
            users[address] = users.get(address, 0) + 1
            if self._users[address] + users[address] == 1:
                key = (HAIRPINS, (address, address))
                if key in change.removed:
                    del change.removed[key]
                else:
                    change.added[key] = ""

    def _share(self, after: Wanted, change: _Change) -> None:
        ip = self._node.ip
        for chain in sorted(after.shared - self._shared - change.shared):
            change.shared.add(chain)
            change.first.append(f"add chain {ip} {TABLE} {chain}")
            change.first += [f"add rule {ip} {TABLE} {chain} {rule}" for rule in shared_chain(chain, ip)]


def _own(before: Wanted, after: Wanted, change: _Change, node: Node) -> None:
    """A Service's own chains and sets: made before the elements that lead to them, gone after."""
    ip = node.ip
    for name, seconds in after.affinity_sets.items():
        if name not in before.affinity_sets:
            change.first.append(f"add set {ip} {TABLE} {name} {{ {affinity_set(node, seconds)} }}")
    changed = [name for name, rules in after.chains.items() if before.chains.get(name) != rules]
    for name in changed:
        change.first.append(f"add chain {ip} {TABLE} {name}")
        change.first.append(f"flush chain {ip} {TABLE} {name}")
    for name in changed:
        change.first += [f"add rule {ip} {TABLE} {name} {rule}" for rule in after.chains[name]]
    gone = [name for name in before.chains if name not in after.chains]
    change.last += [f"flush chain {ip} {TABLE} {name}" for name in gone]
    change.last += [f"delete chain {ip} {TABLE} {name}" for name in gone]
    change.last += [
        f"delete set {ip} {TABLE} {name}" for name in before.affinity_sets if name not in after.affinity_sets
    ]
