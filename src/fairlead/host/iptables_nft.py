"""iptables' tables in nf_tables by netlink itself, as iptables-nft keeps them there: its programs list, change and
delete what is written here. A change costs what the kernel takes to check it; nothing is read first."""

import itertools
import socket
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from fairlead.host import namespaces, sysctl
from fairlead.host.iptables import (
    BUILT_IN,
    Change,
    Found,
    Iptables,
    IptablesError,
    Rule,
    Tables,
    default_variant,
    legacy_is_used,
)
from fairlead.host.iptables_rule import EXPRESSIONS, UnknownShapeError, encode, jump_of
from fairlead.host.nfacct import Counters
from fairlead.host.nfnetlink import NfnetlinkError
from fairlead.host.nft_wire import APPEND, CREATE, ECHO, Message, NftSocket, attribute, attributes, nested, number, text

NEW_TABLE, NEW_CHAIN, GET_CHAIN, DELETE_CHAIN, NEW_RULE, GET_RULE, DELETE_RULE = 0, 3, 4, 5, 6, 7, 8
TABLE_NAME, CHAIN_TABLE, CHAIN_NAME, CHAIN_HOOK, CHAIN_POLICY, CHAIN_TYPE = 1, 1, 3, 4, 5, 7
RULE_TABLE, RULE_CHAIN, RULE_HANDLE = 1, 2, 3
HOOK_NUMBER, HOOK_PRIORITY = 1, 2
ACCEPT = 1
HOOKS = {"PREROUTING": 0, "INPUT": 1, "FORWARD": 2, "OUTPUT": 3, "POSTROUTING": 4}
PRIORITIES = {"filter": 0, "mangle": -150}
NAT_PRIORITIES = {"PREROUTING": -100, "INPUT": 100, "OUTPUT": -100, "POSTROUTING": 100}
SMALL = 1000  # chains, of a change that is made in one transaction
MOST = 2 << 20  # bytes of a transaction, where it is made in several

Key = tuple[str, str, str]  # table, chain, rule


class IptablesNft:
    """One family's tables in one network. `program`: for rules of shapes that are unknown here; None: there is none."""

    sees_all = False

    def __init__(self, program: Iptables | None, *, ipv6: bool = False, namespace: Path | None = None) -> None:
        """Raises OSError where the kernel has no nf_tables."""
        family = socket.AF_INET6 if ipv6 else socket.AF_INET
        self._socket = (
            NftSocket(family) if namespace is None else namespaces.run_in(namespace, lambda: NftSocket(family))
        )
        self.counters = Counters(namespace)
        self._program = program
        self._ipv6 = ipv6
        self._namespace = namespace
        self._handles: dict[Key, int] = {}  # of the rules in shared chains

    def look(self, table: str) -> Found:
        try:
            chains = self._chains(table)
        except NfnetlinkError as error:
            raise IptablesError(str(error)) from error
        return Found(Counter(dict.fromkeys(chains, 0)), self.jumps(table))

    def jumps(self, table: str) -> dict[str, set[str]]:
        return {
            chain: {jump_of(each[EXPRESSIONS]) for each in self._rules_if_any(table, chain)}
            for chain in BUILT_IN[table]
        }

    def change(self, changes: dict[str, Change]) -> None:
        try:
            self._change(changes)
        except UnknownShapeError as error:
            if self._program is None:
                raise IptablesError(str(error)) from error
            self._by_program(self._program, changes)
        except NfnetlinkError as error:
            raise IptablesError(str(error)) from error

    def remove(self, table: str, ours: Callable[[str], bool]) -> None:
        try:
            chains = [name for name in self._chains(table) if ours(name)]
            if not chains:
                return
            in_table = text(RULE_TABLE, table)
            jumps = [
                Message(DELETE_RULE, 0, in_table + text(RULE_CHAIN, chain) + attribute(RULE_HANDLE, rule[RULE_HANDLE]))
                for chain in BUILT_IN[table]
                for rule in self._rules_if_any(table, chain)
                if ours(jump_of(rule[EXPRESSIONS]))
            ]
            for messages in _portions([each] for each in (*jumps, *_emptied(table, chains), *_deleted(table, chains))):
                self._socket.commit(messages)
        except NfnetlinkError as error:
            raise IptablesError(str(error)) from error
        self._handles = {key: handle for key, handle in self._handles.items() if key[0] != table}

    def generation(self) -> object:
        return self._socket.generation()

    def has(self, table: str, chains: Mapping[str, tuple[str, ...]], rules: Iterable[Rule]) -> bool:
        in_table = text(RULE_TABLE, table)
        try:
            for chain, wanted in chains.items():
                leads_to = [jump_of(each[EXPRESSIONS]) for each in self._rules(table, chain)]
                if len(leads_to) != len(wanted) or not all(map(_is_led, wanted, leads_to)):
                    return False
            for chain, rule in rules:
                handle = self._handles.get((table, chain, rule))
                if handle is not None:  # else the program wrote it
                    named = in_table + text(RULE_CHAIN, chain) + attribute(RULE_HANDLE, handle.to_bytes(8))
                    self._socket.get(GET_RULE, named)
        except NfnetlinkError:
            return False
        return True

    def set_kernel(self, name: str, value: str) -> None:
        for refused in sysctl.write({name: value}, self._namespace):
            raise IptablesError(f"this kernel does not let us set {refused}")

    def close(self) -> None:
        self._socket.close()

    def _change(self, changes: dict[str, Change]) -> None:
        """In one transaction, if it is small. Else: chains, then what is in them from the ends of the ways on, then
        what leads to them, and then what nothing leads to any more."""
        start: list[Message] = []
        last: list[Message] = []
        gone: list[Message] = []
        remembered: list[Key] = []
        forgotten: list[Key] = []
        for table, change in changes.items():
            start += self._start(table, change)
            for chain, rules in change.shared.items():
                forgotten += [key for key in self._handles if key[:2] == (table, chain)]
                last += self._filled(table, chain, rules, ECHO)
                remembered += [(table, chain, rule) for rule in rules]
            for chain, rule in change.removed:
                last.append(self._removed(table, chain, rule))
                forgotten.append((table, chain, rule))
            for chain, rule in reversed(change.first):
                last.append(self._rule(table, chain, rule, CREATE | ECHO))
                remembered.append((table, chain, rule))
            gone += (*_emptied(table, change.gone), *_deleted(table, change.gone))
        inner = (
            self._filled(table, chain, rules)
            for table, change in changes.items()
            for chain, rules in change.filled.items()
        )
        if sum(len(change.filled) + len(change.gone) for change in changes.values()) <= SMALL:
            echoed = self._socket.commit([*start, *(each for group in inner for each in group), *last, *gone])
        else:
            for messages in _portions(itertools.chain(([each] for each in start), inner)):
                self._socket.commit(messages)
            echoed = self._socket.commit(last)
            for messages in _portions([each] for each in gone):
                self._socket.commit(messages)
        for key in forgotten:
            self._handles.pop(key, None)
        for key, body in zip(remembered, echoed, strict=True):
            self._handles[key] = int.from_bytes(attributes(body)[RULE_HANDLE])

    def _by_program(self, program: Iptables, changes: dict[str, Change]) -> None:
        """What it writes has handles that we are not told."""
        program.change(changes)
        for table, change in changes.items():
            written = {chain for chain, _ in (*change.first, *change.removed)} | change.shared.keys()
            for key in [key for key in self._handles if key[0] == table and key[1] in written]:
                del self._handles[key]

    def _start(self, table: str, change: Change) -> Iterator[Message]:
        """What must be there before rules are: the table, the kernel's own chains, as iptables makes them, and ours."""
        if not change:
            return
        yield Message(NEW_TABLE, CREATE, text(TABLE_NAME, table))
        in_table = text(CHAIN_TABLE, table)
        hooks = {chain for chain, _ in change.first if chain in BUILT_IN[table]}
        if hooks:
            for chain in sorted(hooks.difference(self._chains(table))):
                yield Message(NEW_CHAIN, CREATE, in_table + _built_in(table, chain))
        for chain in (*change.filled, *change.shared):
            yield Message(NEW_CHAIN, CREATE, in_table + text(CHAIN_NAME, chain))

    def _filled(self, table: str, chain: str, rules: tuple[str, ...], flags: int = 0) -> list[Message]:
        emptied = Message(DELETE_RULE, 0, text(RULE_TABLE, table) + text(RULE_CHAIN, chain))
        return [emptied, *(self._rule(table, chain, rule, CREATE | APPEND | flags) for rule in rules)]

    def _removed(self, table: str, chain: str, rule: str) -> Message:
        handle = self._handles.get((table, chain, rule))
        if handle is None:
            raise UnknownShapeError(f"the program wrote {rule}")
        body = text(RULE_TABLE, table) + text(RULE_CHAIN, chain) + attribute(RULE_HANDLE, handle.to_bytes(8))
        return Message(DELETE_RULE, 0, body)

    def _rule(self, table: str, chain: str, rule: str, flags: int) -> Message:
        encoded = encode(rule, ipv6=self._ipv6)
        return Message(NEW_RULE, flags, text(RULE_TABLE, table) + text(RULE_CHAIN, chain) + encoded)

    def _chains(self, table: str) -> list[str]:
        name = table.encode() + b"\0"
        found = (attributes(body) for body in self._socket.dump(GET_CHAIN, b""))
        return [each[CHAIN_NAME][:-1].decode() for each in found if each[CHAIN_TABLE] == name]

    def _rules(self, table: str, chain: str) -> Iterator[dict[int, bytes]]:
        body = text(RULE_TABLE, table) + text(RULE_CHAIN, chain)
        return (attributes(each) for each in self._socket.dump(GET_RULE, body))

    def _rules_if_any(self, table: str, chain: str) -> list[dict[int, bytes]]:
        """None in a chain that is not there, whose rules cannot be asked for."""
        try:
            return list(self._rules(table, chain))
        except NfnetlinkError:
            return []


def open_tables(*, ipv6: bool = False, namespace: Path | None = None) -> Tables:
    """In the variant that is used here. Where an earlier proxy or kubelet used legacy's, it goes on with that: rules of
    the other would come on top. Else the machine's default is taken, so that `iptables -L` shows them. Raises
    IptablesError."""
    variant = "iptables-legacy" if legacy_is_used(ipv6=ipv6, namespace=namespace) else default_variant()
    program = None if variant is None else Iptables(variant, ipv6=ipv6, namespace=namespace)
    if program is not None and variant == "iptables-legacy":
        return program
    try:
        return IptablesNft(program, ipv6=ipv6, namespace=namespace)
    except OSError as error:
        raise IptablesError(f"neither iptables nor nf_tables: {error}") from error


def _is_led(rule: str, leads_to: str) -> bool:
    target = rule.rpartition("-j ")[2]
    return target == leads_to or not leads_to


def _built_in(table: str, chain: str) -> bytes:
    kind = table if table == "nat" or (table == "mangle" and chain == "OUTPUT") else "filter"
    if kind == "mangle":
        kind = "route"
    priority = NAT_PRIORITIES[chain] if table == "nat" else PRIORITIES[table]
    hook = nested(CHAIN_HOOK, number(HOOK_NUMBER, HOOKS[chain]) + number(HOOK_PRIORITY, priority & 0xFFFFFFFF))
    return text(CHAIN_NAME, chain) + hook + number(CHAIN_POLICY, ACCEPT) + text(CHAIN_TYPE, kind)


def _emptied(table: str, chains: Iterable[str]) -> Iterator[Message]:
    in_table = text(RULE_TABLE, table)
    return (Message(DELETE_RULE, 0, in_table + text(RULE_CHAIN, chain)) for chain in chains)


def _deleted(table: str, chains: Iterable[str]) -> Iterator[Message]:
    in_table = text(CHAIN_TABLE, table)
    return (Message(DELETE_CHAIN, 0, in_table + text(CHAIN_NAME, chain)) for chain in chains)


def _portions(groups: Iterable[list[Message]]) -> Iterator[list[Message]]:
    """Transactions of a size that the kernel has room for; a group is never divided."""
    portion: list[Message] = []
    size = 0
    for group in groups:
        portion += group
        size += sum(len(each.body) for each in group)
        if size > MOST:
            yield portion
            portion, size = [], 0
    if portion:
        yield portion
