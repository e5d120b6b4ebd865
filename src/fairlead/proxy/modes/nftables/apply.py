"""The mode: plans what changed, applies it in one transaction, and remembers it only when that has succeeded."""

import logging
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from fairlead.host.nfnetlink import NfnetlinkError, SetElements
from fairlead.host.nft import Nft, NftError
from fairlead.proxy.mode import ModeError, Node
from fairlead.proxy.modes.nftables.encode import can_encode, encode
from fairlead.proxy.modes.nftables.plan import Elements, Wanted, elements_script, plan, shared_chain
from fairlead.proxy.modes.nftables.skeleton import TABLE, skeleton
from fairlead.services.model import ServicePort

log = logging.getLogger(__name__)

Key = tuple[str, str]
NOTHING = Wanted()


@dataclass(slots=True)
class _Change:
    """One transaction, and what is different after it. Its size is that of the change."""

    first: list[str] = field(default_factory=list)
    last: list[str] = field(default_factory=list)
    removed: Elements = field(default_factory=dict)
    added: Elements = field(default_factory=dict)
    users: Counter[Key] = field(default_factory=Counter)  # how many more Services need an element
    shared: set[str] = field(default_factory=set)

    def script(self, ip: str) -> list[str]:
        return [*self.first, *elements_script(self.removed, self.added, ip), *self.last]

    @property
    def is_elements_only(self) -> bool:
        return not self.first and not self.last and can_encode(self.removed, self.added)


class NftablesMode:
    """One node's table in one family. Services are keyed "namespace/name"."""

    def __init__(self, nft: Nft, elements: SetElements, node: Node) -> None:
        self._nft = nft
        self._elements = elements
        self._node = node
        self._applied: dict[str, Wanted] = {}
        self._users: Counter[Key] = Counter()  # how many Services need an element: hairpins are shared
        self._slots: dict[str, tuple[tuple[str, int], ...]] = {}
        self._shared: set[str] = set()
        self._started = False

    def apply(self, changes: dict[str, tuple[ServicePort, ...]]) -> None:
        """`changes`: all ports of each Service that may have changed; none: it is gone. Raises ModeError."""
        wanted = {key: plan(ports, self._node, self._slots) for key, ports in changes.items()}
        change = self._change(wanted)
        try:
            self._make(change)
        except (NftError, NfnetlinkError) as error:
            raise ModeError(str(error)) from error
        self._started = True
        self._shared |= change.shared
        for element, count in change.users.items():
            self._users[element] += count
            if not self._users[element]:
                del self._users[element]
        for key, each in wanted.items():
            self._remember_slots(self._applied.get(key, NOTHING), each)
            if each.elements or each.chains:
                self._applied[key] = each
            else:
                self._applied.pop(key, None)

    def _make(self, change: _Change) -> None:
        """Elements go by netlink, which is what nearly all changes are; chains and the first time by nft."""
        if self._started and change.is_elements_only:
            self._elements.change(encode(change.removed), encode(change.added))
            return
        script = change.script(self._node.ip)
        if not self._started:
            script = [skeleton(self._node), *script]
        if script:
            self._nft.run("\n".join(script))

    def restart(self) -> None:
        """What is in the kernel is not what we believed: the next apply starts over, with everything."""
        self._applied.clear()
        self._users.clear()
        self._slots.clear()
        self._shared.clear()
        self._started = False

    @property
    def known(self) -> Iterable[str]:
        return self._applied.keys()

    def owns(self, table: str, name: str) -> bool:
        """What is known of clients comes and goes by itself."""
        return table == TABLE and not name.startswith("affinity-")

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
            for element, value in before.elements.items():
                if after.elements.get(element) != value:
                    change.users[element] -= 1
                    if not self._users[element] + change.users[element]:
                        change.removed[element] = value
            for element, value in after.elements.items():
                if before.elements.get(element) != value:
                    change.users[element] += 1
                    if self._users[element] + change.users[element] == 1:
                        if change.removed.get(element) == value:
                            del change.removed[element]
                        else:
                            change.added[element] = value
            self._share(after, change)
            _own(before, after, change, self._node)
        return change

    def _share(self, after: Wanted, change: _Change) -> None:
        ip = self._node.ip
        for chain in sorted(after.shared - self._shared - change.shared):
            change.shared.add(chain)
            change.first.append(f"add chain {ip} {TABLE} {chain}")
            change.first += [f"add rule {ip} {TABLE} {chain} {rule}" for rule in shared_chain(chain, ip)]

    def _remember_slots(self, before: Wanted, after: Wanted) -> None:
        for map_, key in before.elements:
            if "endpoints-" in map_:
                self._slots.pop(f"{map_} {key.rpartition(' . ')[0]}", None)
        found: dict[str, list[tuple[str, int]]] = {}
        for (map_, key), value in after.elements.items():
            if map_.startswith(("endpoints-", "nodeport-endpoints-")):
                address, _, number = value.partition(" . ")
                found.setdefault(f"{map_} {key.rpartition(' . ')[0]}", []).append((address, int(number)))
        self._slots.update({frontend: tuple(line) for frontend, line in found.items()})


def _own(before: Wanted, after: Wanted, change: _Change, node: Node) -> None:
    """A Service's own chains and sets: made before the elements that lead to them, gone after."""
    ip = node.ip
    for name, seconds in after.affinity_sets.items():
        if name not in before.affinity_sets:
            described = f"type {node.address_type}; flags dynamic,timeout; timeout {seconds}s;"
            change.first.append(f"add set {ip} {TABLE} {name} {{ {described} }}")
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
