"""What the kernel holds of tables of nf_tables, as it would be sent to it (nfnetlink, linux/netfilter/nf_tables.h)."""

import errno
import os
import socket
import struct
from collections.abc import Iterable, Iterator

from fairlead.host.nfnetlink import NETLINK_NETFILTER, SUBSYSTEM_NFTABLES, Encoded, NfnetlinkError, without_data

REQUEST, ACK, DUMP = 1, 4, 0x300
ERROR, DONE = 2, 3
INTERRUPTED = 0x10  # the flag of a dump during which something was changed
GET_CHAIN, GET_RULE, GET_SET, GET_ELEMENT, GET_GENERATION = 4, 7, 10, 13, 16
GENERATION_ID = 1
AT_ONCE = 50  # elements asked for in one message
TABLE, NAME = 1, 2
CHAIN_NAME = 3
RULE_CHAIN, RULE_EXPRESSIONS = 2, 4
SET_TYPES = (3, 4, 5, 6, 7)  # flags, type and length of keys and of data: not how the kernel keeps it
LIST_ELEMENTS = 3
TRIES = 5  # of a dump that others interrupt
_MESSAGE = struct.Struct("=IHHII")
_GENERIC = struct.Struct("!BBH")
_ATTRIBUTE = struct.Struct("=HH")
ROOM = 1 << 18


class NftReader:
    """The tables of one family, in this process's network when it is made. `family`: AF_INET or AF_INET6."""

    def __init__(self, family: int = socket.AF_INET) -> None:
        self._family = family
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_NETFILTER)
        self._socket.bind((0, 0))
        self._socket.settimeout(5)
        self._sequence = 0

    def close(self) -> None:
        self._socket.close()

    def chains(self, table: str) -> set[str]:
        """Their names; none where the table is not there."""
        found = (dict(_attributes(data)) for data in self._dump(GET_CHAIN, _text(TABLE, table)))
        return {_string(each[CHAIN_NAME]) for each in found if _string(each.get(TABLE, b"")) == table}

    def sets(self, table: str) -> dict[str, bytes]:
        """name → what it is; sets and maps alike."""
        found = {}
        for data in self._dump(GET_SET, _text(TABLE, table)):
            named = dict(_attributes(data))
            if _string(named.get(TABLE, b"")) == table:
                described = [bytes((kind,)) + named.get(kind, b"") for kind in SET_TYPES]
                found[_string(named[NAME])] = b"".join(described)
        return found

    def rules(self, table: str, chain: str = "") -> list[tuple[str, bytes]]:
        """(chain, expressions) in their order; of one chain, if it is given, whatever there is in others."""
        named = _text(TABLE, table) + (_text(RULE_CHAIN, chain) if chain else b"")
        found = (dict(_attributes(data)) for data in self._dump(GET_RULE, named))
        return [
            (_string(each[RULE_CHAIN]), each.get(RULE_EXPRESSIONS, b""))
            for each in found
            if _string(each.get(TABLE, b"")) == table
        ]

    def generation(self) -> int:
        """Another one after every transaction, whoever makes it, in any table."""
        (answer,) = self._ask(GET_GENERATION, b"")
        return int.from_bytes(dict(_attributes(answer))[GENERATION_ID])

    def has(self, table: str, elements: Iterable[Encoded]) -> bool:
        """Whether all of these are there, each as nfnetlink.element encodes it."""
        by_set: dict[str, list[bytes]] = {}
        for name, encoded in elements:
            by_set.setdefault(name, []).append(encoded)
        return all(self._has(table, name, encoded) for name, encoded in by_set.items())

    def _has(self, table: str, set_name: str, elements: list[bytes]) -> bool:
        named = _text(TABLE, table) + _text(NAME, set_name)
        for start in range(0, len(elements), AT_ONCE):
            part = elements[start : start + AT_ONCE]
            asked = b"".join(map(without_data, part))
            listed = _ATTRIBUTE.pack(len(asked) + 4, LIST_ELEMENTS) + asked
            try:
                answers = self._ask(GET_ELEMENT, named + listed)
            except NfnetlinkError:  # one is not there
                return False
            found = {
                each
                for answer in answers
                for kind, value in _attributes(answer)
                if kind == LIST_ELEMENTS
                for each in _whole(value)
            }
            if not found.issuperset(part):
                return False
        return True

    def _ask(self, kind: int, named: bytes) -> list[bytes]:
        """The attributes of each answer to what is no dump. Raises NfnetlinkError, also where there is none."""
        found: list[bytes] = []
        self._send(kind, REQUEST | ACK, named)
        try:
            while True:
                data = self._socket.recv(ROOM)
                for size, kind_, _, sequence, offset in _messages(data):
                    if sequence != self._sequence:
                        continue
                    if kind_ == ERROR:
                        _raise_for(data, offset)
                        return found
                    found.append(data[offset + _MESSAGE.size + _GENERIC.size : offset + size])
        except OSError as error:
            raise NfnetlinkError(f"nfnetlink: {error.strerror or error}") from error

    def elements(self, table: str, set_name: str) -> list[bytes]:
        """Of a set or map, each as nfnetlink.element encodes it."""
        found = []
        for data in self._dump(GET_ELEMENT, _text(TABLE, table) + _text(NAME, set_name)):
            for kind, value in _attributes(data):
                if kind == LIST_ELEMENTS:
                    found += list(_whole(value))
        return found

    def _dump(self, kind: int, named: bytes) -> list[bytes]:
        """The attributes of each message. Raises NfnetlinkError."""
        for _ in range(TRIES):
            found: list[bytes] = []
            if self._dump_once(kind, named, found):
                return found
        raise NfnetlinkError("nfnetlink: a list was changed each time that it was read")

    def _dump_once(self, kind: int, named: bytes, found: list[bytes]) -> bool:
        """Whether nothing was changed meanwhile."""
        whole = True
        try:
            self._send(kind, REQUEST | DUMP, named)
            while True:
                data = self._socket.recv(ROOM)
                for size, kind_, flags, sequence, offset in _messages(data):
                    if sequence != self._sequence:
                        continue
                    whole = whole and not flags & INTERRUPTED
                    if kind_ == DONE:
                        return whole
                    if kind_ == ERROR:
                        _raise_for(data, offset)
                    found.append(data[offset + _MESSAGE.size + _GENERIC.size : offset + size])
        except OSError as error:
            raise NfnetlinkError(f"nfnetlink: {error.strerror or error}") from error

    def _send(self, kind: int, flags: int, named: bytes) -> None:
        self._sequence = (self._sequence + 1) & 0x7FFFFFFF
        body = _GENERIC.pack(self._family, 0, 0) + named
        header = _MESSAGE.pack(_MESSAGE.size + len(body), SUBSYSTEM_NFTABLES << 8 | kind, flags, self._sequence, 0)
        self._socket.send(header + body)


def _raise_for(data: bytes, offset: int) -> None:
    """The message there is an error, or says that there is none."""
    (code,) = struct.unpack_from("=i", data, offset + _MESSAGE.size)
    if code:
        raise NfnetlinkError(f"nfnetlink: {errno.errorcode.get(-code, code)}: {os.strerror(-code)}")


def _messages(data: bytes) -> Iterator[tuple[int, int, int, int, int]]:
    """(size, type, flags, sequence, offset) of each."""
    offset = 0
    while offset + _MESSAGE.size <= len(data):
        size, kind, flags, sequence, _ = _MESSAGE.unpack_from(data, offset)
        yield size, kind, flags, sequence, offset
        offset += size + (-size % 4)


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    offset = 0
    while offset + _ATTRIBUTE.size <= len(data):
        size, kind = _ATTRIBUTE.unpack_from(data, offset)
        yield kind & 0x3FFF, data[offset + 4 : offset + size]
        offset += size + (-size % 4)


def _whole(data: bytes) -> Iterator[bytes]:
    """Each attribute with its header."""
    offset = 0
    while offset + _ATTRIBUTE.size <= len(data):
        size = data[offset] | data[offset + 1] << 8
        yield data[offset : offset + size]
        offset += size + (-size % 4)


def _string(data: bytes) -> str:
    return data.split(b"\0")[0].decode(errors="replace")


def _text(kind: int, text: str) -> bytes:
    data = text.encode() + b"\0"
    return _ATTRIBUTE.pack(len(data) + 4, kind) + data + b"\0" * (-len(data) % 4)
