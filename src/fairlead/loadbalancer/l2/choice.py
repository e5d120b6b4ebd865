"""Which node answers for an address. Pure.

Who holds an address keeps it as long as it is alive and may: moving would break what is open. What nobody holds goes to
the node that a rendezvous hash names, so that addresses are spread and all who look at the same nodes agree.
"""

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from fairlead.services.trimmed import TrimmedEndpoint

BEAT = 0.4  # seconds between two signs of life of a node
SILENT = 1.2  # seconds without one: it is dead
FENCED = 0.9  # seconds without being heard ourselves: by then nobody may answer who others believe dead


def holder(address: str, held_by: str, candidates: Collection[str]) -> str:
    """ "": nobody can."""
    if held_by in candidates:
        return held_by
    return max(candidates, key=lambda each: _weight(address, each), default="")


def _weight(address: str, node: str) -> bytes:
    return hashlib.sha256(f"{address} {node}".encode()).digest()


@dataclass(slots=True)
class Members:
    """Who shows signs of life, by our own clock: clocks of machines are never compared."""

    _seen: dict[str, tuple[str, float]] = field(default_factory=dict)  # node → its last sign, and when we saw it first

    def saw(self, node: str, sign: str, now: float) -> None:
        known = self._seen.get(node)
        if known is None or known[0] != sign:
            self._seen[node] = (sign, now)

    def forget(self, node: str) -> None:
        self._seen.pop(node, None)

    def alive(self, now: float) -> set[str]:
        return {node for node, (_, since) in self._seen.items() if now - since < SILENT}

    def next_death(self, now: float) -> float | None:
        """Seconds until one more would be dead."""
        left = [since + SILENT - now for _, since in self._seen.values() if now - since < SILENT]
        return min(left, default=None)


def lease_name(address: str) -> str:
    """A name ends with a letter or a digit."""
    name = f"load-balancer-{address.replace(':', '-')}"
    return f"{name}0" if name.endswith("-") else name


def with_endpoints(endpoints: Iterable[TrimmedEndpoint]) -> frozenset[str]:
    """Nodes that serve where the policy is Local: those with ready endpoints; or else those whose endpoints end, which
    are served until then (KEP-1669)."""
    known = [(each.node_name, each.conditions) for each in endpoints if each.node_name]
    ready = frozenset(node for node, conditions in known if conditions.ready is not False)
    return ready or frozenset(node for node, conditions in known if conditions.serving and conditions.terminating)
