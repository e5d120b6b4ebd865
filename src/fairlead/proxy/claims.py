"""Who has an address and port that several Services claim: it goes to one, the others serve at what is left. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from fairlead.services.model import Family, ServicePort

Rank = tuple[bool, str, str]  # the lowest has it: a cluster's own address first, then the oldest Service


class Frontend(NamedTuple):
    """`address` is empty at a node port."""

    family: Family
    address: str
    protocol: str
    port: int

    def __str__(self) -> str:
        where = f"[{self.address}]" if ":" in self.address else self.address or "node port "
        return f"{where}{':' if self.address else ''}{self.port}/{self.protocol}"


@dataclass(slots=True)
class Claims:
    """Services are keyed "namespace/name"."""

    _held: dict[Frontend, tuple[Rank, str]] = field(default_factory=dict)  # → whose it is
    _waiting: dict[Frontend, dict[str, Rank]] = field(default_factory=dict)  # who would have it next
    _asked: dict[str, dict[Frontend, Rank]] = field(default_factory=dict)

    def update(self, key: str, ports: Iterable[ServicePort], created: str) -> set[str]:
        """What a Service, made at the time `created` (RFC 3339), claims now. Those who win or lose by it."""
        before = self._asked.pop(key, {})
        after = {each: (not own, created, key) for port in ports for each, own in _frontends(port)}
        if after:
            self._asked[key] = after
        if before == after:
            return set()
        others: set[str] = set()
        for frontend in before.keys() - after.keys():
            others |= self._give_up(key, frontend)
        for frontend, rank in after.items():
            if before.get(frontend) != rank:
                others |= self._claim(key, frontend, rank)
        return others - {key}

    def settled(self, key: str, ports: Iterable[ServicePort]) -> tuple[ServicePort, ...]:
        """The ports without what another Service has."""
        found = tuple(ports)
        if not self._waiting:
            return found
        return tuple(left for port in found for left in self._without(port, {each for each, _ in self.lost(key)}))

    def lost(self, key: str) -> Iterator[tuple[Frontend, str]]:
        """What it claims and another has, and who."""
        if self._waiting:
            for frontend in self._asked.get(key, ()):
                if key in self._waiting.get(frontend, ()):
                    yield frontend, self._held[frontend][1]

    def _claim(self, key: str, frontend: Frontend, rank: Rank) -> set[str]:
        others = self._give_up(key, frontend)
        holder = self._held.get(frontend)
        if holder is None:
            self._held[frontend] = (rank, key)
        elif rank < holder[0]:
            self._held[frontend] = (rank, key)
            self._waiting.setdefault(frontend, {})[holder[1]] = holder[0]
            others.add(holder[1])
        else:
            self._waiting.setdefault(frontend, {})[key] = rank
        return others

    def _give_up(self, key: str, frontend: Frontend) -> set[str]:
        waiting = self._waiting.get(frontend, {})
        waiting.pop(key, None)
        next_one: set[str] = set()
        if (holder := self._held.get(frontend)) is not None and holder[1] == key:
            del self._held[frontend]
            if waiting:
                rank, heir = min((rank, name) for name, rank in waiting.items())
                del waiting[heir]
                self._held[frontend] = (rank, heir)
                next_one.add(heir)
        if not waiting:
            self._waiting.pop(frontend, None)
        return next_one

    @staticmethod
    def _without(port: ServicePort, lost: set[Frontend]) -> Iterator[ServicePort]:
        missing = {each for each, _ in _frontends(port) if each in lost}
        addresses = {each.address for each in missing}
        if port.cluster_ip in addresses:
            return
        node_port = None if "" in addresses else port.node_port
        external = tuple(each for each in port.external if each not in addresses)
        yield replace(port, external=external, node_port=node_port) if missing else port


def _frontends(port: ServicePort) -> Iterator[tuple[Frontend, bool]]:
    """And whether it is a cluster's own address."""
    family, protocol = port.family, port.id.protocol
    yield Frontend(family, port.cluster_ip, protocol, port.port), True
    for each in port.external:
        yield Frontend(family, each, protocol, port.port), False
    if port.node_port is not None:
        yield Frontend(family, "", protocol, port.node_port), False
