"""The addresses that this machine has, and a device that carries some for no network: packets to them are for this
machine (rtnetlink(7))."""

import errno
import os
import socket
import struct
from collections.abc import Iterable, Iterator

from fairlead.host.conversation import DUMP, Conversation, Request, attribute, attributes, messages, nested

NETLINK_ROUTE, SOL_NETLINK, ADD_MEMBERSHIP = 0, 270, 1
NEW_LINK, DELETE_LINK, NEW_ADDRESS, DELETE_ADDRESS, GET_ADDRESS = 16, 17, 20, 21, 22
CREATE, EXCLUSIVE = 0x400, 0x200
LINK_NAME, LINK_INFO, INFO_KIND, ADDRESS, LOCAL = 3, 18, 1, 1, 2
NO_DETECTION = 2  # IFA_F_NODAD: nobody else is asked whether he has it
GROUPS = {socket.AF_INET: 5, socket.AF_INET6: 9}  # RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR
FAMILIES = {"IPv4": socket.AF_INET, "IPv6": socket.AF_INET6}
_LINK = struct.Struct("=BxHiII")
_ADDRESS = struct.Struct("=BBBBI")


class LocalAddresses:
    """Of one family, in this process's network when it is made; some of them on our device. Raises OSError."""

    def __init__(self, family: str, device: str) -> None:
        self._family = FAMILIES[family]
        self._length = 128 if family == "IPv6" else 32
        self._device = device
        self._kernel = Conversation(NETLINK_ROUTE)
        self._watch = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, NETLINK_ROUTE
        )
        self._watch.bind((0, 0))
        self._watch.setsockopt(SOL_NETLINK, ADD_MEMBERSHIP, GROUPS[self._family])
        self._index: int | None = None

    def close(self) -> None:
        self._kernel.close()
        self._watch.close()

    def make_device(self) -> None:
        """A dummy, or a bridge without ports where the kernel has no such thing. It stays down, and so silent."""
        for kind in (b"dummy", b"bridge"):
            info = nested(LINK_INFO, attribute(INFO_KIND, kind))
            body = _LINK.pack(0, 0, 0, 0, 0) + attribute(LINK_NAME, self._device.encode() + b"\0") + info
            refused = self._kernel.tell([Request(NEW_LINK, body, CREATE | EXCLUSIVE)])
            if not refused or refused[0][1] == errno.EEXIST:
                break
        else:
            raise OSError(refused[0][1], f"{self._device}: {os.strerror(refused[0][1])}")
        self._index = self._find()

    def remove_device(self) -> None:
        """Unless the other family has addresses on it. None there is no error."""
        index = self._index = self._find()
        if index and not any(self._all(socket.AF_UNSPEC, index)):
            self._kernel.tell([Request(DELETE_LINK, _LINK.pack(0, 0, index, 0, 0))])
            self._index = None

    def bound(self) -> set[str]:
        """Those on our device."""
        index = self._index = self._find()
        return {address for _, address in self._all(self._family, index)} if index else set()

    def others(self) -> set[str]:
        """Those on other devices, without loopback and link-local ones."""
        found = {text for index, text in self._all(self._family, None) if index != self._index}
        return {text for text in found if text != "::1" and not text.startswith(("127.", "169.254.", "fe80:"))}

    def bind(self, addresses: Iterable[str]) -> None:
        """Those that are there already stay."""
        self._change(NEW_ADDRESS, addresses, CREATE | EXCLUSIVE, errno.EEXIST)

    def unbind(self, addresses: Iterable[str]) -> None:
        """Those that are gone already are so."""
        self._change(DELETE_ADDRESS, addresses, 0, errno.EADDRNOTAVAIL)

    def changed(self) -> tuple[bool, set[str]]:
        """Since this was last asked: whether other devices' addresses are different, and which were taken from ours, by
        whomever: of IPv6, the kernel does not tell."""
        others, taken = False, set[str]()
        while True:
            try:
                data = self._watch.recv(1 << 16)
            except BlockingIOError:
                return others, taken
            except OSError:  # ENOBUFS: more than there was room for
                others = True
                continue
            for kind, _, by, body in messages(data):
                if by != self._kernel.port:
                    where, address = _read(body)
                    if where != self._index:
                        others = True
                    elif kind == DELETE_ADDRESS:
                        taken.add(address)

    def _change(self, kind: int, addresses: Iterable[str], flags: int, tolerated: int) -> None:
        if self._index is None:
            self._index = self._find()
        given = list(addresses)
        head = _ADDRESS.pack(self._family, self._length, NO_DETECTION, 0, self._index or 0)
        packed = [socket.inet_pton(self._family, each) for each in given]
        requests = [Request(kind, head + attribute(LOCAL, each) + attribute(ADDRESS, each), flags) for each in packed]
        for position, code in self._kernel.tell(requests) if requests else ():
            if code not in (tolerated, errno.ENODEV):
                raise OSError(code, f"{self._device} {given[position]}: {os.strerror(code)}")

    def _find(self) -> int | None:
        body = _LINK.pack(0, 0, 0, 0, 0) + attribute(LINK_NAME, self._device.encode() + b"\0")
        try:
            (answer,) = self._kernel.ask(Request(18, body))
        except OSError:
            return None
        return int(_LINK.unpack_from(answer)[2])

    def _all(self, family: int, index: int | None) -> Iterator[tuple[int, str]]:
        """(device, address). The kernel is told the device, too, but only newer ones heed that."""
        body = _ADDRESS.pack(family, 0, 0, 0, index or 0)
        for answer in self._kernel.ask(Request(GET_ADDRESS, body, DUMP)):
            where, address = _read(answer)
            if index is None or where == index:
                yield where, address


def _read(body: bytes) -> tuple[int, str]:
    """(device, address)."""
    found = dict(attributes(body[_ADDRESS.size :]))
    data = found.get(LOCAL, found[ADDRESS])
    return _ADDRESS.unpack_from(body)[4], socket.inet_ntop(socket.AF_INET6 if len(data) == 16 else socket.AF_INET, data)
