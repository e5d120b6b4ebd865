"""Elements of the table's maps as the kernel holds them. Pure."""

import socket
import struct
from collections.abc import Callable, Iterator
from functools import lru_cache

from fairlead.host.nfnetlink import Element
from fairlead.proxy.modes.nftables.plan import Elements

_PROTOCOLS = {"tcp": 6, "udp": 17, "sctp": 132}
_port = struct.Struct("!Hxx").pack


def _number(text: str) -> bytes:
    """Of `numgen`: in the byte order of the machine."""
    return struct.pack("=I", int(text))


@lru_cache(maxsize=65536)
def _address(text: str) -> bytes:
    return socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)


def _service(text: str) -> bytes:
    return _port(int(text))


def _protocol(text: str) -> bytes:
    return bytes((_PROTOCOLS[text], 0, 0, 0))


Parts = tuple[Callable[[str], bytes], ...]
_BY_ADDRESS: Parts = (_address, _protocol, _service)
_KEYS: dict[str, Parts] = {
    "service-ips": _BY_ADDRESS,
    "no-endpoint-services": _BY_ADDRESS,
    "service-nodeports": (_protocol, _service),
    "no-endpoint-nodeports": (_protocol, _service),
    "hairpin-connections": (_address, _address),
    "guarded-services": _BY_ADDRESS,
    **{f"endpoints-{protocol}": (_address, _service, _number) for protocol in _PROTOCOLS},
    **{f"nodeport-endpoints-{protocol}": (_service, _number) for protocol in _PROTOCOLS},
}


def can_encode(*changes: Elements) -> bool:
    """Intervals are left to nft."""
    return all(map_ in _KEYS for elements in changes for map_, _ in elements)


def encode(elements: Elements) -> Iterator[tuple[str, Element]]:
    for (map_, key), value in elements.items():
        parts = b"".join([part(text) for part, text in zip(_KEYS[map_], key.split(" . "), strict=True)])
        if value.startswith("goto "):
            yield map_, Element(parts, goto=value[5:])
        elif value:
            address, _, port = value.partition(" . ")
            yield map_, Element(parts, _address(address) + _service(port))
        else:
            yield map_, Element(parts)
