"""The mode: plans what changed, applies it in one transaction, and remembers it only when that has succeeded."""

import logging
from collections.abc import Iterable

from fairlead.host.nft import Nft, NftError
from fairlead.proxy.modes.nftables import plan as planning
from fairlead.proxy.modes.nftables.plan import Elements, Wanted, elements_script, is_shared, shared_chain
from fairlead.proxy.modes.nftables.skeleton import TABLE, skeleton
from fairlead.services.model import ServicePort

log = logging.getLogger(__name__)

Key = tuple[str, str]


class NftablesMode:
    """One node's table. Services are keyed "namespace/name"."""

    def __init__(self, nft: Nft, node: str, pod_cidr: str, service_cidr: str) -> None:
        self._nft = nft
        self._node = node
        self._ranges = (pod_cidr, service_cidr)
        self._applied: dict[str, Wanted] = {}
        self._users: dict[Key, int] = {}  # how many Services need an element: hairpins are shared
        self._slots: dict[str, tuple[tuple[str, int], ...]] = {}
        self._shared: set[str] = set()
        self._started = False

    def apply(self, changes: dict[str, tuple[ServicePort, ...]]) -> None:
        """`changes`: all ports of each Service that may have changed; none: it is gone. Raises NftError."""
        wanted = {key: planning.plan(ports, self._node, self._slots) for key, ports in changes.items()}
        script, users, shared = self._script(wanted)
        if not self._started:
            script = [skeleton(*self._ranges), *script]
        if script:
            self._nft.run("\n".join(script))
        self._started = True
        self._users, self._shared = users, shared
        for key, each in wanted.items():
            if each.elements or each.chains:
                self._applied[key] = each
            else:
                self._applied.pop(key, None)
        self._remember_slots(wanted)

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

    def clean_up(self) -> None:
        """Takes the table away."""
        try:
            self._nft.run(f"delete table ip {TABLE}")
        except NftError as error:
            log.debug("no table to delete: %s", error)

    def _script(self, wanted: dict[str, Wanted]) -> tuple[list[str], dict[Key, int], set[str]]:
        removed: Elements = {}
        added: Elements = {}
        users = dict(self._users) if len(wanted) > 50 else self._users.copy()
        empty = Wanted()
        lines: list[str] = []
        late: list[str] = []
        for key, after in wanted.items():
            before = self._applied.get(key, empty)
            for element, value in before.elements.items():
                if after.elements.get(element) != value:
                    users[element] -= 1
                    if not users[element]:
                        del users[element]
                        removed[element] = value
            for element, value in after.elements.items():
                if before.elements.get(element) != value:
                    users[element] = users.get(element, 0) + 1
                    if users[element] == 1:
                        if removed.get(element) == value:
                            del removed[element]
                        else:
                            added[element] = value
            self._own_chains(before, after, lines, late)
        verdicts = {value.removeprefix("goto ") for value in added.values() if value.startswith("goto ")}
        shared = set(self._shared)
        for chain in sorted(verdicts - shared):
            if is_shared(chain):
                shared.add(chain)
                lines.append(f"add chain ip {TABLE} {chain}")
                lines += [f"add rule ip {TABLE} {chain} {rule}" for rule in shared_chain(chain)]
        return [*lines, *elements_script(removed, added), *late], users, shared

    @staticmethod
    def _own_chains(before: Wanted, after: Wanted, lines: list[str], late: list[str]) -> None:
        """Chains and sets of Services with affinity: made before the elements that lead to them, gone after."""
        for name, seconds in after.affinity_sets.items():
            if before.affinity_sets.get(name) != seconds:
                if name in before.affinity_sets:
                    late.append(f"delete set ip {TABLE} {name}")
                described = f"type ipv4_addr; flags dynamic,timeout; timeout {seconds}s;"
                lines.append(f"add set ip {TABLE} {name} {{ {described} }}")
        changed = [name for name, rules in after.chains.items() if before.chains.get(name) != rules]
        for name in changed:
            lines.append(f"add chain ip {TABLE} {name}")
            lines.append(f"flush chain ip {TABLE} {name}")
        for name in changed:
            lines += [f"add rule ip {TABLE} {name} {rule}" for rule in after.chains[name]]
        gone = [name for name in before.chains if name not in after.chains]
        late += [f"flush chain ip {TABLE} {name}" for name in gone]
        late += [f"delete chain ip {TABLE} {name}" for name in gone]
        late += [f"delete set ip {TABLE} {name}" for name in before.affinity_sets if name not in after.affinity_sets]

    def _remember_slots(self, wanted: dict[str, Wanted]) -> None:
        for each in wanted.values():
            found: dict[str, list[tuple[str, int]]] = {}
            for (map_, key), value in each.elements.items():
                if map_.startswith(("endpoints-", "nodeport-endpoints-")):
                    frontend = key.rpartition(" . ")[0]
                    address, _, number = value.partition(" . ")
                    found.setdefault(f"{map_} {frontend}", []).append((address, int(number)))
            self._slots.update({frontend: tuple(line) for frontend, line in found.items()})
