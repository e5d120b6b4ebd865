"""Answers who asks the link for an address of ours: ARP and Neighbor Discovery on packet sockets (packet(7))."""

import contextlib
import ctypes
import logging
import socket
import struct
from collections.abc import Iterable

from fairlead.loadbalancer.announcing import Announcer
from fairlead.loadbalancer.frames import ARP, IPV6, answer, question, solicited_group

log = logging.getLogger(__name__)

SO_ATTACH_FILTER = 26
# Of IPv6, only neighbor solicitations: next header 58, type 135 (classic BPF: load byte, jump if equal, return).
_SOLICITATIONS = (
    (0x30, 0, 0, 20), (0x15, 0, 3, 58), (0x30, 0, 0, 54), (0x15, 0, 1, 135), (0x06, 0, 0, 0xFFFF), (0x06, 0, 0, 0),
)  # fmt: skip


class Responder:
    """On one interface, in this process's network when it is made. Raises OSError. `fileno`s are for a loop's readers;
    `respond` answers what has come."""

    def __init__(self, interface: str, mac: bytes) -> None:
        self._mac = mac
        self._announcer = Announcer(interface, mac)
        self._index = socket.if_nametoindex(interface)
        self._arp = _packets(interface, ARP)
        self._solicitations = _packets(interface, IPV6)
        _filter(self._solicitations)
        self._groups = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._owned: set[str] = set()

    @property
    def sockets(self) -> tuple[socket.socket, socket.socket]:
        return self._arp, self._solicitations

    @property
    def owned(self) -> frozenset[str]:
        return frozenset(self._owned)

    def own(self, addresses: Iterable[str]) -> None:
        """Exactly these from now on; new ones are announced."""
        wanted = set(addresses)
        gone, new = self._owned - wanted, wanted - self._owned
        self._owned = wanted
        for each in gone:
            self._join(each, socket.IPV6_LEAVE_GROUP)
        for each in sorted(new):
            self._join(each, socket.IPV6_JOIN_GROUP)
            self._announcer.announce(each)

    def announce_again(self) -> None:
        """Who has missed it hears it."""
        for each in sorted(self._owned):
            self._announcer.announce(each)

    def respond(self, ready: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                asked = question(ready.recv(2048))
                if asked is not None and asked.address in self._owned:
                    self._announcer.send(answer(asked, self._mac))

    def _join(self, address: str, option: int) -> None:
        """Questions about it are sent to a group."""
        if ":" in address:
            group = socket.inet_pton(socket.AF_INET6, solicited_group(address)) + struct.pack("=I", self._index)
            with contextlib.suppress(OSError):  # another address of the same group
                self._groups.setsockopt(socket.IPPROTO_IPV6, option, group)

    def close(self) -> None:
        for each in (self._arp, self._solicitations, self._groups, self._announcer):
            each.close()


def _packets(interface: str, protocol: int) -> socket.socket:
    made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, 0)
    made.bind((interface, protocol))
    return made


def _filter(packets: socket.socket) -> None:
    program = b"".join(struct.pack("=HBBI", *each) for each in _SOLICITATIONS)
    kept = ctypes.create_string_buffer(program, len(program))
    described = struct.pack("@HxxxxxxP", len(_SOLICITATIONS), ctypes.addressof(kept))
    packets.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, described)
