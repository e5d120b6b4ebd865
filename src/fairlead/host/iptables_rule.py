"""A rule as iptables writes it, in the expressions of nf_tables that iptables-nft makes of it: `iptables-save` and
`iptables -D` take it for iptables' own. Pure.

Source: iptables/nft-shared.c, extensions/; linux/netfilter/xt_*.h, nf_tables.h. Only the shapes that this project's
parts make; for any other the program itself must be asked.
"""

import ipaddress
import socket
import struct
from collections.abc import Callable, Iterator
from functools import lru_cache

from fairlead.host.nfacct import LONGEST
from fairlead.host.nft_wire import attribute, attributes, listed, nested, number, text

NAME, DATA, ELEMENT = 1, 2, 1  # of an expression, in a list of them
EXPRESSIONS, COMPAT = 4, 5  # of a rule
REGISTER = 1
EQUAL, NOT_EQUAL = 0, 1
NETWORK, TRANSPORT = 1, 2  # headers
MARK, L4_PROTOCOL = 3, 16  # of meta
PROTOCOLS = {"icmp": 1, "tcp": 6, "udp": 17, "sctp": 132}
ICMP6 = 58
VERDICTS = {"ACCEPT": 1, "DROP": 0, "RETURN": -5 & 0xFFFFFFFF}
JUMP = -3 & 0xFFFFFFFF
LOCAL = 1 << 2  # RTN_LOCAL, of addrtype
# of conntrack: states, then statuses of the translation
STATES = {"INVALID": 1, "ESTABLISHED": 2, "RELATED": 4, "NEW": 8, "SNAT": 64, "DNAT": 128, "UNTRACKED": 256}
CONNTRACK_STATE = 1
CHECK, SET, REAP = 1, 2, 32  # of recent
ADDRESS, PORT, FULLY_RANDOM = 1, 2, 16  # of nat
COMMENT_SIZE, RECENT_NAME_SIZE = 256, 200
BOTH = {"dst": (16, 24), "src": (12, 8)}  # where the address is in the header: IPv4, IPv6


class UnknownShapeError(ValueError):
    """A rule that is not written here. The program knows it."""


def encode(rule: str, *, ipv6: bool) -> bytes:
    """The attributes of a rule beside its table and chain. Raises UnknownShapeError."""
    reading = _Reading(rule, ipv6)
    while reading.tokens:
        token = reading.take()
        negated = token == "!"
        option = reading.take() if negated else token
        try:
            _OPTIONS[option](reading, negated)
        except KeyError:
            raise UnknownShapeError(f"{option} in {rule}") from None
    return reading.encoded()


class _Reading:
    """One rule, its tokens backwards, and what is made of it so far."""

    def __init__(self, rule: str, ipv6: bool) -> None:
        self.rule = rule
        self.ipv6 = ipv6
        self.tokens = list(_tokens(rule))[::-1]
        self.protocol = 0
        self.source = b""
        self.destination = b""
        self.matches: list[bytes] = []
        self.target = b""
        self.ports: tuple[str, int] | None = None  # the match that --dport belongs to, and its place

    def take(self) -> str:
        if not self.tokens:
            raise UnknownShapeError(f"something is missing at the end of {self.rule}")
        return self.tokens.pop()

    def next_is(self, option: str) -> bool:
        if self.tokens and self.tokens[-1] == option:
            self.tokens.pop()
            return True
        return False

    def expect(self, option: str) -> None:
        if not self.next_is(option):
            raise UnknownShapeError(f"no {option} in {self.rule}")

    def encoded(self) -> bytes:
        start = _l4_protocol(self.protocol) if self.protocol else b""
        expressions = b"".join((start, self.source, self.destination, *self.matches, _COUNTER, self.target))
        return nested(EXPRESSIONS, expressions) + nested(COMPAT, number(1, self.protocol) + number(2, 0))


def _tokens(rule: str) -> Iterator[str]:
    """Words; what is in quotes is one, and may be empty."""
    for index, part in enumerate(rule.split('"')):
        if index % 2:
            yield part
        else:
            yield from part.split()


def _protocol(rule: _Reading, negated: bool) -> None:
    name = rule.take()
    if negated or name not in PROTOCOLS:
        raise UnknownShapeError(f"the protocol {name} in {rule.rule}")
    rule.protocol = PROTOCOLS[name]


def _source(rule: _Reading, negated: bool) -> None:
    rule.source = _address(rule.take(), "src", negated, rule.ipv6)


def _destination(rule: _Reading, negated: bool) -> None:
    rule.destination = _address(rule.take(), "dst", negated, rule.ipv6)


def _match(rule: _Reading, negated: bool) -> None:
    name = rule.take()
    if negated or name not in _MATCHES:
        raise UnknownShapeError(f"the match {name} in {rule.rule}")
    rule.matches.append(_MATCHES[name](rule))


def _jump(rule: _Reading, negated: bool) -> None:
    name = rule.take()
    if negated:
        raise UnknownShapeError(rule.rule)
    rule.target = _TARGETS[name](rule) if name in _TARGETS else _verdict(name)


def _port(rule: _Reading, negated: bool) -> None:
    """It may stand anywhere behind its match."""
    port = int(rule.take())
    if negated or rule.ports is None:
        raise UnknownShapeError(rule.rule)
    name, place = rule.ports
    rule.matches[place] = (
        _sctp_port(port) if name == "sctp" else _load(TRANSPORT, 2, 2) + _compare(EQUAL, port.to_bytes(2))
    )


_OPTIONS: dict[str, Callable[[_Reading, bool], None]] = {
    "--dport": _port,
    "-p": _protocol,
    "-s": _source,
    "-d": _destination,
    "-m": _match,
    "-j": _jump,
}


def _comment(rule: _Reading) -> bytes:
    rule.expect("--comment")
    said = rule.take().encode()
    if len(said) >= COMMENT_SIZE:
        raise UnknownShapeError(f"a comment of {len(said)} bytes")
    return _compat("match", "comment", 0, said.ljust(COMMENT_SIZE, b"\0"))


def _ports(name: str) -> Callable[[_Reading], bytes]:
    def make(rule: _Reading) -> bytes:
        rule.ports = name, len(rule.matches)
        return _any_port(name)

    return make


def _address_type(rule: _Reading) -> bytes:
    which = rule.take()
    if which not in ("--dst-type", "--src-type") or rule.take() != "LOCAL":
        raise UnknownShapeError(rule.rule)
    source, destination = (LOCAL, 0) if which == "--src-type" else (0, LOCAL)
    return _compat("match", "addrtype", 1, struct.pack("=HHI", source, destination, 0))


def _conntrack(rule: _Reading) -> bytes:
    negated = rule.next_is("!")
    rule.expect("--ctstate")
    return _states(rule.take(), negated)


def _mark(rule: _Reading) -> bytes:
    negated = rule.next_is("!")
    rule.expect("--mark")
    value, _, mask = rule.take().partition("/")
    masked = _masked(_little(int(mask, 0))) if mask else b""
    return _meta(MARK) + masked + _compare(NOT_EQUAL if negated else EQUAL, _little(int(value, 0)))


def _statistic(rule: _Reading) -> bytes:
    rule.expect("--mode")
    rule.expect("random")
    rule.expect("--probability")
    return _probability(rule.take())


def _recent(rule: _Reading) -> bytes:
    rule.expect("--name")
    name = rule.take().encode()
    seconds, check = 0, SET
    if not rule.next_is("--set"):
        rule.expect("--rcheck")
        rule.expect("--seconds")
        seconds = int(rule.take())
        rule.expect("--reap")
        check = CHECK | REAP
    if len(name) >= RECENT_NAME_SIZE:
        raise UnknownShapeError(f"a name of {len(name)} bytes")
    head = struct.pack("=IIBB", seconds, 0, check, 0) + name.ljust(RECENT_NAME_SIZE, b"\0")
    return _compat("match", "recent", 1, head + b"\0\0" + b"\xff" * 16 + b"\0" * 4)


def _nfacct(rule: _Reading) -> bytes:
    rule.expect("--nfacct-name")
    name = rule.take().encode()
    if len(name) > LONGEST:
        raise UnknownShapeError(rule.rule)
    return _compat("match", "nfacct", 1, name.ljust(LONGEST + 1, b"\0") + bytes(8))


_MATCHES: dict[str, Callable[[_Reading], bytes]] = {
    "comment": _comment,
    "tcp": _ports("tcp"),
    "udp": _ports("udp"),
    "sctp": _ports("sctp"),
    "addrtype": _address_type,
    "conntrack": _conntrack,
    "mark": _mark,
    "statistic": _statistic,
    "recent": _recent,
    "nfacct": _nfacct,
}


def _target_mark(rule: _Reading) -> bytes:
    how = rule.take()
    bits = int(rule.take(), 0)
    if how not in ("--or-mark", "--xor-mark"):
        raise UnknownShapeError(rule.rule)
    return _compat("target", "MARK", 2, struct.pack("=II", bits, bits if how == "--or-mark" else 0))


def _target_masquerade(rule: _Reading) -> bytes:
    flags = FULLY_RANDOM if rule.next_is("--random-fully") else 0
    if rule.ipv6:
        return _compat("target", "MASQUERADE", 0, struct.pack("=I36x", flags))
    return _compat("target", "MASQUERADE", 0, struct.pack("=II16x", 1, flags))


def _target_dnat(rule: _Reading) -> bytes:
    rule.expect("--to-destination")
    address, _, port = rule.take().rpartition(":")
    where = _packed(address.strip("[]"), rule.ipv6).ljust(16, b"\0")
    to = int(port).to_bytes(2)
    return _compat("target", "DNAT", 2, struct.pack("=I", ADDRESS | PORT) + where * 2 + to * 2 + b"\0" * 8)


def _target_reject(rule: _Reading) -> bytes:
    """ "Port unreachable", which is what iptables does unless it is told otherwise, or TCP's reset."""
    code = 4 if rule.ipv6 else 3
    if rule.next_is("--reject-with"):
        rule.expect("tcp-reset")
        code = 6 if rule.ipv6 else 7
    return _compat("target", "REJECT", 0, struct.pack("=I4x", code))


_TARGETS: dict[str, Callable[[_Reading], bytes]] = {
    "MARK": _target_mark,
    "MASQUERADE": _target_masquerade,
    "DNAT": _target_dnat,
    "REJECT": _target_reject,
}


def jump_of(expressions: bytes) -> str:
    """The chain that a rule leads to; empty: none."""
    for expression in listed(expressions):
        each = attributes(expression[4:])
        if each[NAME] == b"immediate\0":
            verdict = attributes(attributes(attributes(each[DATA]).get(2, b"")).get(2, b""))
            return verdict.get(2, b"\0")[:-1].decode()
    return ""


def _expression(name: str, data: bytes) -> bytes:
    return nested(ELEMENT, text(NAME, name) + nested(DATA, data))


def _compat(kind: str, name: str, revision: int, info: bytes) -> bytes:
    """A match or target of xtables; `info` is as long as the kernel's struct, filled up to eight bytes."""
    return _expression(kind, text(1, name) + number(2, revision) + attribute(3, info))


def _load(header: int, offset: int, size: int) -> bytes:
    return _expression("payload", number(1, REGISTER) + number(2, header) + number(3, offset) + number(4, size))


def _meta(key: int) -> bytes:
    return _expression("meta", number(2, key) + number(1, REGISTER))


def _masked(mask: bytes) -> bytes:
    size = len(mask)
    both = nested(4, attribute(1, mask)) + nested(5, attribute(1, bytes(size)))
    return _expression("bitwise", number(1, REGISTER) + number(2, REGISTER) + number(3, size) + both)


def _compare(how: int, value: bytes) -> bytes:
    return _expression("cmp", number(1, REGISTER) + number(2, how) + nested(3, attribute(1, value)))


def _little(value: int) -> bytes:
    """Of this machine's own order."""
    return struct.pack("=I", value)


_COUNTER = _expression("counter", attribute(1, bytes(8)) + attribute(2, bytes(8)))


@lru_cache(maxsize=16)
def _l4_protocol(protocol: int) -> bytes:
    return _meta(L4_PROTOCOL) + _compare(EQUAL, bytes((protocol,)))


def _address(given: str, which: str, negated: bool, ipv6: bool) -> bytes:
    if "/" in given:
        return _range(given, which, negated, ipv6)
    packed = _packed(given, ipv6)
    return _LOAD_ADDRESS[which, ipv6] + _compare(NOT_EQUAL if negated else EQUAL, packed)


def _packed(address: str, ipv6: bool) -> bytes:
    try:
        return socket.inet_pton(socket.AF_INET6 if ipv6 else socket.AF_INET, address)
    except OSError as error:
        raise UnknownShapeError(f"the address {address}") from error


@lru_cache(maxsize=1024)
def _range(given: str, which: str, negated: bool, ipv6: bool) -> bytes:
    network = ipaddress.ip_network(given, strict=False)
    if (network.version == 6) != ipv6:
        raise UnknownShapeError(f"{given} is of the other family")
    length, packed = network.prefixlen, network.network_address.packed
    offset = BOTH[which][ipv6]
    how = NOT_EQUAL if negated else EQUAL
    if not length and not negated:
        return b""
    if not length or length % 8:
        return _load(NETWORK, offset, len(packed)) + _masked(network.netmask.packed) + _compare(how, packed)
    return _load(NETWORK, offset, length // 8) + _compare(how, packed[: length // 8])


_LOAD_ADDRESS = {
    (which, ipv6): _load(NETWORK, BOTH[which][ipv6], 16 if ipv6 else 4) for which in BOTH for ipv6 in (False, True)
}


@lru_cache(maxsize=64)
def _any_port(name: str) -> bytes:
    if name == "sctp":
        return _compat("match", "sctp", 0, _sctp(bytes(4), 0))
    return _compat("match", name, 0, struct.pack("=HHHH8x", 0, 0xFFFF, 0, 0xFFFF))


def _sctp_port(port: int) -> bytes:
    return _compat("match", "sctp", 0, _sctp(struct.pack("=HH", port, port), 2))


def _sctp(ports: bytes, flags: int) -> bytes:
    """struct xt_sctp_info: no chunk types are asked for."""
    return ports + bytes(4 + 256 + 4) + b"\xff\0\0" * 4 + struct.pack("=III4x", 0, flags, 0)


@lru_cache(maxsize=32)
def _states(names: str, negated: bool) -> bytes:
    """struct xt_conntrack_mtinfo3, with nothing but the states."""
    try:
        bits = sum(STATES[each] for each in names.split(","))
    except KeyError as error:
        raise UnknownShapeError(f"the state {error}") from None
    inverted = CONNTRACK_STATE if negated else 0
    info = bytes(146) + struct.pack("=HHH", CONNTRACK_STATE, inverted, bits)
    return _compat("match", "conntrack", 3, info.ljust(168, b"\0"))


@lru_cache(maxsize=2048)
def _probability(text_: str) -> bytes:
    """struct xt_statistic_info; the program leaves the number in its union's last part, too."""
    share = round(float(text_) * 0x80000000)
    return _compat("match", "statistic", 0, struct.pack("=HHIII8x", 0, 0, share, 0, share))


@lru_cache(maxsize=4096)
def _verdict(name: str) -> bytes:
    code = VERDICTS.get(name)
    verdict = number(1, JUMP) + text(2, name) if code is None else number(1, code)
    return _expression("immediate", number(1, 0) + nested(2, nested(2, verdict)))
