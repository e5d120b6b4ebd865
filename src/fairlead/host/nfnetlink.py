"""Elements of nf_tables' sets and maps by netlink itself: a change of a few costs microseconds, where a script must be
read, checked and translated first (nfnetlink, linux/netfilter/nf_tables.h)."""

import errno
import os
import socket
import struct
from collections.abc import Iterable
from functools import lru_cache

NETLINK_NETFILTER = 12
REQUEST, ACK, CREATE = 1, 4, 0x400
ERROR = 2
BATCH_BEGIN, BATCH_END = 16, 17
SUBSYSTEM_NFTABLES = 10
NEW_ELEMENTS, DELETE_ELEMENTS = (SUBSYSTEM_NFTABLES << 8) | 12, (SUBSYSTEM_NFTABLES << 8) | 14
# Without the flag of nested attributes, which nf_tables does not ask for and does not set itself.
LIST_TABLE, LIST_SET, LIST_ELEMENTS = 1, 2, 3
ELEMENT = 1
KEY, DATA, KEY_END = 1, 2, 10
VALUE, VERDICT = 1, 2
VERDICT_CODE, VERDICT_CHAIN = 1, 2
JUMP, GOTO = -3 & 0xFFFFFFFF, -4 & 0xFFFFFFFF
SO_SNDBUFFORCE = 32
MOST = 200  # elements a message: a list's size is told in 16 bits
_MESSAGE = struct.Struct("=IHHII")
_FILLING = (b"", b"\0\0\0", b"\0\0", b"\0")
_PATIENCE = struct.pack("@ll", 5, 0)
_GENERIC = struct.Struct("!BBH")
_ATTRIBUTE = struct.Struct("=HH")
_KEY, _DATA = struct.Struct("=HHHHHH"), struct.Struct("=HHHH")


class NfnetlinkError(Exception):
    """A change that the kernel refused. Nothing of it was made."""


Encoded = tuple[str, bytes]  # set, element


def element(key: bytes, data: bytes = b"", goto: str = "", end: bytes = b"") -> bytes:
    """Of a set or map, as the kernel says it too. `key` and `data`: each part filled up to four bytes, but for a
    key of one part. `goto`: a chain instead of data. `end`: the last key, in sets of intervals of keys of several
    parts."""
    if goto:
        more = _verdict(goto)
    elif data:
        more = _data_head(len(data)) + data
    else:
        more = _nested(KEY_END, _nested(VALUE, end)) if end else b""
    return _key_head(len(key), len(more)) + key + _FILLING[len(key) % 4] + more


@lru_cache(maxsize=256)  # there are few sizes, and very many elements
def _key_head(size: int, more: int) -> bytes:
    filled = size + len(_FILLING[size % 4])
    return _KEY.pack(filled + 12 + more, ELEMENT, filled + 8, KEY, size + 4, VALUE)


@lru_cache(maxsize=256)
def _data_head(size: int) -> bytes:
    return _DATA.pack(size + 8, DATA, size + 4, VALUE)


def without_data(encoded: bytes) -> bytes:
    """An element's key only, as one asks for it."""
    (size,) = struct.unpack_from("=H", encoded, 4)
    return _ATTRIBUTE.pack(4 + size, ELEMENT) + encoded[4 : 4 + size]


@lru_cache(maxsize=4096)
def _verdict(chain: str) -> bytes:
    verdict = _attribute(VERDICT_CODE, struct.pack("!I", GOTO)) + _text(VERDICT_CHAIN, chain)
    return _nested(DATA, _nested(VERDICT, verdict))


class SetElements:
    """The sets and maps of one table, in this process's network when it is made. `family`: AF_INET or AF_INET6."""

    def __init__(self, table: str, family: int = socket.AF_INET) -> None:
        named = _GENERIC.pack(family, 0, 0) + _text(LIST_TABLE, table)
        self._about = lru_cache(maxsize=64)(lambda name: named + _text(LIST_SET, name))
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_NETFILTER)
        self._socket.bind((0, 0))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _PATIENCE)  # settimeout(5) would poll each time
        self._sequence = 0
        self._room = 1 << 16  # bytes that may be sent at once

    def close(self) -> None:
        self._socket.close()

    def change(self, removed: Iterable[Encoded], added: Iterable[Encoded]) -> None:
        """In one transaction, removals first. Raises NfnetlinkError."""
        messages = [*_messages(DELETE_ELEMENTS, removed), *_messages(NEW_ELEMENTS, added)]
        if not messages:
            return
        first = self._sequence + 1
        data = [self._batch(BATCH_BEGIN)]
        for index, (kind, name, elements) in enumerate(messages):
            flags = REQUEST | (CREATE if kind == NEW_ELEMENTS else 0) | (ACK if index == len(messages) - 1 else 0)
            data.append(self._message(kind, flags, self._about(name) + _nested(LIST_ELEMENTS, elements)))
        last = self._sequence
        data.append(self._batch(BATCH_END))
        whole = b"".join(data)
        try:
            if len(whole) > self._room:
                self._room = len(whole) + len(whole) // 4
                self._socket.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, self._room)
            self._socket.send(whole)
            self._answered(first, last)
        except OSError as error:
            raise NfnetlinkError(f"nfnetlink: {error.strerror or error}") from error

    def _answered(self, first: int, last: int) -> None:
        """Reads until the last message is answered, or one is refused."""
        while True:
            data = self._socket.recv(1 << 12)
            offset = 0
            while offset + _MESSAGE.size <= len(data):
                size, kind, _, sequence, _ = _MESSAGE.unpack_from(data, offset)
                if kind == ERROR and first - 1 <= sequence <= last + 1:
                    (code,) = struct.unpack_from("=i", data, offset + _MESSAGE.size)
                    if code:
                        raise NfnetlinkError(f"nfnetlink: {errno.errorcode.get(-code, code)}: {os.strerror(-code)}")
                    if sequence == last:
                        return
                offset += size + (-size % 4)

    def _batch(self, kind: int) -> bytes:
        return self._message(kind, REQUEST, _GENERIC.pack(socket.AF_UNSPEC, 0, SUBSYSTEM_NFTABLES))

    def _message(self, kind: int, flags: int, body: bytes) -> bytes:
        self._sequence = (self._sequence + 1) & 0x7FFFFFFF
        return _MESSAGE.pack(_MESSAGE.size + len(body), kind, flags, self._sequence, 0) + body


def _messages(kind: int, elements: Iterable[Encoded]) -> list[tuple[int, str, bytes]]:
    """(type, set, elements), each of at most MOST elements."""
    by_set: dict[str, list[bytes]] = {}
    for name, encoded in elements:
        by_set.setdefault(name, []).append(encoded)
    return [
        (kind, name, b"".join(each[start : start + MOST]))
        for name, each in by_set.items()
        for start in range(0, len(each), MOST)
    ]


def _attribute(kind: int, data: bytes) -> bytes:
    size = len(data) + 4
    return _ATTRIBUTE.pack(size, kind) + data + b"\0" * (-size % 4)


def _nested(kind: int, data: bytes) -> bytes:
    return _ATTRIBUTE.pack(len(data) + 4, kind) + data


def _text(kind: int, text: str) -> bytes:
    return _attribute(kind, text.encode() + b"\0")
