"""The mode: plans what changed, changes only chains that are touched, and remembers them when that has succeeded."""

import logging
from collections.abc import Iterable, Sequence

from fairlead.host.iptables import Change, Found, IptablesError, Tables
from fairlead.proxy.mode import ModeError, Node, RuleCounts
from fairlead.proxy.modes.iptables.plan import Wanted, plan
from fairlead.proxy.modes.iptables.skeleton import (
    FIXED,
    INVALID,
    IPVS,
    KUBELET,
    LOCALHOST,
    LOCALNET,
    ONLY_LOCAL,
    OWN_PREFIXES,
    SHARED,
    WITH_IPVS,
    answers_on_loopback,
    fixed_rules,
    hooked,
    hooks,
)
from fairlead.services.model import ServicePort

log = logging.getLogger(__name__)

NOTHING = Wanted()
LARGE = 1000  # endpoints; with more of them their rules go without comments (largeClusterEndpointsThreshold)
ROUTE_LOCALNET = "net.ipv4.conf.all.route_localnet"


class IptablesMode:
    """One node's KUBE- chains in one family. Services are keyed "namespace/name"."""

    def __init__(self, tables: Tables, node: Node) -> None:
        self._tables = tables
        self._node = node
        self._applied: dict[str, Wanted] = {}
        self._endpoints = 0
        self._counters: tuple[str, ...] = ()
        self._rules: dict[str, int] = {}  # by table
        self._last: dict[str, int] = {}
        self._started = False

    def apply(self, changes: dict[str, tuple[ServicePort, ...]]) -> None:
        """`changes`: all ports of each Service that may have changed; none: it is gone. Raises ModeError."""
        before = sum(self._applied.get(key, NOTHING).endpoints for key in changes)
        endpoints = self._endpoints - before + sum(len(p.endpoints) for ports in changes.values() for p in ports)
        if not self._started:
            self._counters = tuple(name for name in (INVALID, LOCALHOST) if self._tables.counters.ensure(name))
        large = endpoints > LARGE
        wanted = {key: plan(ports, self._node, large=large, counters=self._counters) for key, ports in changes.items()}
        tables = self._change(wanted) if self._started else self._everything(wanted)
        try:
            self._tables.change(tables)
            if not self._started and answers_on_loopback(self._node):
                self._tables.set_kernel(ROUTE_LOCALNET, "1")  # behind the rule that keeps others off 127.0.0.0/8
        except IptablesError as error:
            raise ModeError(str(error)) from error
        self._count(wanted, tables)
        self._started = True
        self._endpoints = endpoints
        for key, each in wanted.items():
            if each.chains or each.shared:
                self._applied[key] = each
            else:
                self._applied.pop(key, None)

    def restart(self) -> None:
        """What is in the kernel is not what we believed: the next apply starts over, with everything."""
        self._applied.clear()
        self._endpoints = 0
        self._started = False

    def generation(self) -> object:
        return self._tables.generation()

    def audit(self, keys: Sequence[str], *, fixed: bool) -> bool:
        try:
            if fixed and not self._has_fixed():
                return False
            for key in keys:
                wanted = self._applied.get(key, NOTHING)
                shared: dict[str, list[tuple[str, str]]] = {"nat": [], "filter": []}
                for table, chain, rule in wanted.shared:
                    shared[table].append((chain, rule))
                if not self._tables.has("nat", wanted.chains, shared["nat"]):
                    return False
                if shared["filter"] and not self._tables.has("filter", {}, shared["filter"]):
                    return False
        except IptablesError as error:
            log.warning("cannot look at our rules: %s", error)
            return False
        return True

    def _has_fixed(self) -> bool:
        """Chains that are filled once, what is fixed in the others, and the hooks."""
        every = [rule for each in self._applied.values() for rule in each.shared] if self._tables.sees_all else []
        for table, rules in fixed_rules(self._node, self._counters).items():
            own = {
                name: tuple(rules.get(name, ()))
                for name in FIXED[table]
                if name not in SHARED[table] and (name != LOCALNET or rules[name])
            }
            shared = [(chain, rule) for place, chain, rule in every if place == table]
            shared += [(chain, rule) for chain in SHARED[table] for rule in rules.get(chain, ())]
            if table != "mangle" and not self._tables.has(table, own, shared):
                return False
            jumps = self._tables.jumps(table)
            if any(chain not in jumps[hook] for hook, chain, _ in hooks(table)):
                return False
        return True

    def rule_counts(self) -> RuleCounts:
        return RuleCounts(self._rules, self._last)

    def packets(self) -> dict[str, int]:
        found = {
            "ct_state_invalid_dropped": self._tables.counters.packets(INVALID),
            "localhost_nodeports_accepted": self._tables.counters.packets(LOCALHOST),
        }
        return {name: count for name, count in found.items() if count is not None}

    @property
    def known(self) -> Iterable[str]:
        return self._applied.keys()

    def owns(self, table: str, name: str) -> bool:
        """In the variant that is made of nf_tables; the other tells nobody what is changed."""
        return table in FIXED and (name.startswith("KUBE-") or name in hooked(table))

    def clean_up(self) -> None:
        """Takes our chains and the rules that lead to them away; kubelet's stay where there is one."""
        try:
            kubelet = KUBELET in self._tables.look("mangle").chains
            by_ipvs = IPVS in self._tables.look("nat").chains
            if not kubelet and self._tables.has("filter", {LOCALNET: (ONLY_LOCAL,)}, ()):
                self._tables.set_kernel(ROUTE_LOCALNET, "0")  # before the rule goes that it must not be without
            for table, fixed in FIXED.items():
                ours = {name for name in fixed if name != LOCALNET or not kubelet}
                if by_ipvs:  # has taken over: where both call a chain the same, its rules are in it
                    ours -= WITH_IPVS
                self._tables.remove(table, lambda name: name in ours or name.startswith(OWN_PREFIXES))  # noqa: B023
        except IptablesError as error:
            log.warning("cannot delete all rules: %s", error)
        self.restart()

    def _count(self, wanted: dict[str, Wanted], changes: dict[str, Change]) -> None:
        if not self._started:
            fixed = fixed_rules(self._node, self._counters)
            self._rules = {table: sum(map(len, fixed[table].values())) for table in ("nat", "filter")}
        for key, after in wanted.items():
            for sign, each in ((-1, self._applied.get(key, NOTHING)), (1, after)):
                self._rules["nat"] += sign * sum(map(len, each.chains.values()))
                for table, _, _ in each.shared:
                    self._rules[table] += sign
        for table in self._rules:
            change = changes[table]
            filled = sum(len(rules) for rules in (*change.filled.values(), *change.shared.values()))
            self._last[table] = filled + (len(change.first) if self._started else 0)  # else those are hooks

    def _change(self, wanted: dict[str, Wanted]) -> dict[str, Change]:
        """Its size is that of what is different."""
        changes = {"nat": Change(), "filter": Change()}
        nat = changes["nat"]
        for key, after in wanted.items():
            before = self._applied.get(key, NOTHING)
            for name, rules in after.chains.items():
                if before.chains.get(name) != rules:
                    nat.filled[name] = rules
            nat.gone += [name for name in before.chains if name not in after.chains]
            for table, chain, rule in before.shared:
                if (table, chain, rule) not in after.shared:
                    changes[table].removed.append((chain, rule))
            for table, chain, rule in after.shared:
                if (table, chain, rule) not in before.shared:
                    changes[table].first.append((chain, rule))
        return changes

    def _everything(self, wanted: dict[str, Wanted]) -> dict[str, Change]:
        """All chains anew; those of Services that are gone meanwhile go with it."""
        fixed = fixed_rules(self._node, self._counters)
        changes = {table: self._table(table, fixed[table], self._tables.look(table)) for table in FIXED}
        nat = changes["nat"]
        shared: dict[tuple[str, str], list[str]] = {}
        for each in wanted.values():
            nat.filled |= each.chains
            for table, chain, rule in each.shared:
                shared.setdefault((table, chain), []).append(rule)
        for table, change in changes.items():
            for chain in SHARED[table]:
                change.shared[chain] = (*shared.get((table, chain), ()), *fixed[table].get(chain, ()))
        nat.gone = [name for name in nat.gone if name not in nat.filled]
        return changes

    def _table(self, table: str, rules: dict[str, list[str]], found: Found) -> Change:
        """With our own chains that are there as if they were all to go."""
        change = Change()
        for chain in FIXED[table]:
            if chain not in SHARED[table] and (chain != LOCALNET or rules[chain] or chain not in found.chains):
                change.filled[chain] = tuple(rules.get(chain, ()))
        change.first = [(hook, rule) for hook, chain, rule in hooks(table) if chain not in found.jumps.get(hook, ())]
        change.first.reverse()
        change.gone = [name for name in found.chains if name.startswith(OWN_PREFIXES)]
        return change
