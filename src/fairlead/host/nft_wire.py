"""Messages to nf_tables by netlink: attributes, transactions and dumps (nfnetlink, linux/netfilter/nf_tables.h)."""

import errno
import os
import socket
import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from fairlead.host.nfnetlink import NfnetlinkError

NETLINK_NETFILTER, SUBSYSTEM_NFTABLES = 12, 10
REQUEST, ACK, ECHO, DUMP, CREATE, APPEND = 1, 4, 8, 0x300, 0x400, 0x800
ERROR, DONE = 2, 3
INTERRUPTED = 0x10  # the flag of a dump during which something was changed
TRIES = 5  # of a dump that others interrupt
ROOM = 1 << 18
BATCH_BEGIN, BATCH_END = 16, 17
NESTED, TYPE_MASK = 0x8000, 0x3FFF
GET_GENERATION, GENERATION_ID = 16, 1
SO_SNDBUFFORCE, SO_RCVBUFFORCE = 32, 33  # socket(7); over what net.core says
SECONDS = 60  # for the largest transactions
_HEADER = struct.Struct("=IHHIIBBH")  # nlmsghdr, nfgenmsg
_MESSAGE = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_CODE = struct.Struct("=i")


class Message(NamedTuple):
    """One of a transaction: its kind (NFT_MSG_…), flags beside REQUEST, and attributes."""

    kind: int
    flags: int
    body: bytes


class NftSocket:
    """Of this process's network when it is made, for one family (AF_INET, AF_INET6)."""

    def __init__(self, family: int) -> None:
        """Raises OSError where the kernel has no nf_tables."""
        self._family = family
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_NETFILTER)
        self._socket.bind((0, 0))
        self._socket.settimeout(SECONDS)
        self._sequence = 0
        self._room = 0

    def close(self) -> None:
        self._socket.close()

    def commit(self, messages: Iterable[Message]) -> list[bytes]:
        """All of them or, where one is refused, none: raises NfnetlinkError. Returns the bodies of what is echoed, in
        order."""
        first = self._sequence + 1
        data = [self._encode(BATCH_BEGIN, REQUEST, b"", SUBSYSTEM_NFTABLES, socket.AF_UNSPEC)]
        echoed = 0
        for message in messages:
            kind = SUBSYSTEM_NFTABLES << 8 | message.kind
            data.append(self._encode(kind, REQUEST | message.flags, message.body, 0, self._family))
            if message.flags & ECHO:
                echoed += len(message.body)
        if len(data) == 1:
            return []
        data[-1] = _with_ack(data[-1])
        last = self._sequence
        data.append(self._encode(BATCH_END, REQUEST, b"", SUBSYSTEM_NFTABLES, socket.AF_UNSPEC))
        batch = b"".join(data)
        self._make_room(len(batch), echoed)
        try:
            self._socket.send(batch)
            return self._answers(first, last)
        except OSError as error:
            raise NfnetlinkError(f"nf_tables: {error.strerror or error}") from error

    def dump(self, kind: int, body: bytes) -> list[bytes]:
        """The bodies of all answers, of one moment. Raises NfnetlinkError."""
        for _ in range(TRIES):
            found: list[bytes] = []
            if self._dump_once(kind, body, found):
                return found
        raise NfnetlinkError("nf_tables: a list was changed each time that it was read")

    def _dump_once(self, kind: int, body: bytes, found: list[bytes]) -> bool:
        """Whether nothing was changed meanwhile."""
        whole = True
        try:
            self._socket.send(self._encode(SUBSYSTEM_NFTABLES << 8 | kind, REQUEST | DUMP, body, 0, self._family))
            while True:
                for what, flags, sequence, answer in _messages(self._socket.recv(ROOM)):
                    if sequence != self._sequence:
                        continue
                    whole = whole and not flags & INTERRUPTED
                    if what == DONE:
                        return whole
                    if what == ERROR:
                        _raise_for(answer)
                    found.append(answer[4:])
        except OSError as error:
            raise NfnetlinkError(f"nf_tables: {error.strerror or error}") from error

    def generation(self) -> int:
        """Another one after every transaction, whoever makes it, in any table."""
        (found,) = self.get(GET_GENERATION, b"")
        return int.from_bytes(attributes(found)[GENERATION_ID])

    def get(self, kind: int, body: bytes) -> list[bytes]:
        """The bodies of the answers to one message that is no dump. Raises NfnetlinkError, also where there is none."""
        self._socket.send(self._encode(SUBSYSTEM_NFTABLES << 8 | kind, REQUEST | ACK, body, 0, self._family))
        try:
            return self._answers(self._sequence, self._sequence)
        except OSError as error:
            raise NfnetlinkError(f"nf_tables: {error.strerror or error}") from error

    def _answers(self, first: int, last: int) -> list[bytes]:
        echoed: list[bytes] = []
        while True:
            for kind, _, sequence, body in _messages(self._socket.recv(ROOM)):
                if not first - 1 <= sequence <= last + 1:
                    continue
                if kind == ERROR:
                    _raise_for(body)
                    if sequence == last:
                        return echoed
                elif first <= sequence <= last:
                    echoed.append(body[4:])

    def _make_room(self, sent: int, echoed: int) -> None:
        """A transaction is one datagram; what is echoed is held by the kernel in buffers of its own."""
        wanted = max(sent + 4096, 4 * echoed, 1 << 18)
        if wanted > self._room:
            self._room = wanted
            for option in (SO_SNDBUFFORCE, SO_RCVBUFFORCE):
                self._socket.setsockopt(socket.SOL_SOCKET, option, wanted)

    def _encode(self, kind: int, flags: int, body: bytes, resource: int, family: int) -> bytes:
        self._sequence = self._sequence + 1 & 0x3FFFFFFF
        header = _HEADER.pack(
            _HEADER.size + len(body), kind, flags, self._sequence, 0, family, 0, socket.htons(resource)
        )
        return header + body


def _with_ack(message: bytes) -> bytes:
    size, kind, flags, sequence, port = _MESSAGE.unpack_from(message)
    return _MESSAGE.pack(size, kind, flags | ACK, sequence, port) + message[_MESSAGE.size :]


def _messages(data: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """(type, flags, sequence, what follows its header) of each."""
    offset = 0
    while offset + _MESSAGE.size <= len(data):
        size, kind, flags, sequence, _ = _MESSAGE.unpack_from(data, offset)
        if size < _MESSAGE.size:
            return
        yield kind, flags, sequence, data[offset + _MESSAGE.size : offset + size]
        offset += size + (-size % 4)


def _raise_for(body: bytes) -> None:
    (code,) = _CODE.unpack_from(body)
    if code:
        raise NfnetlinkError(f"nf_tables: {errno.errorcode.get(-code, code)}: {os.strerror(-code)}")


def attribute(kind: int, data: bytes) -> bytes:
    size = len(data) + 4
    return _ATTRIBUTE.pack(size, kind) + data + b"\0" * (-size % 4)


def nested(kind: int, data: bytes) -> bytes:
    return _ATTRIBUTE.pack(len(data) + 4, kind | NESTED) + data


def text(kind: int, value: str) -> bytes:
    return attribute(kind, value.encode() + b"\0")


def number(kind: int, value: int) -> bytes:
    """32 bits, as nf_tables has them."""
    return struct.pack("=HH", 8, kind) + struct.pack("!I", value)


def attributes(data: bytes) -> dict[int, bytes]:
    """Each kind once; of several, the last."""
    return {kind & TYPE_MASK: data[start + 4 : end] for kind, start, end in _attributes(data)}


def listed(data: bytes) -> list[bytes]:
    """Each attribute with its header."""
    found: list[bytes] = []
    offset, last, unpack = 0, len(data) - _ATTRIBUTE.size, _ATTRIBUTE.unpack_from
    while offset <= last:  # of a large set there are very many
        size, _ = unpack(data, offset)
        if size < _ATTRIBUTE.size:
            break
        found.append(data[offset : offset + size])
        offset += size + (-size % 4)
    return found


def _attributes(data: bytes) -> Iterator[tuple[int, int, int]]:
    """(type, where it begins, where it ends) of each."""
    offset = 0
    while offset + _ATTRIBUTE.size <= len(data):
        size, kind = _ATTRIBUTE.unpack_from(data, offset)
        if size < _ATTRIBUTE.size:
            return
        yield kind, offset, offset + size
        offset += size + (-size % 4)
