"""Elements of the table as the kernel holds them, to ask whether they are there. Pure."""

import ipaddress
import socket
import struct
from collections.abc import Iterator

from fairlead.host.nfnetlink import Encoded, element
from fairlead.proxy.modes.userspace.plan import Elements

_PROTOCOLS = {"tcp": b"\x06\0\0\0", "udp": b"\x11\0\0\0"}
_port = struct.Struct("!Hxx").pack
BETWEEN = " . "


def encode(elements: Elements) -> Iterator[Encoded]:
    for (map_, key), value in elements.items():
        if map_ == "allowed-sources":
            yield map_, element(_encoded(key), end=_encoded(key, last=True))
        elif value.startswith("goto "):
            yield map_, element(_encoded(key), goto=value[5:])
        else:
            yield map_, element(_encoded(key), _encoded(value) if value else b"")


def _encoded(text: str, *, last: bool = False) -> bytes:
    """`last`: of a range, its last address instead of its first."""
    if text.isdecimal():  # alone, it is not filled up
        return int(text).to_bytes(2)
    return b"".join(_part(each, last=last) for each in text.split(BETWEEN))


def _part(text: str, *, last: bool) -> bytes:
    if text in _PROTOCOLS:
        return _PROTOCOLS[text]
    if text.isdecimal():
        return _port(int(text))
    if "/" in text:
        range_ = ipaddress.ip_network(text)
        return (range_.broadcast_address if last else range_.network_address).packed
    return socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)
