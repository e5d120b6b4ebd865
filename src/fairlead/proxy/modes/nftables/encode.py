"""Elements of the table's maps as the kernel holds them. Pure."""

import ipaddress
import socket
import struct
from collections.abc import Callable, Iterator
from functools import lru_cache

from fairlead.host.nfnetlink import Encoded, element
from fairlead.proxy.modes.nftables.plan import ALLOWED, HAIRPINS, Elements, Key, Wanted

_PROTOCOLS = {"tcp": b"\x06\0\0\0", "udp": b"\x11\0\0\0", "sctp": b"\x84\0\0\0"}
_port = lru_cache(maxsize=4096)(struct.Struct("!Hxx").pack)
_slot = lru_cache(maxsize=4096)(struct.Struct("=I").pack)  # of `numgen`: in the byte order of the machine


@lru_cache(maxsize=4096)  # an endpoint is in several elements
def _address(text: str) -> bytes:
    return socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)


def _service(key: Key) -> bytes:
    address, protocol, port = key
    return _address(address) + _PROTOCOLS[protocol] + _port(port)


def _node_port(key: Key) -> bytes:
    protocol, port = key
    return _PROTOCOLS[protocol] + _port(port)


def _endpoint(key: Key) -> bytes:
    address, port, slot = key
    return _address(address) + _port(port) + _slot(slot)


def _node_port_endpoint(key: Key) -> bytes:
    port, slot = key
    return _port(port) + _slot(slot)


def _hairpin(key: Key) -> bytes:
    return _address(key[0]) * 2


_KEYS: dict[str, Callable[[Key], bytes]] = {
    "service-ips": _service,
    "no-endpoint-services": _service,
    "service-nodeports": _node_port,
    "no-endpoint-nodeports": _node_port,
    "guarded-services": _service,
    HAIRPINS: _hairpin,
    **{f"endpoints-{protocol}": _endpoint for protocol in _PROTOCOLS},
    **{f"nodeport-endpoints-{protocol}": _node_port_endpoint for protocol in _PROTOCOLS},
}


def encode(elements: Elements) -> Iterator[Encoded]:
    for (map_, key), value in elements.items():
        if map_ == ALLOWED:
            yield map_, _allowed(key)
            continue
        encoded = _KEYS[map_](key)
        if isinstance(value, tuple):
            yield map_, element(encoded, _target(*value))
        else:
            yield map_, element(encoded, goto=value[5:])


def encode_all(wanted: Wanted) -> Iterator[Encoded]:
    """Everything that a Service needs."""
    yield from encode(wanted.elements)
    for (map_, key), line in wanted.lines.items():
        for slot, target in enumerate(line):
            yield map_, element(_KEYS[map_]((*key, slot)), _target(*target))
    for address in wanted.hairpins:
        yield HAIRPINS, element(_address(address) * 2)


def _target(address: str, port: int) -> bytes:
    return _address(address) + _port(port)


def _allowed(key: Key) -> bytes:
    """From the first address of the range to the last."""
    range_ = ipaddress.ip_network(key[3])
    service = _service(key[:3])
    return element(service + range_.network_address.packed, end=service + range_.broadcast_address.packed)
