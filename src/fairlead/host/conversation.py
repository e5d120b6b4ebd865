"""Requests to a netlink socket and their answers: many in one system call, lists of what there is (netlink(7))."""

import errno
import os
import socket
import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple

REQUEST, ACK, DUMP = 1, 4, 0x300
ERROR, DONE = 2, 3
NESTED, NETWORK_ORDER = 0x8000, 0x4000
MOST_BYTES = 1 << 16  # of one system call
_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_CODE = struct.Struct("=i")


class Request(NamedTuple):
    kind: int
    body: bytes
    flags: int = 0


class Conversation:
    """With one part of the kernel, in this process's network when it is made. Raises OSError."""

    def __init__(self, protocol: int) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
        self._socket.bind((0, 0))
        self._socket.settimeout(10)
        self._sequence = 0

    def close(self) -> None:
        self._socket.close()

    @property
    def port(self) -> int:
        """By which the kernel names this socket where it tells others what was done."""
        number: int = self._socket.getsockname()[0]
        return number

    def tell(self, requests: Sequence[Request]) -> list[tuple[int, int]]:
        """Makes them one after another. Those that were refused: (index, errno)."""
        refused: list[tuple[int, int]] = []
        start = 0
        while start < len(requests):
            end, size = start, 0
            while end < len(requests) and (size := size + _HEADER.size + len(requests[end].body)) <= MOST_BYTES:
                end += 1
            refused += self._tell(requests, start, max(end, start + 1))
            start = max(end, start + 1)
        return refused

    def _tell(self, requests: Sequence[Request], start: int, end: int) -> Iterator[tuple[int, int]]:
        """Only the last one is asked to be acknowledged: what is refused before is told anyway, and before that."""
        first = self._sequence + 1
        self._sequence += end - start
        data = []
        for index in range(start, end):
            kind, body, flags = requests[index]
            flags |= REQUEST | (ACK if index == end - 1 else 0)
            data.append(_HEADER.pack(_HEADER.size + len(body), kind, flags, first + index - start, 0) + body)
        self._socket.send(b"".join(data))
        while True:
            for kind, sequence, _, body in messages(self._socket.recv(1 << 18)):
                if kind != ERROR or not first <= sequence <= self._sequence:
                    continue
                code = -_CODE.unpack_from(body)[0]
                if code:
                    yield start + sequence - first, code
                if sequence == self._sequence:
                    return

    def ask(self, request: Request) -> list[bytes]:
        """The bodies of the answers; with DUMP among the flags, of as many as there are. Raises OSError."""
        kind, body, flags = request
        self._sequence += 1
        self._socket.send(_HEADER.pack(_HEADER.size + len(body), kind, flags | REQUEST, self._sequence, 0) + body)
        answers: list[bytes] = []
        while True:
            for answered, sequence, _, content in messages(self._socket.recv(1 << 18)):
                if sequence != self._sequence:
                    continue
                if answered in (ERROR, DONE):
                    code = -_CODE.unpack_from(content)[0] if len(content) >= _CODE.size else 0
                    if code:
                        raise OSError(code, f"netlink: {os.strerror(code)}")
                    if answered == DONE or flags & DUMP == DUMP:
                        return answers
                    raise OSError(errno.EPROTO, "netlink: acknowledged and not answered")
                answers.append(content)
            if not flags & DUMP:
                return answers


def messages(data: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """(type, sequence number, port of the socket that it answers to, body) of each."""
    offset = 0
    while offset + _HEADER.size <= len(data):
        size, kind, _, sequence, port = _HEADER.unpack_from(data, offset)
        if size < _HEADER.size:
            return
        yield kind, sequence, port, data[offset + _HEADER.size : offset + size]
        offset += (size + 3) & ~3


def attribute(kind: int, data: bytes) -> bytes:
    size = len(data) + 4
    return _ATTRIBUTE.pack(size, kind) + data + b"\0" * (-size & 3)


def nested(kind: int, data: bytes) -> bytes:
    return _ATTRIBUTE.pack(len(data) + 4, kind | NESTED) + data


def attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(type without its flags, value) of each."""
    offset = 0
    while offset + _ATTRIBUTE.size <= len(data):
        size, kind = _ATTRIBUTE.unpack_from(data, offset)
        if size < _ATTRIBUTE.size:
            return
        yield kind & 0x3FFF, data[offset + 4 : offset + size]
        offset += (size + 3) & ~3
