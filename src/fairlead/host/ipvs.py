"""IPVS, the kernel's own load balancer: virtual servers and where they send connections (generic netlink,
linux/ip_vs.h)."""

import contextlib
import errno
import logging
import os
import socket
import struct
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from fairlead.host.conversation import DUMP, Conversation, Request, attribute, attributes, nested

NETLINK_GENERIC, CONTROLLER, GET_FAMILY, FAMILY_ID, FAMILY_NAME = 16, 0x10, 3, 1, 2
NEW_SERVICE, SET_SERVICE, DELETE_SERVICE, GET_SERVICE = 1, 2, 3, 4
NEW_DESTINATION, SET_DESTINATION, DELETE_DESTINATION, GET_DESTINATION, SET_CONFIG = 5, 6, 7, 8, 12
SERVICE, DESTINATION, TIMEOUT_TCP, TIMEOUT_TCP_FIN, TIMEOUT_UDP = 1, 2, 4, 5, 6
S_FAMILY, S_PROTOCOL, S_ADDRESS, S_PORT, S_MARK, S_SCHEDULER, S_FLAGS, S_TIMEOUT, S_NETMASK = range(1, 10)
D_ADDRESS, D_PORT, D_FORWARD, D_WEIGHT, D_UPPER, D_LOWER, D_ACTIVE, D_INACTIVE, D_FAMILY = 1, 2, 3, 4, 5, 6, 7, 8, 11
PERSISTENT, SCHEDULER_FLAGS = 1, 0x38  # IP_VS_SVC_F_PERSISTENT; IP_VS_SVC_F_SCHED1 to SCHED3
MASQUERADE = 0  # IP_VS_CONN_F_MASQ
PROTOCOLS = {"TCP": socket.IPPROTO_TCP, "UDP": socket.IPPROTO_UDP, "SCTP": 132}
log = logging.getLogger(__name__)
_NAMES = {number: name for name, number in PROTOCOLS.items()}
_VERSION = b"\1\0\0"
_GONE = (errno.ESRCH, errno.ENOENT)
PRESENT = Path("/proc/net/ip_vs")


class IpvsError(Exception):
    """A change that the kernel refused. What came before it in the same call was made."""


class Server(NamedTuple):
    """What a virtual server is told by: where connections come, or the mark of their packets; then its port is 0 and
    its address says which family it is of, "0.0.0.0" or "::"."""

    protocol: str
    address: str
    port: int
    mark: int = 0


class Way(NamedTuple):
    """How it distributes them. `timeout`: seconds that a client stays with its destination; 0: it does not."""

    scheduler: str
    timeout: int = 0
    flags: int = 0  # of the scheduler


class Destination(NamedTuple):
    address: str
    port: int


class Load(NamedTuple):
    """A destination with the weight 0 gets nobody new."""

    weight: int
    active: int = 0
    inactive: int = 0


class Change(NamedTuple):
    """`command`: NEW_SERVICE and the like. A new one that is there already is set; one that is gone is deleted."""

    command: int
    server: Server
    way: Way | None = None
    destination: Destination | None = None
    weight: int = 1


def is_available() -> bool:
    """Whether this kernel has IPVS, or its module can be loaded."""
    if not PRESENT.exists():
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            subprocess.run(["modprobe", "ip_vs"], check=False, capture_output=True, timeout=10)
    return PRESENT.exists()


class Ipvs:
    """Of this process's network when it is made. Raises OSError where the kernel has none."""

    def __init__(self) -> None:
        self._kernel = Conversation(NETLINK_GENERIC)
        name = struct.pack("=BBxx", GET_FAMILY, 1) + attribute(FAMILY_NAME, b"IPVS\0")
        (answer,) = self._kernel.ask(Request(CONTROLLER, name))
        (self._family,) = struct.unpack_from("=H", dict(attributes(answer[4:]))[FAMILY_ID])

    def close(self) -> None:
        self._kernel.close()

    def servers(self) -> dict[Server, Way]:
        """All of them, of both families."""
        answers = self._kernel.ask(Request(self._family, bytes((GET_SERVICE,)) + _VERSION, DUMP))
        return dict(decode_service(answer) for answer in answers)

    def destinations(self, server: Server) -> dict[Destination, Load]:
        """None where there is no such server."""
        body = bytes((GET_DESTINATION,)) + _VERSION + nested(SERVICE, encode_key(server))
        return dict(decode_destination(answer) for answer in self._kernel.ask(Request(self._family, body, DUMP)))

    def look(self, server: Server) -> dict[Destination, Load] | None:
        """The same, of a server that may not be there: None."""
        found = self.destinations(server)
        return found if found or self._is_there(server) else None

    def _is_there(self, server: Server) -> bool:
        body = bytes((GET_SERVICE,)) + _VERSION + nested(SERVICE, encode_key(server))
        try:
            return bool(self._kernel.ask(Request(self._family, body)))
        except OSError as error:
            if error.errno in _GONE:
                return False
            raise

    def change(self, changes: Iterable[Change]) -> None:
        """One after another; a destination whose address can be none (a broadcast) is passed over. Raises IpvsError."""
        given = list(changes)
        again = []
        for index, code in self._tell(given):
            command = given[index].command
            if code == errno.EEXIST and command in (NEW_SERVICE, NEW_DESTINATION):
                again.append(given[index]._replace(command=command + 1))
            elif code == errno.EINVAL and command == NEW_DESTINATION:
                log.warning("ipvs: %s: the kernel takes no such address", _text(given[index]))
            elif not (code in _GONE and command in (DELETE_SERVICE, DELETE_DESTINATION)):
                raise IpvsError(f"ipvs: {_text(given[index])}: {os.strerror(code)}")
        for index, code in self._tell(again):
            raise IpvsError(f"ipvs: {_text(again[index])}: {os.strerror(code)}")

    def set_timeouts(self, tcp: int, tcp_fin: int, udp: int) -> None:
        """Seconds that a connection is remembered for without a packet; 0 leaves one as it is. Raises IpvsError."""
        values = ((TIMEOUT_TCP, tcp), (TIMEOUT_TCP_FIN, tcp_fin), (TIMEOUT_UDP, udp))
        body = b"".join(attribute(kind, struct.pack("=I", value)) for kind, value in values)
        for _, code in self._kernel.tell([Request(self._family, bytes((SET_CONFIG,)) + _VERSION + body)]):
            raise IpvsError(f"ipvs: timeouts: {os.strerror(code)}")

    def _tell(self, changes: list[Change]) -> list[tuple[int, int]]:
        return self._kernel.tell([Request(self._family, encode(each)) for each in changes]) if changes else []


def encode(change: Change) -> bytes:
    """A message behind netlink's header."""
    command, server, way, destination, weight = change
    body = encode_key(server) if way is None else encode_key(server) + _encode_way(server, way)
    found = bytes((command,)) + _VERSION + nested(SERVICE, body)
    if destination is not None:
        found += nested(DESTINATION, _encode_destination(destination, weight))
    return found


def encode_key(server: Server) -> bytes:
    protocol, address, port, mark = server
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    if mark:
        return attribute(S_FAMILY, struct.pack("=H", family)) + attribute(S_MARK, struct.pack("=I", mark))
    return (
        attribute(S_FAMILY, struct.pack("=H", family))
        + attribute(S_PROTOCOL, struct.pack("=H", PROTOCOLS[protocol]))
        + attribute(S_ADDRESS, socket.inet_pton(family, address))
        + attribute(S_PORT, struct.pack("!H", port))
    )


def _encode_way(server: Server, way: Way) -> bytes:
    flags = way.flags | (PERSISTENT if way.timeout else 0)
    netmask = 128 if ":" in server.address else 0xFFFFFFFF  # whole addresses are one client
    return (
        attribute(S_SCHEDULER, way.scheduler.encode() + b"\0")
        + attribute(S_FLAGS, struct.pack("=II", flags, 0xFFFFFFFF))
        + attribute(S_TIMEOUT, struct.pack("=I", way.timeout))
        + attribute(S_NETMASK, struct.pack("=I", netmask))
    )


def _encode_destination(destination: Destination, weight: int) -> bytes:
    address, port = destination
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return (
        attribute(D_ADDRESS, socket.inet_pton(family, address))
        + attribute(D_PORT, struct.pack("!H", port))
        + attribute(D_FORWARD, struct.pack("=I", MASQUERADE))
        + attribute(D_WEIGHT, struct.pack("=i", weight))
        + attribute(D_UPPER, struct.pack("=I", 0))
        + attribute(D_LOWER, struct.pack("=I", 0))
    )


def decode_service(body: bytes) -> tuple[Server, Way]:
    found = dict(attributes(dict(attributes(body[4:]))[SERVICE]))
    (family,) = struct.unpack_from("=H", found[S_FAMILY])
    (flags,) = struct.unpack_from("=I", found[S_FLAGS])
    (timeout,) = struct.unpack_from("=I", found[S_TIMEOUT])
    scheduler = found.get(S_SCHEDULER, b"").rstrip(b"\0").decode()
    way = Way(scheduler, timeout if flags & PERSISTENT else 0, flags & SCHEDULER_FLAGS)
    if S_MARK in found:
        (mark,) = struct.unpack_from("=I", found[S_MARK])
        return Server("", "::" if family == socket.AF_INET6 else "0.0.0.0", 0, mark), way
    (protocol,) = struct.unpack_from("=H", found[S_PROTOCOL])
    (port,) = struct.unpack_from("!H", found[S_PORT])
    return Server(_NAMES.get(protocol, str(protocol)), _address(family, found[S_ADDRESS]), port), way


def decode_destination(body: bytes) -> tuple[Destination, Load]:
    found = dict(attributes(dict(attributes(body[4:]))[DESTINATION]))
    (family,) = struct.unpack_from("=H", found[D_FAMILY])
    (port,) = struct.unpack_from("!H", found[D_PORT])
    (weight,) = struct.unpack_from("=i", found[D_WEIGHT])
    (active,) = struct.unpack_from("=I", found[D_ACTIVE])
    (inactive,) = struct.unpack_from("=I", found[D_INACTIVE])
    return Destination(_address(family, found[D_ADDRESS]), port), Load(weight, active, inactive)


def _address(family: int, data: bytes) -> str:
    return socket.inet_ntop(family, data[: 16 if family == socket.AF_INET6 else 4])


def _text(change: Change) -> str:
    protocol, address, port, mark = change.server
    text = f"mark {mark}" if mark else f"{protocol} {address}:{port}"
    return f"{text} → {change.destination.address}:{change.destination.port}" if change.destination else text
