"""What others delete from nf_tables, as the kernel tells it (nfnetlink's multicast group of nf_tables)."""

import contextlib
import socket
import struct
from collections.abc import Callable, Iterator

NETLINK_NETFILTER, SOL_NETLINK = 12, 270
ADD_MEMBERSHIP, DROP_MEMBERSHIP = 1, 2
GROUP_NFTABLES, SUBSYSTEM_NFTABLES = 7, 10
DELETE_TABLE, DELETE_CHAIN, DELETE_RULE, DELETE_SET, DELETE_ELEMENT = 2, 5, 8, 11, 14
# message → the attribute that names what of the table it is about
_NAMES = {DELETE_TABLE: 0, DELETE_CHAIN: 3, DELETE_RULE: 2, DELETE_SET: 2, DELETE_ELEMENT: 2}
_TABLE = 1  # the attribute that names the table, in all of these
_HEADER = struct.Struct("=IHHIIBBH")  # nlmsghdr, nfgenmsg
_ATTRIBUTE = struct.Struct("=HH")
ROOM = 1 << 20


class NftWatch:
    """Of this process's network. It hears nothing while we change something ourselves."""

    def __init__(self) -> None:
        """Raises OSError where the kernel has no nf_tables."""
        self._socket = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, NETLINK_NETFILTER
        )
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, ROOM)
        self._socket.bind((0, 0))
        self._socket.setsockopt(SOL_NETLINK, ADD_MEMBERSHIP, GROUP_NFTABLES)

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    @contextlib.contextmanager
    def quiet(self) -> Iterator[None]:
        """While we change something ourselves."""
        self._socket.setsockopt(SOL_NETLINK, DROP_MEMBERSHIP, GROUP_NFTABLES)
        try:
            yield
        finally:
            self._socket.setsockopt(SOL_NETLINK, ADD_MEMBERSHIP, GROUP_NFTABLES)

    def damaged(self, owns: Callable[[str, str], bool]) -> bool:
        """Whether somebody has deleted what `owns(table, chain or set)` says is ours, since this was last asked; also
        where so much was told that some of it was lost."""
        found = False
        while True:
            try:
                data = self._socket.recv(ROOM)
            except BlockingIOError:
                return found
            except OSError:  # ENOBUFS: more than there was room for
                found = True
                continue
            found = found or any(owns(*deleted) for deleted in _deletions(data))


def _deletions(data: bytes) -> Iterator[tuple[str, str]]:
    """(table, chain or set) of each."""
    offset = 0
    while offset + _HEADER.size <= len(data):
        size, kind, *_ = _HEADER.unpack_from(data, offset)
        if size < _HEADER.size:
            return
        if kind >> 8 == SUBSYSTEM_NFTABLES and kind & 0xFF in _NAMES:
            named = _attributes(data[offset + _HEADER.size : offset + size])
            yield named.get(_TABLE, ""), named.get(_NAMES[kind & 0xFF], "")
        offset += size + (-size % 4)


def _attributes(data: bytes) -> dict[int, str]:
    found: dict[int, str] = {}
    offset = 0
    while offset + _ATTRIBUTE.size <= len(data):
        size, kind = _ATTRIBUTE.unpack_from(data, offset)
        if size < _ATTRIBUTE.size:
            return found
        if kind & 0x3FFF in (1, 2, 3):
            found[kind & 0x3FFF] = data[offset + 4 : offset + size].split(b"\0")[0].decode(errors="replace")
        offset += size + (-size % 4)
    return found
