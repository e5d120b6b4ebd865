"""Steps of the plan as elements of the maps of sockets.c. Pure."""

import ipaddress
import socket
import struct
from collections.abc import Iterable
from functools import lru_cache

from fairlead.proxy.modes.ebpf.plan import Aim, Frontend, Member, Slot, Step

Element = tuple[str, bytes, bytes | None]  # map, key, value; None: it goes

_PROTOCOLS = {"TCP": 6, "UDP": 17}
_port = struct.Struct("!H").pack
_protocol = {name: bytes((number, 0)) for name, number in _PROTOCOLS.items()}
_aim = struct.Struct("=QIII20s").pack
slot = struct.Struct("=II").pack
_set = struct.Struct("=I").pack
NO_MORE = b"\0\0"
HERE = struct.pack("=I", 1)
MAPPED = bytes(10) + b"\xff\xff"


def encode(steps: Iterable[Step]) -> list[Element]:
    return [_element(key, value) for key, value in steps]


def _element(key: Frontend | Slot | Member, value: Aim | tuple[str, int] | None) -> Element:
    if isinstance(key, Frontend):
        return "frontends", frontend(key), _encoded(value) if isinstance(value, Aim) else None
    if isinstance(key, Member):
        return "members", _set(key.set) + _endpoint(key.address, key.port), HERE if value is not None else None
    return "slots", slot(*key), None if value is None or isinstance(value, Aim) else _endpoint(*value)


def frontend(key: Frontend) -> bytes:
    return _address(key.address) + _port(key.port) + _protocol[key.protocol]


def _encoded(aim: Aim) -> bytes:
    return _aim(aim.since, aim.set, aim.size, aim.affinity, frontend(aim.service))


def _endpoint(address: str, port: int) -> bytes:
    return _address(address) + _port(port) + NO_MORE


@lru_cache(maxsize=65536)
def _address(text: str) -> bytes:
    """IPv6; IPv4 as ::ffff:a.b.c.d."""
    return socket.inet_pton(socket.AF_INET6, text) if ":" in text else MAPPED + socket.inet_aton(text)


def decode_aim(value: bytes) -> tuple[int, int, int]:
    """(set, count, affinity)."""
    return struct.unpack_from("=III", value, 8)


def decode_count(value: bytes) -> tuple[int, int]:
    """(dialled, refused), from one of each for every CPU."""
    numbers = struct.unpack(f"={len(value) // 8}Q", value)
    return sum(numbers[::2]), sum(numbers[1::2])


def decode_endpoint(value: bytes) -> tuple[str, int]:
    address = ipaddress.IPv6Address(value[:16])
    return str(address.ipv4_mapped or address), int.from_bytes(value[16:18], "big")
