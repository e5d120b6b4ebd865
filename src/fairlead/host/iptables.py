"""iptables by its own programs, in whichever variant the machine uses: iptables-save(8), iptables-restore(8)."""

import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from fairlead.host import namespaces, sysctl
from fairlead.host.nfacct import Counters
from fairlead.host.xtables import TableSizes

LOCK_SECONDS, MOST_SECONDS = 5, 120.0
BUILT_IN = {
    "nat": ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"),
    "filter": ("INPUT", "FORWARD", "OUTPUT"),
    "mangle": ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"),
}
Rule = tuple[str, str]  # chain, and the rule as iptables writes it behind "-A CHAIN "


class IptablesError(Exception):
    """A change that was refused, with what was said."""


@dataclass(slots=True)
class Change:
    """What is to be different in one table. `filled`: chains with all of their rules from now on, each behind those
    that it leads to. `shared`: the same, of chains where single rules come and go later. `first`: rules to stand first
    in their chains, in this order."""

    filled: dict[str, tuple[str, ...]] = field(default_factory=dict)
    shared: dict[str, tuple[str, ...]] = field(default_factory=dict)
    removed: list[Rule] = field(default_factory=list)
    first: list[Rule] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.filled or self.shared or self.removed or self.first or self.gone)


@dataclass(slots=True)
class Found:
    """What is in one table: how many rules each chain has, and where each of the kernel's own leads to."""

    chains: Counter[str] = field(default_factory=Counter)
    jumps: dict[str, set[str]] = field(default_factory=dict)


class Tables(Protocol):
    """The tables of one family, in one network. Everything raises IptablesError. `sees_all`: to look at one rule takes
    as long as to look at all."""

    sees_all: bool

    def look(self, table: str) -> Found:
        """At all of it. What it costs is that of all rules, in nf_tables that of all chains, whose rules it does not
        count then."""

    def jumps(self, table: str) -> dict[str, set[str]]:
        """Where each of the kernel's own chains leads to."""

    def change(self, changes: dict[str, Change]) -> None:
        """By table. Small ones are made at once or not at all; of large ones, no step leaves a chain without its
        rules."""

    def remove(self, table: str, ours: Callable[[str], bool]) -> None:
        """These chains, and every rule of the kernel's own chains that leads to one."""

    def generation(self) -> object:
        """Another one after every change of the tables, whoever makes it; None: that cannot be told."""

    def has(self, table: str, chains: Mapping[str, tuple[str, ...]], rules: Iterable[Rule]) -> bool:
        """Whether these are there, as far as their number and where they lead to shows it: chains with all of their
        rules, and single rules of shared chains."""

    def set_kernel(self, name: str, value: str) -> None:
        """A setting of the same network."""

    @property
    def counters(self) -> Counters:
        """Of the same network."""


class Iptables:
    """`namespace`: the network to work in, by path; None: this process's own. `variant`: "iptables-nft",
    "iptables-legacy"."""

    sees_all = True

    def __init__(self, variant: str, *, ipv6: bool = False, namespace: Path | None = None) -> None:
        self._namespace = namespace
        self.counters = Counters(namespace)
        self._program = variant.replace("iptables", "ip6tables") if ipv6 else variant
        self._sizes = TableSizes(ipv6=ipv6, namespace=namespace) if variant == "iptables-legacy" else None
        self._seen: tuple[object, dict[str, Found]] | None = None  # in which generation, what

    def look(self, table: str) -> Found:
        found = Found(jumps={chain: set() for chain in BUILT_IN[table]})
        for line in self.save(table):
            if line.startswith(":"):
                found.chains[line[1:].partition(" ")[0]] = 0
            elif line.startswith("-A "):
                chain, _, rule = line[3:].partition(" ")
                found.chains[chain] += 1
                if chain in found.jumps:
                    found.jumps[chain].add(rule.rpartition("-j ")[2].partition(" ")[0])
        return found

    def change(self, changes: dict[str, Change]) -> None:
        if text := "".join(_table(table, as_text(change)) for table, change in changes.items() if change):
            self.restore(text)

    def remove(self, table: str, ours: Callable[[str], bool]) -> None:
        chains, jumps = [], []
        for line in self.save(table):
            if line.startswith(":") and ours(name := line[1:].partition(" ")[0]):
                chains.append(name)
            elif line.startswith("-A ") and ours(line.rpartition(" -j ")[2]) and not ours(line.split()[1]):
                jumps.append(f"-D{line[2:]}")
        if chains or jumps:
            lines = [*(f":{name} - [0:0]" for name in chains), *jumps, *(f"-X {name}" for name in chains)]
            self.restore(_table(table, lines))

    def generation(self) -> object:
        if self._sizes is None:
            return None
        try:
            return tuple(self._sizes.of(table) for table in ("nat", "filter"))
        except OSError as error:
            raise IptablesError(str(error)) from error

    def has(self, table: str, chains: Mapping[str, tuple[str, ...]], rules: Iterable[Rule]) -> bool:
        """Its price is that of all rules, so it is paid once a generation."""
        there = self._known(table).chains
        needed = Counter(chain for chain, _ in rules)
        exact = all(chain in there and there[chain] == len(rules_) for chain, rules_ in chains.items())
        return exact and all(there[chain] >= count for chain, count in needed.items())

    def jumps(self, table: str) -> dict[str, set[str]]:
        return self._known(table).jumps

    def _known(self, table: str) -> Found:
        generation = self.generation()
        if self._seen is None or generation is None or self._seen[0] != generation:
            self._seen = generation, {}
        if table not in self._seen[1]:
            self._seen[1][table] = self.look(table)
        return self._seen[1][table]

    def set_kernel(self, name: str, value: str) -> None:
        for refused in sysctl.write({name: value}, self._namespace):
            raise IptablesError(f"this kernel does not let us set {refused}")

    def save(self, table: str) -> list[str]:
        """The table's lines."""
        return self._run(f"{self._program}-save", "-t", table).splitlines()

    def restore(self, text: str) -> None:
        """Each table's lines in one transaction; chains that are not named stay."""
        self._run(f"{self._program}-restore", "--noflush", "-w", str(LOCK_SECONDS), given=text)

    def _run(self, *argv: str, given: str = "") -> str:
        def run() -> subprocess.CompletedProcess[str]:
            return subprocess.run(argv, input=given, capture_output=True, text=True, timeout=MOST_SECONDS, check=False)

        try:
            done = run() if self._namespace is None else namespaces.run_in(self._namespace, run)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise IptablesError(f"{argv[0]}: {error}") from error
        if done.returncode:
            raise IptablesError(f"{argv[0]}: {done.stderr.strip() or f'exit code {done.returncode}'}")
        return done.stdout


def legacy_is_used(*, ipv6: bool, namespace: Path | None = None) -> bool:
    """Whether rules of a proxy or kubelet are in the tables of iptables-legacy. Only looking there with the program
    would make the tables, so the kernel is asked first."""
    names = Path(f"/proc/thread-self/net/{'ip6' if ipv6 else 'ip'}_tables_names")

    def read() -> str:
        return names.read_text() if names.exists() else ""

    tables = read() if namespace is None else namespaces.run_in(namespace, read)
    if "nat" not in tables.split() or shutil.which("iptables-legacy-save") is None:
        return False
    try:
        return any(":KUBE-" in line for line in Iptables("iptables-legacy", ipv6=ipv6, namespace=namespace).save("nat"))
    except IptablesError:
        return False


def default_variant() -> str | None:
    """The one that `iptables` is here; None: it is not installed."""
    if shutil.which("iptables") is None:
        return None
    said = subprocess.run(["iptables", "--version"], capture_output=True, text=True, timeout=10, check=False).stdout
    return "iptables-nft" if "nf_tables" in said else "iptables-legacy"


def as_text(change: Change) -> list[str]:
    """Lines for iptables-restore. Pure."""
    whole = {**change.filled, **change.shared}
    return [
        *(f":{name} - [0:0]" for name in (*whole, *change.gone)),
        *(f"-A {name} {rule}" for name, rules in whole.items() for rule in rules),
        *(f"-D {chain} {rule}" for chain, rule in change.removed),
        *(f"-I {chain} {rule}" for chain, rule in reversed(change.first)),
        *(f"-X {name}" for name in change.gone),
    ]


def _table(name: str, lines: Iterable[str]) -> str:
    return "\n".join((f"*{name}", *lines, "COMMIT", ""))
