"""IP sets: addresses and ports that one rule of iptables is about (nfnetlink, linux/netfilter/ipset/ip_set.h)."""

import os
import socket
import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from fairlead.host.conversation import (
    DUMP,
    NETWORK_ORDER,
    Conversation,
    Request,
    attribute,
    attributes,
    nested,
)

NETLINK_NETFILTER, SUBSYSTEM, PROTOCOL = 12, 6 << 8, 6
CREATE, DESTROY, LIST, ADD, DELETE, TYPE = 2, 3, 7, 9, 10, 13
A_PROTOCOL, A_NAME, A_TYPE, A_REVISION, A_FAMILY, A_DATA, A_ENTRIES, A_LINE = 1, 2, 3, 4, 5, 7, 8, 9
IP, PORT, PORT_TO, PROTO, FLAGS, IP2, CIDR2, MARK = 1, 4, 5, 7, 8, 20, 21, 27
HASH_SIZE, MOST_ELEMENTS, WITH_MARKS = 18, 19, 1 << 6
IN_NETWORK_ORDER = {4: 1, 16: 2}  # IPSET_ATTR_IPADDR_IPV4, IPSET_ATTR_IPADDR_IPV6
PROTOCOLS = {"tcp": 6, "udp": 17, "sctp": 132}
_NAMES = {number: name for name, number in PROTOCOLS.items()}
FAMILIES = {"IPv4": socket.AF_INET, "IPv6": socket.AF_INET6}
MOST = 500  # entries a message: a list's size is told in 16 bits
_ERRORS = {4097: "protocol error", 4098: "no such type", 4103: "it is there already", 4105: "it is in use"}
_EXISTS = 17


class IpsetError(Exception):
    """A change that the kernel refused."""


class Set(NamedTuple):
    """`kind`: "hash:ip", "hash:ip,port", "hash:ip,port,ip", "hash:ip,port,net" or "bitmap:port". `marks`: entries have
    marks, which rules may give to packets."""

    name: str
    kind: str
    marks: bool = False


class Entry(NamedTuple):
    """What of it a set has, its kind says. `other`: the second address or range."""

    address: str = ""
    protocol: str = ""
    port: int = 0
    other: str = ""
    mark: int = 0


def is_available() -> bool:
    """Whether this kernel has such sets, or their modules can be loaded."""
    try:
        kernel = Ipset("IPv4")
    except OSError:
        return False
    try:
        kernel.newest("hash:ip,port")
    except OSError:
        return False
    finally:
        kernel.close()
    return True


class Ipset:
    """The sets of one family, in this process's network when it is made. Raises OSError."""

    def __init__(self, family: str) -> None:
        self._kernel = Conversation(NETLINK_NETFILTER)
        self._family = FAMILIES[family]
        self._revisions: dict[str, int] = {}

    def close(self) -> None:
        self._kernel.close()

    def create(self, kept: Set) -> None:
        """One that is there as it should be stays as it is. Raises IpsetError."""
        self._tell(Request(SUBSYSTEM | CREATE, self._encode_set(kept)), kept.name)

    def destroy(self, name: str) -> None:
        """One that is not there is no error. Raises IpsetError, where rules use it."""
        self._tell(Request(SUBSYSTEM | DESTROY, _head(name)), name, missing_ok=True)

    def entries(self, kept: Set) -> set[Entry] | None:
        """None where there is no such set."""
        try:
            answers = self._kernel.ask(Request(SUBSYSTEM | LIST, _head(kept.name), DUMP))
        except OSError:
            return None
        return {entry for answer in answers for entry in decode_entries(answer)}

    def change(self, removed: Iterable[tuple[Set, Entry]], added: Iterable[tuple[Set, Entry]]) -> None:
        """Removals first. What is there already, or not there any more, is as it should be. Raises IpsetError."""
        requests = [*_changes(DELETE, removed), *_changes(ADD, added)]
        for _, code in self._kernel.tell(requests) if requests else ():
            raise IpsetError(f"ipset: {_told(code)}")

    def _encode_set(self, kept: Set) -> bytes:
        family = 0 if kept.kind == "bitmap:port" else self._family
        body = _head(kept.name) + _text(A_TYPE, kept.kind)
        body += attribute(A_REVISION, bytes((self.newest(kept.kind),))) + attribute(A_FAMILY, bytes((family,)))
        if kept.kind == "bitmap:port":
            data = _short(PORT, 0) + _short(PORT_TO, 65535)
        else:
            data = _number(HASH_SIZE, 1024) + _number(MOST_ELEMENTS, 65536)
            data += _number(FLAGS, WITH_MARKS) if kept.marks else b""
        return body + nested(A_DATA, data)

    def newest(self, kind: str) -> int:
        """The kernel's revision of a kind of sets. Raises OSError where it has none."""
        if kind not in self._revisions:
            family = 0 if kind == "bitmap:port" else self._family
            body = _generic() + _text(A_TYPE, kind) + attribute(A_FAMILY, bytes((family,)))
            (answer,) = self._kernel.ask(Request(SUBSYSTEM | TYPE, body))
            self._revisions[kind] = dict(attributes(answer[4:]))[A_REVISION][0]
        return self._revisions[kind]

    def _tell(self, request: Request, name: str, *, missing_ok: bool = False) -> None:
        for _, code in self._kernel.tell([request]):
            if not (missing_ok and code == 2):
                raise IpsetError(f"ipset {name}: {_told(code)}")


def _told(code: int) -> str:
    return _ERRORS.get(code) or (f"error {code}" if code > 4096 else os.strerror(code))


def _changes(command: int, entries: Iterable[tuple[Set, Entry]]) -> Iterator[Request]:
    by_set: dict[Set, list[bytes]] = {}
    for kept, entry in entries:
        by_set.setdefault(kept, []).append(nested(A_DATA, encode_entry(kept, entry)))
    for kept, encoded in by_set.items():
        for start in range(0, len(encoded), MOST):
            body = _head(kept.name) + attribute(A_LINE, struct.pack("=I", 1))
            yield Request(SUBSYSTEM | command, body + nested(A_ENTRIES, b"".join(encoded[start : start + MOST])))


def encode_entry(kept: Set, entry: Entry) -> bytes:
    if kept.kind == "bitmap:port":
        return _short(PORT, entry.port)
    data = _address(IP, entry.address)
    if kept.kind != "hash:ip":
        data += _short(PORT, entry.port) + attribute(PROTO, bytes((PROTOCOLS[entry.protocol],)))
    if kept.kind == "hash:ip,port,ip":
        data += _address(IP2, entry.other)
    elif kept.kind == "hash:ip,port,net":
        address, _, length = entry.other.partition("/")
        data += _address(IP2, address) + attribute(CIDR2, bytes((int(length),)))
    if kept.marks:
        data += attribute(MARK | NETWORK_ORDER, struct.pack("!II", entry.mark, 0xFFFFFFFF))
    return data


def decode_entries(body: bytes) -> Iterator[Entry]:
    for kind, value in attributes(body[4:]):
        if kind == A_ENTRIES:
            for _, entry in attributes(value):
                yield _decode_entry(dict(attributes(entry)))


def _decode_entry(found: dict[int, bytes]) -> Entry:
    other = _read_address(found[IP2]) if IP2 in found else ""
    return Entry(
        _read_address(found[IP]) if IP in found else "",
        _NAMES.get(found[PROTO][0], "") if PROTO in found else "",
        struct.unpack_from("!H", found[PORT])[0] if PORT in found else 0,
        f"{other}/{found[CIDR2][0]}" if CIDR2 in found else other,
        struct.unpack_from("!I", found[MARK])[0] if MARK in found else 0,
    )


def _generic() -> bytes:
    return struct.pack("!BBH", socket.AF_INET, 0, 0) + attribute(A_PROTOCOL, bytes((PROTOCOL,)))


def _head(name: str) -> bytes:
    return _generic() + _text(A_NAME, name)


def _text(kind: int, text: str) -> bytes:
    return attribute(kind, text.encode() + b"\0")


def _short(kind: int, number: int) -> bytes:
    return attribute(kind | NETWORK_ORDER, struct.pack("!H", number))


def _number(kind: int, number: int) -> bytes:
    return attribute(kind | NETWORK_ORDER, struct.pack("!I", number))


def _address(kind: int, address: str) -> bytes:
    data = socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)
    return nested(kind, attribute(IN_NETWORK_ORDER[len(data)] | NETWORK_ORDER, data))


def _read_address(value: bytes) -> str:
    ((_, data),) = attributes(value)
    return socket.inet_ntop(socket.AF_INET6 if len(data) == 16 else socket.AF_INET, data)
