"""rtnetlink, as far as nodes and pods need it: links, addresses, routes, neighbours (rtnetlink(7)).

A socket stays in the namespace where it was opened, so one process works in many. Requests of one `Batch` go in one
message and cost one system call; the kernel answers each.
"""

import errno
import os
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Self

from fairlead.host import namespaces

NLM_F_REQUEST, NLM_F_ACK, NLM_F_ROOT, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE = 1, 4, 0x300, 0x400, 0x200, 0x100
NLMSG_ERROR, NLMSG_DONE = 2, 3
RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK = 16, 17, 18
RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR = 20, 21, 22
RTM_NEWROUTE, RTM_DELROUTE, RTM_GETROUTE, RTM_NEWNEIGH = 24, 25, 26, 28
IFLA_ADDRESS, IFLA_IFNAME, IFLA_MTU, IFLA_MASTER, IFLA_LINKINFO, IFLA_NET_NS_FD = 1, 3, 4, 10, 18, 28
IFLA_INFO_KIND, IFLA_INFO_DATA, VETH_INFO_PEER = 1, 2, 1
IFA_ADDRESS, IFA_LOCAL, IFA_BROADCAST, IFA_F_NODAD = 1, 2, 4, 2
RTA_DST, RTA_OIF, RTA_GATEWAY, RTA_PREFSRC = 1, 4, 5, 7
NDA_DST, NDA_LLADDR = 1, 2
NUD_PERMANENT = 0x80
IFF_UP = 1
NESTED = 0x8000
ROUTE_KINDS = {"unicast": 1, "local": 2, "blackhole": 6, "unreachable": 7}
SCOPES = {"universe": 0, "link": 253, "host": 254}
RTNH_F_ONLINK = 4
_HEADER = struct.Struct("=IHHII")
_LINK = struct.Struct("=BxHiII")
_ROUTE = struct.Struct("=BBBBBBBBI")


MAIN_TABLE = 254


def _attribute(kind: int, data: bytes) -> bytes:
    size = len(data) + 4
    return struct.pack("=HH", size, kind) + data + b"\0" * (-size % 4)


def _text(kind: int, text: str) -> bytes:
    return _attribute(kind, text.encode() + b"\0")


def _number(kind: int, number: int) -> bytes:
    return _attribute(kind, struct.pack("=I", number))


def _packed(address: str) -> tuple[int, bytes]:
    """(family, bytes). Raises OSError."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return family, socket.inet_pton(family, address)


def _network(text: str) -> tuple[int, bytes, int]:
    """(family, bytes of the address, length of the prefix). Raises OSError, ValueError."""
    address, _, size = text.partition("/")
    return *_packed(address), int(size)


def _address(kind: int, address: str) -> bytes:
    return _attribute(kind, _packed(address)[1])


class Netlink:
    """Changes in one network namespace. Every method raises OSError with the kernel's errno."""

    def __init__(self, namespace: Path | str | None = None, first: Callable[[], object] = lambda: None) -> None:
        """`namespace`: where one is pinned; None: the process's own. `first` is called there, before anything else."""

        def opened() -> socket.socket:
            first()
            return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)

        self._socket = opened() if namespace is None else namespaces.run_in(namespace, opened)
        self._socket.bind((0, 0))
        self._sequence = 0
        self._pending: list[bytes] | None = None

    def __enter__(self) -> Self:
        """Gathers changes until the block ends, then makes them together; the first that fails is raised."""
        self._pending = []
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        pending, self._pending = self._pending or [], None
        if kind is None and pending:
            self._send(pending)

    def close(self) -> None:
        self._socket.close()

    def fileno(self) -> int:
        return self._socket.fileno()

    # Links.

    def link_index(self, name: str) -> int:
        answers = self._ask(RTM_GETLINK, _LINK.pack(0, 0, 0, 0, 0) + _text(IFLA_IFNAME, name))
        return int(_LINK.unpack_from(answers[0])[2])

    def link_address(self, name: str) -> bytes:
        """Its MAC."""
        answers = self._ask(RTM_GETLINK, _LINK.pack(0, 0, 0, 0, 0) + _text(IFLA_IFNAME, name))
        return _attributes(answers[0][_LINK.size :]).get(IFLA_ADDRESS, b"")

    def link_names(self) -> list[str]:
        answers = self._ask(RTM_GETLINK, _LINK.pack(0, 0, 0, 0, 0), dump=True)
        found = [_attributes(answer[_LINK.size :]).get(IFLA_IFNAME, b"") for answer in answers]
        return [name.rstrip(b"\0").decode() for name in found]

    def link_up(self, name: str) -> None:
        self._change(RTM_NEWLINK, _LINK.pack(0, 0, 0, IFF_UP, IFF_UP) + _text(IFLA_IFNAME, name))

    def link_delete(self, name: str) -> None:
        self._change(RTM_DELLINK, _LINK.pack(0, 0, 0, 0, 0) + _text(IFLA_IFNAME, name))

    def link_set_master(self, name: str, master: int) -> None:
        self._change(RTM_NEWLINK, _LINK.pack(0, 0, 0, 0, 0) + _text(IFLA_IFNAME, name) + _number(IFLA_MASTER, master))

    def bridge_add(self, name: str) -> None:
        info = _attribute(IFLA_LINKINFO | NESTED, _attribute(IFLA_INFO_KIND, b"bridge"))
        self._create(RTM_NEWLINK, _LINK.pack(0, 0, 0, IFF_UP, IFF_UP) + _text(IFLA_IFNAME, name) + info)

    def veth_add(
        self, name: str, peer: str, peer_namespace: int, *, address: bytes = b"", peer_address: bytes = b""
    ) -> None:
        """A pair: `name` here, `peer` in the namespace of a file descriptor. Both are made up at once where the
        kernel lets them."""
        mac, peer_mac = (_attribute(IFLA_ADDRESS, each) if each else b"" for each in (address, peer_address))
        other = _LINK.pack(0, 0, 0, 0, 0) + _text(IFLA_IFNAME, peer) + peer_mac
        other += _number(IFLA_NET_NS_FD, peer_namespace)
        data = _attribute(IFLA_INFO_DATA | NESTED, _attribute(VETH_INFO_PEER | NESTED, other))
        info = _attribute(IFLA_LINKINFO | NESTED, _attribute(IFLA_INFO_KIND, b"veth") + data)
        self._create(RTM_NEWLINK, _LINK.pack(0, 0, 0, IFF_UP, IFF_UP) + _text(IFLA_IFNAME, name) + mac + info)

    # Addresses, routes, neighbours.

    def address_add(self, index: int, interface: str, *, scope: str = "universe") -> None:
        """`10.0.0.1/24`; the second time nothing happens. One of IPv6 is in use at once: whoever gives it away knows
        that nobody else has it (no duplicate address detection, RFC 4862)."""
        family, packed, size = _network(interface)
        flags = IFA_F_NODAD if family == socket.AF_INET6 else 0
        body = struct.pack("=BBBBI", family, size, flags, SCOPES[scope], index)
        body += _attribute(IFA_LOCAL, packed) + _attribute(IFA_ADDRESS, packed)
        if family == socket.AF_INET and size < 31:
            last = int.from_bytes(packed, "big") | (1 << (32 - size)) - 1
            body += _attribute(IFA_BROADCAST, last.to_bytes(4, "big"))
        self._change(RTM_NEWADDR, body, NLM_F_CREATE | NLM_F_REPLACE)

    def address_delete(self, index: int, interface: str) -> None:
        family, packed, size = _network(interface)
        body = struct.pack("=BBBBI", family, size, 0, 0, index)
        self._change(RTM_DELADDR, body + _attribute(IFA_LOCAL, packed) + _attribute(IFA_ADDRESS, packed))

    def addresses(self, index: int) -> list[str]:
        """Of one interface: `10.0.0.1/24`."""
        found = []
        for answer in self._ask(RTM_GETADDR, struct.pack("=BBBBI", socket.AF_UNSPEC, 0, 0, 0, 0), dump=True):
            family, size, _, _, owner = struct.unpack_from("=BBBBI", answer)
            named = _attributes(answer[8:])
            packed = named.get(IFA_LOCAL) or named.get(IFA_ADDRESS)
            if owner == index and packed is not None:
                found.append(f"{socket.inet_ntop(family, packed)}/{size}")
        return found

    def route_add(
        self,
        destination: str,
        *,
        via: str | None = None,
        index: int | None = None,
        source: str | None = None,
        kind: str = "unicast",
        onlink: bool = False,
    ) -> None:
        """Replaces a route to the same destination."""
        scope = "link" if via is None and index is not None else "universe"
        body = self._route(destination, kind, scope, RTNH_F_ONLINK if onlink else 0)
        body += _address(RTA_GATEWAY, via) if via else b""
        body += _number(RTA_OIF, index) if index is not None else b""
        body += _address(RTA_PREFSRC, source) if source else b""
        self._change(RTM_NEWROUTE, body, NLM_F_CREATE | NLM_F_REPLACE)

    def route_delete(self, destination: str) -> None:
        family, packed, size = _network(destination)
        body = _ROUTE.pack(family, size, 0, 0, MAIN_TABLE, 0, 255, 0, 0)
        self._change(RTM_DELROUTE, body + _attribute(RTA_DST, packed))

    def default_routes(self) -> int:
        """How many there are, of both families."""
        heads = [
            _ROUTE.unpack_from(answer)
            for family in (socket.AF_INET, socket.AF_INET6)
            for answer in self._ask(RTM_GETROUTE, _ROUTE.pack(family, 0, 0, 0, 0, 0, 0, 0, 0), dump=True)
        ]
        return sum(head[1] == 0 and head[7] == ROUTE_KINDS["unicast"] and head[4] == MAIN_TABLE for head in heads)

    def neighbour_add(self, index: int, address: str, mac: bytes) -> None:
        family, packed = _packed(address)
        body = struct.pack("=BxxxiHBB", family, index, NUD_PERMANENT, 0, 0)
        body += _attribute(NDA_DST, packed) + _attribute(NDA_LLADDR, mac)
        self._change(RTM_NEWNEIGH, body, NLM_F_CREATE | NLM_F_REPLACE)

    @staticmethod
    def _route(destination: str, kind: str, scope: str, flags: int) -> bytes:
        family, packed, size = _network(destination)
        protocol = 4  # RTPROT_STATIC
        number = ROUTE_KINDS[kind]
        body = _ROUTE.pack(family, size, 0, 0, MAIN_TABLE, protocol, SCOPES[scope], number, flags)
        if size:
            body += _attribute(RTA_DST, packed)
        return body

    # Messages.

    def _create(self, kind: int, body: bytes) -> None:
        self._change(kind, body, NLM_F_CREATE | NLM_F_EXCL)

    def _change(self, kind: int, body: bytes, flags: int = 0) -> None:
        message = self._message(kind, NLM_F_REQUEST | NLM_F_ACK | flags, body)
        if self._pending is None:
            self._send([message])
        else:
            self._pending.append(message)

    def _message(self, kind: int, flags: int, body: bytes) -> bytes:
        self._sequence += 1
        return _HEADER.pack(_HEADER.size + len(body), kind, flags, self._sequence, 0) + body

    def _send(self, messages: list[bytes]) -> None:
        self._socket.send(b"".join(messages))
        failure: OSError | None = None
        waiting = len(messages)
        while waiting:
            for kind, body in _messages(self._socket.recv(65536)):
                if kind == NLMSG_ERROR:
                    waiting -= 1
                    number = -struct.unpack_from("=i", body)[0]
                    if number and failure is None:
                        failure = OSError(number, f"rtnetlink: {os.strerror(number)}")
        if failure is not None:
            raise failure

    def _ask(self, kind: int, body: bytes, *, dump: bool = False) -> list[bytes]:
        flags = NLM_F_REQUEST | (NLM_F_ROOT if dump else 0)
        self._socket.send(self._message(kind, flags, body))
        answers: list[bytes] = []
        while True:
            for answered, content in _messages(self._socket.recv(1 << 18)):
                if answered == NLMSG_DONE:
                    return answers
                if answered == NLMSG_ERROR:
                    number = -struct.unpack_from("=i", content)[0]
                    raise OSError(number or errno.EPROTO, f"rtnetlink: {os.strerror(number)}")
                answers.append(content)
            if not dump:
                return answers


def _messages(data: bytes) -> list[tuple[int, bytes]]:
    found = []
    position = 0
    while position + _HEADER.size <= len(data):
        size, kind, _, _, _ = _HEADER.unpack_from(data, position)
        found.append((kind, data[position + _HEADER.size : position + size]))
        position += (size + 3) & ~3
    return found


def _attributes(data: bytes) -> dict[int, bytes]:
    found = {}
    position = 0
    while position + 4 <= len(data):
        size, kind = struct.unpack_from("=HH", data, position)
        found[kind & 0x7FFF] = data[position + 4 : position + size]
        position += (size + 3) & ~3
    return found
