"""What the device's table holds: whose it is, and by which elements. Pure.

Elements have owners, so that a change is of the size of what it is about: a Service, a group of nodes, the nodes.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fairlead.loadbalancer.device.maglev import table
from fairlead.loadbalancer.device.skeleton import STICKY
from fairlead.loadbalancer.model import Balanced

Key = tuple[Any, ...]  # its parts, as nft prints them with " . " between them
Elements = dict[tuple[str, Key], int | str]  # (map or set, key) → value; "" in a set
Changes = dict[str, Elements]  # owner → all that it has now

NODES = "nodes"  # an owner, as each group and each Service, "namespace/name"
EVERYWHERE = 1  # the group of Services with the policy Cluster


@dataclass(slots=True)
class Planner:
    """`numbers`: the nodes' numbers, which connections that are known are kept by."""

    numbers: dict[str, int] = field(default_factory=dict)
    _everywhere: tuple[str, ...] = ()
    _groups: dict[tuple[str, ...], int] = field(default_factory=dict)
    _users: Counter[int] = field(default_factory=Counter)
    _of: dict[str, int] = field(default_factory=dict)  # Service → its group

    def number(self, node: str) -> int:
        if node not in self.numbers:
            taken = set(self.numbers.values())
            self.numbers[node] = next(each for each in range(1, len(taken) + 2) if each not in taken)
        return self.numbers[node]

    def nodes(self, addresses: Mapping[str, tuple[str, ...]], dead: Iterable[str]) -> Changes:
        """What was open to a dead one meets another, which knows nothing of it and says so."""
        for gone in self.numbers.keys() - addresses.keys():
            del self.numbers[gone]
        fallen = set(dead)
        alive = sorted(addresses.keys() - fallen)
        elements: Elements = {}
        for name in sorted(addresses):
            stands_in = alive[self.number(name) % len(alive)] if name in fallen and alive else name
            for address in addresses[stands_in]:
                elements[f"nodes{6 if ':' in address else 4}", (self.number(name),)] = address
        return {NODES: elements}

    def everywhere(self, nodes: Iterable[str]) -> Changes:
        """Which nodes serve Services with the policy Cluster."""
        self._everywhere = tuple(sorted(nodes))
        return {_owner(EVERYWHERE): self._buckets(EVERYWHERE, self._everywhere)}

    def service(self, key: str, balanced: Balanced | None, nodes: Iterable[str] = ()) -> Changes:
        """None: it is gone. `nodes`: which serve it, where its policy is Local."""
        before = self._of.pop(key, None)
        changes: Changes = {key: {}}
        if balanced is not None:
            number = self._join(tuple(sorted(nodes)), changes) if balanced.local else EVERYWHERE
            self._of[key] = number
            changes[key] = _elements(balanced, number)
        if before is not None and before != EVERYWHERE:
            self._leave(before, changes)
        return changes

    def _join(self, nodes: tuple[str, ...], changes: Changes) -> int:
        number = self._groups.get(nodes)
        if number is None:
            taken = set(self._groups.values())
            number = next(each for each in range(EVERYWHERE + 1, EVERYWHERE + 2 + len(taken)) if each not in taken)
            self._groups[nodes] = number
            changes[_owner(number)] = self._buckets(number, nodes)
        self._users[number] += 1
        return number

    def _leave(self, number: int, changes: Changes) -> None:
        self._users[number] -= 1
        if not self._users[number]:
            del self._users[number]
            self._groups = {nodes: each for nodes, each in self._groups.items() if each != number}
            changes[_owner(number)] = {}

    def _buckets(self, number: int, nodes: tuple[str, ...]) -> Elements:
        numbers = [self.number(node) for node in table(nodes)]
        return {
            ("buckets", (group, bucket)): node
            for group in (number, number | STICKY)
            for bucket, node in enumerate(numbers)
        }


def _owner(group: int) -> str:
    return f"group {group}"


def _elements(balanced: Balanced, group: int) -> Elements:
    elements: Elements = {}
    for address, protocol, port in balanced.frontends:
        family = 6 if ":" in address else 4
        key = (address, protocol.lower(), port)
        frontends = "guarded" if balanced.sources else "frontends"
        elements[f"{frontends}{family}", key] = group | (STICKY if balanced.sticky else 0)
        for each in balanced.sources:
            if (":" in each) == (":" in address):
                elements[f"allowed{family}", (*key, each)] = ""
    return elements


def differences(applied: Mapping[str, Elements], changes: Changes) -> tuple[Elements, Elements]:
    """What goes and what comes. A key that gets another value is both; so is one that changes its owner."""
    removed: Elements = {}
    added: Elements = {}
    for owner, after in changes.items():
        before = applied.get(owner, {})
        removed |= {each: value for each, value in before.items() if after.get(each) != value}
        added |= {each: value for each, value in after.items() if before.get(each) != value}
    return removed, added
