"""Elements of the device's table as the kernel holds them. Pure."""

import socket
import struct
from collections.abc import Iterator

from fairlead.host.nfnetlink import Encoded, element
from fairlead.loadbalancer.device.plan import Elements, Key

_PROTOCOLS = {"tcp": b"\x06\0\0\0", "udp": b"\x11\0\0\0", "sctp": b"\x84\0\0\0"}
_port = struct.Struct("!Hxx").pack
_number = struct.Struct("=I")
INTERVALS = ("allowed4", "allowed6")  # left to nft


def _address(text: str) -> bytes:
    return socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)


def _frontend(key: Key) -> bytes:
    address, protocol, port = key
    return _address(address) + _PROTOCOLS[protocol] + _port(port)


def encode(elements: Elements) -> Iterator[Encoded]:
    """All but intervals."""
    for (map_, key), value in elements.items():
        if map_ in INTERVALS:
            continue
        encoded = b"".join(map(_number.pack, key)) if map_[:5] in ("bucke", "nodes") else _frontend(key)
        if isinstance(value, int):
            data = _number.pack(value)
        else:
            data = _address(value) if value else b""
        yield map_, element(encoded, data)


def intervals(elements: Elements) -> dict[str, list[str]]:
    """Set → its elements for nft."""
    found: dict[str, list[str]] = {}
    for map_, key in elements:
        if map_ in INTERVALS:
            found.setdefault(map_, []).append(" . ".join(map(str, key)))
    return found


def node_of(data: bytes) -> tuple[int, str]:
    """The number and address of an element of `nodes4` or `nodes6`."""
    size = 4 if len(data) < 32 else 16
    number = _number.unpack_from(data, 12)[0]
    packed = data[-size:]
    return number, socket.inet_ntop(socket.AF_INET if size == 4 else socket.AF_INET6, packed)


def drawn(data: bytes) -> int:
    """The node's number in an element of `buckets`."""
    return int(_number.unpack(data[-4:])[0])
