"""The mode: plans what changed, restores only chains that are touched, and remembers them when that has succeeded."""

import logging
from collections.abc import Iterable, Iterator

from fairlead.host.iptables import Iptables, IptablesError
from fairlead.proxy.mode import ModeError, Node
from fairlead.proxy.modes.iptables.plan import Wanted, plan
from fairlead.proxy.modes.iptables.skeleton import FIXED, HOOKS, OWN_PREFIXES, fixed_rules
from fairlead.services.model import ServicePort

log = logging.getLogger(__name__)

NOTHING = Wanted()


class IptablesMode:
    """One node's KUBE- chains. Services are keyed "namespace/name"."""

    def __init__(self, iptables: Iptables, node: Node) -> None:
        self._iptables = iptables
        self._node = node
        self._applied: dict[str, Wanted] = {}
        self._started = False

    def apply(self, changes: dict[str, tuple[ServicePort, ...]]) -> None:
        """`changes`: all ports of each Service that may have changed; none: it is gone. Raises ModeError."""
        wanted = {key: plan(ports, self._node) for key, ports in changes.items()}
        try:
            text = self._change(wanted) if self._started else self._everything(wanted)
            if text:
                self._iptables.restore(text)
        except IptablesError as error:
            raise ModeError(str(error)) from error
        self._started = True
        for key, each in wanted.items():
            if each.chains or each.shared:
                self._applied[key] = each
            else:
                self._applied.pop(key, None)

    def restart(self) -> None:
        """What is in the kernel is not what we believed: the next apply starts over, with everything."""
        self._applied.clear()
        self._started = False

    @property
    def known(self) -> Iterable[str]:
        return self._applied.keys()

    def owns(self, table: str, name: str) -> bool:
        """In the variant that is made of nf_tables; the other tells nobody what is changed."""
        return table in FIXED and (name.startswith("KUBE-") or name in {hook for hook, _ in HOOKS[table]})

    def clean_up(self) -> None:
        """Takes our chains and the rules that lead to them away."""
        try:
            text = "".join(_removal(table, self._iptables.save(table)) for table in FIXED)
            if text:
                self._iptables.restore(text)
        except IptablesError as error:
            log.debug("no rules to delete: %s", error)
        self.restart()

    def _change(self, wanted: dict[str, Wanted]) -> str:
        """Its size is that of the change."""
        lines: dict[str, list[str]] = {"nat": [], "filter": []}
        gone: list[str] = []
        for key, after in wanted.items():
            before = self._applied.get(key, NOTHING)
            changed = [name for name, rules in after.chains.items() if before.chains.get(name) != rules]
            left = [name for name in before.chains if name not in after.chains]
            nat = lines["nat"]
            nat += [f":{name} - [0:0]" for name in (*changed, *left)]
            nat += [f"-A {name} {rule}" for name in changed for rule in after.chains[name]]
            gone += left
            for table, chain, rule in before.shared:
                if (table, chain, rule) not in after.shared:
                    lines[table].append(f"-D {chain} {rule}")
            for table, chain, rule in reversed(after.shared):
                if (table, chain, rule) not in before.shared:
                    lines[table].append(f"-I {chain} {rule}")
        lines["nat"] += [f"-X {name}" for name in gone]
        return "".join(_table(table, text) for table, text in lines.items() if text)

    def _everything(self, wanted: dict[str, Wanted]) -> str:
        """All chains anew, in one transaction a table; chains of Services that are gone meanwhile go with it."""
        fixed = fixed_rules(self._node.service_cidr, self._node.node_port_addresses)
        text = ""
        for table, chains in FIXED.items():
            there = self._iptables.save(table)
            own: dict[str, tuple[str, ...]] = {}
            if table == "nat":
                for each in wanted.values():
                    own |= each.chains
            stale = [name for name in _own_chains(there) if name not in own and name not in chains]
            lines = [f":{name} - [0:0]" for name in (*chains, *own, *stale)]
            for each in wanted.values():
                lines += [f"-A {chain} {rule}" for place, chain, rule in each.shared if place == table]
            lines += fixed[table]
            lines += [f"-A {name} {rule}" for name, rules in own.items() for rule in rules]
            lines += [f"-X {name}" for name in stale]
            lines += [f"-I {hook} {rule}" for hook, rule in HOOKS[table] if not _has_jump(there, hook, rule)]
            text += _table(table, lines)
        return text


def _table(name: str, lines: list[str]) -> str:
    return "\n".join((f"*{name}", *lines, "COMMIT", ""))


def _own_chains(saved: list[str]) -> Iterator[str]:
    for line in saved:
        if line.startswith(":"):
            name = line[1:].partition(" ")[0]
            if name.startswith(OWN_PREFIXES):
                yield name


def _has_jump(saved: list[str], hook: str, rule: str) -> bool:
    target = rule.rsplit(maxsplit=1)[-1]
    return any(line.startswith(f"-A {hook} ") and line.endswith(f" -j {target}") for line in saved)


def _removal(table: str, saved: list[str]) -> str:
    ours = {*FIXED[table], *_own_chains(saved)}
    chains = [name for line in saved if line.startswith(":") and (name := line[1:].partition(" ")[0]) in ours]
    jumps = [
        f"-D{line[2:]}"
        for line in saved
        if line.startswith("-A ") and line.split()[1] not in ours and line.rpartition(" -j ")[2] in ours
    ]
    if not chains and not jumps:
        return ""
    return _table(table, [*(f":{name} - [0:0]" for name in chains), *jumps, *(f"-X {name}" for name in chains)])
