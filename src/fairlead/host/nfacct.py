"""Counters that rules of iptables add to by name, where the kernel has them (linux/netfilter/nfnetlink_acct.h)."""

import errno
import socket
import struct
from pathlib import Path

from fairlead.host import namespaces

NETLINK_NETFILTER, SUBSYSTEM = 12, 7
NEW, GET = 0, 1
NAME, PACKETS = 1, 2
REQUEST, ACK, EXCLUSIVE, CREATE = 1, 4, 0x200, 0x400
ERROR = 2
LONGEST = 31  # bytes of a name
_HEADER = struct.Struct("=IHHIIBBH")  # nlmsghdr, nfgenmsg
_ATTRIBUTE = struct.Struct("=HH")


class Counters:
    """Of this process's network, or of one that is named by its path."""

    def __init__(self, namespace: Path | None = None) -> None:
        def make() -> socket.socket:
            return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_NETFILTER)

        self._socket = make() if namespace is None else namespaces.run_in(namespace, make)
        self._socket.settimeout(5)
        self._sequence = 0

    def ensure(self, name: str) -> bool:
        """Whether it is there now; not where the kernel has none."""
        try:
            self._ask(NEW, CREATE | EXCLUSIVE, name)
        except OSError as error:
            return error.errno == errno.EEXIST
        return True

    def packets(self, name: str) -> int | None:
        """None: there is no such counter."""
        try:
            answer = self._ask(GET, 0, name)
        except OSError:
            return None
        offset = _HEADER.size
        while offset + _ATTRIBUTE.size <= len(answer):
            size, kind = _ATTRIBUTE.unpack_from(answer, offset)
            if kind == PACKETS:
                return int.from_bytes(answer[offset + 4 : offset + size])
            offset += size + (-size % 4)
        return None

    def _ask(self, kind: int, flags: int, name: str) -> bytes:
        """The first answer. Raises OSError."""
        self._sequence += 1
        data = name.encode() + b"\0"
        body = _ATTRIBUTE.pack(len(data) + 4, NAME) + data + b"\0" * (-len(data) % 4)
        size = _HEADER.size + len(body)
        header = _HEADER.pack(size, SUBSYSTEM << 8 | kind, REQUEST | ACK | flags, self._sequence, 0, 0, 0, 0)
        self._socket.send(header + body)
        found = b""
        while True:
            answer = self._socket.recv(1 << 16)
            _, what, _, sequence, *_ = _HEADER.unpack_from(answer)
            if sequence != self._sequence:
                continue
            if what != ERROR:
                found = answer
                continue
            (code,) = struct.unpack_from("=i", answer, 16)
            if code:
                raise OSError(-code, f"nfacct: {name}")
            return found
