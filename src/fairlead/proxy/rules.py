"""All of a node's rules: the mode's, in each family of addresses; other modes' that an earlier proxy left."""

import time
from collections.abc import Iterable, Iterator

from fairlead.host.nft_watch import NftWatch
from fairlead.proxy.choosing import MAKE, others
from fairlead.proxy.metrics import Synced
from fairlead.proxy.mode import CountsRules, ModeError, Node, RuleCounts
from fairlead.services.model import Family, ServicePort


class RefusedError(ModeError):
    """With the family of the rules, and whether all of them were to be made."""

    def __init__(self, said: str, family: Family, *, full: bool) -> None:
        super().__init__(said)
        self.family: Family = family
        self.full = full


class Rules:
    """Of one mode. Services are keyed "namespace/name"."""

    def __init__(self, mode: str, nodes: dict[Family, Node]) -> None:
        self.watch = NftWatch()
        self._modes = {family: MAKE[mode](node) for family, node in nodes.items()}
        self._others = [other for node in nodes.values() for other in others(mode, node)]
        self._started: set[Family] = set()

    def apply(self, changes: dict[str, tuple[ServicePort, ...]]) -> list[Synced]:
        """Ports of all families. Raises RefusedError."""
        done = []
        with self.watch.quiet():
            for family, mode in self._modes.items():
                began = time.monotonic()
                full = family not in self._started
                mine = {key: tuple(p for p in ports if p.family == family) for key, ports in changes.items()}
                if not full:  # a Service that never was of this family is no change here
                    known = mode.known
                    mine = {key: ports for key, ports in mine.items() if ports or key in known}
                try:
                    mode.apply(mine)
                except ModeError as error:
                    raise RefusedError(str(error), family, full=full) from error
                self._started.add(family)
                done.append(Synced(family, time.monotonic() - began, full))
        return done

    def counts(self) -> Iterator[tuple[Family, RuleCounts]]:
        """Of modes whose rules are iptables'."""
        for family, mode in self._modes.items():
            if isinstance(mode, CountsRules):
                yield family, mode.rule_counts()

    def restart(self) -> None:
        """What is in the kernel is not what we believed: the next apply starts over, with everything."""
        self._started.clear()
        for mode in self._modes.values():
            mode.restart()

    def take_over(self) -> None:
        """Ours are all there: those of another mode, which served until now, can go."""
        for mode in self._others:
            mode.clean_up()
        self._others.clear()

    def damaged(self) -> bool:
        """Whether somebody has deleted something of ours since this was last asked."""
        return self.watch.damaged(lambda table, name: any(mode.owns(table, name) for mode in self._modes.values()))


def clean_up(nodes: Iterable[Node]) -> None:
    """Takes the rules of every mode away (`--cleanup`)."""
    for node in nodes:
        for make in MAKE.values():
            make(node).clean_up()
