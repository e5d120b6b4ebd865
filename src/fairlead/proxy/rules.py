"""All of a node's rules: the mode's, in each family of addresses; other modes' that an earlier proxy left."""

import logging
import time
from collections.abc import Iterable, Iterator

from fairlead.host.nft_watch import NftWatch
from fairlead.proxy.audit import Rounds
from fairlead.proxy.choosing import MAKE, every, others
from fairlead.proxy.metrics import Synced
from fairlead.proxy.mode import (
    Audited,
    Connections,
    CountsConnections,
    CountsRules,
    Mode,
    ModeError,
    Node,
    RuleCounts,
    Tended,
)
from fairlead.services.model import Family, ServicePort

log = logging.getLogger(__name__)

Changes = dict[str, tuple[ServicePort, ...]]
REST = 20  # times that it took to look, until it is looked again
MOST_REFUSED = 16  # Services: where more cannot be programmed, it is not they that are wrong


class RefusedError(ModeError):
    """With the family of the rules, and whether all of them were to be made."""

    def __init__(self, said: str, family: Family, *, full: bool) -> None:
        super().__init__(said)
        self.family: Family = family
        self.full = full


class Rules:
    """Of one mode. Services are keyed "namespace/name"."""

    def __init__(self, modes: dict[Family, Mode], others_: list[Mode], watch: NftWatch) -> None:
        self.watch = watch
        self._modes = modes
        self._others = others_
        self._tended: list[Tended] = [mode for mode in modes.values() if isinstance(mode, Tended)]
        self._started: set[Family] = set()
        self._rest_until = 0.0
        self._rounds = {family: Rounds() for family in modes}

    def apply(self, changes: Changes) -> list[Synced]:
        """Ports of all families. Raises RefusedError."""
        done = []
        generation = self._generation()
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
        self._changed_since(generation)
        return done

    def audit(self) -> bool:
        """Looks at a little of what is believed to be in the kernel: whether it is there. Where looking takes long, as
        iptables-legacy's does, it is done less often."""
        began = time.monotonic()
        if len(self._started) < len(self._modes) or began < self._rest_until:
            return True
        intact = self._look()
        self._rest_until = began + REST * (time.monotonic() - began)
        return intact

    def _look(self) -> bool:
        generation = self._generation()
        for family, mode in self._modes.items():
            keys, fixed = self._rounds[family].next(generation, mode.known)
            if (keys or fixed) and isinstance(mode, Audited) and not mode.audit(keys, fixed=fixed):
                return False
        self._changed_since(generation)
        return True

    def _generation(self) -> object:
        """None where one of them cannot tell."""
        each = [mode.generation() for mode in self._modes.values() if isinstance(mode, Audited)]
        return None if None in each else tuple(each)

    def _changed_since(self, before: object) -> None:
        """By ourselves."""
        if before is None:
            return
        after = self._generation()
        for rounds in self._rounds.values():
            rounds.own(before, after)

    def packets(self) -> dict[str, int]:
        """Of modes whose rules are iptables': those that met rules that count, in this network."""
        found: dict[str, int] = {}
        for mode in self._modes.values():
            if isinstance(mode, CountsRules):
                found |= mode.packets()
        return found

    def counts(self) -> Iterator[tuple[Family, RuleCounts]]:
        """Of modes whose rules are iptables'."""
        for family, mode in self._modes.items():
            if isinstance(mode, CountsRules):
                yield family, mode.rule_counts()

    def connections(self) -> Iterator[tuple[Family, Connections]]:
        """Of modes that count them."""
        for family, mode in self._modes.items():
            if family in self._started and isinstance(mode, CountsConnections):
                yield from ((family, each) for each in mode.connections())

    def apply_what_can_be(self, changes: Changes) -> dict[str, str]:
        """After `apply` has failed: each Service that cannot be programmed, and why; all others are. Raises ModeError
        where too many cannot."""
        refused: dict[str, str] = {}
        left = [changes]
        while left:
            some = left.pop()
            try:
                self.apply(some)
            except ModeError as error:
                if len(some) > 1:
                    keys = list(some)
                    half = len(keys) // 2
                    left += [{key: some[key] for key in part} for part in (keys[half:], keys[:half])]
                    continue
                refused |= dict.fromkeys(some, str(error))
                if len(refused) > MOST_REFUSED:
                    raise
        return refused

    def restart(self) -> None:
        """What is in the kernel is not what we believed: the next apply starts over, with everything."""
        self._started.clear()
        for rounds in self._rounds.values():
            rounds.forget()
        for mode in self._modes.values():
            mode.restart()

    def take_over(self) -> None:
        """Ours are all there: those of another mode, which served until now, can go."""
        for mode in self._others:
            if isinstance(mode, Tended):
                mode.hand_over()
                self._tended.append(mode)
            else:
                mode.clean_up()
        self._others.clear()

    def tend(self) -> float | None:
        """What is due with time. Seconds until this is to be called again; None: never. Raises ModeError."""
        waiting = []
        with self.watch.quiet():
            for mode in list(self._tended):
                if (seconds := mode.tend()) is None:
                    self._tended.remove(mode)
                else:
                    waiting.append(seconds)
        return min(waiting, default=None)

    def damaged(self) -> bool:
        """Whether somebody has deleted something of ours since this was last asked."""
        return self.watch.damaged(lambda table, name: any(mode.owns(table, name) for mode in self._modes.values()))


def rules(mode: str, nodes: dict[Family, Node]) -> Rules:
    """In this process's network."""
    watch = NftWatch()
    modes = {family: MAKE[mode](node) for family, node in nodes.items()}
    return Rules(modes, [other for node in nodes.values() for other in others(mode, node)], watch)


def clean_up(nodes: Iterable[Node]) -> None:
    """Takes the rules of every mode away (`--cleanup`)."""
    for node in nodes:
        for mode in every(node):
            mode.clean_up()
