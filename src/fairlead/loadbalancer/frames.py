"""ARP (RFC 826, RFC 5227) and Neighbor Discovery (RFC 4861): who has an address, and that we have it. Pure."""

import ipaddress
import struct
from typing import NamedTuple

ARP, IPV6 = 0x0806, 0x86DD
REQUEST, REPLY = 1, 2
SOLICITATION, ADVERTISEMENT = 135, 136
ICMPV6, HOPS = 58, 255
SOLICITED, OVERRIDE = 0x40000000, 0x20000000
EVERYBODY = b"\xff" * 6
ALL_NODES = ipaddress.IPv6Address("ff02::1").packed
_ETHERNET = struct.Struct("!6s6sH")
_ARP = struct.Struct("!HHBBH6s4s6s4s")
_IPV6 = struct.Struct("!IHBB16s16s")


class Question(NamedTuple):
    """Who has `address`? `asker` and `asker_mac` want to know."""

    address: str
    asker: str
    asker_mac: bytes


def question(frame: bytes) -> Question | None:
    """What a frame asks, if it asks that."""
    if len(frame) < _ETHERNET.size:
        return None
    _, source, kind = _ETHERNET.unpack_from(frame)
    body = frame[_ETHERNET.size :]
    if kind == ARP and len(body) >= _ARP.size:
        hardware, protocol, _, _, operation, mac, sender, _, target = _ARP.unpack_from(body)
        if (hardware, protocol, operation) == (1, 0x0800, REQUEST):
            return Question(str(ipaddress.IPv4Address(target)), str(ipaddress.IPv4Address(sender)), mac)
    if kind == IPV6 and len(body) >= _IPV6.size + 24:
        _, _, next_header, hops, sender, _ = _IPV6.unpack_from(body)
        message = body[_IPV6.size :]
        if next_header == ICMPV6 and hops == HOPS and message[0] == SOLICITATION:
            return Question(str(ipaddress.IPv6Address(message[8:24])), str(ipaddress.IPv6Address(sender)), source)
    return None


def answer(asked: Question, mac: bytes) -> bytes:
    """That `mac` has it."""
    if ":" not in asked.address:
        return _arp(REPLY, asked.address, mac, asked.asker, asked.asker_mac)
    if asked.asker == "::":  # it wants the address itself: everybody shall hear
        return _advertisement(asked.address, mac, ALL_NODES, _multicast(ALL_NODES), OVERRIDE)
    asker = ipaddress.IPv6Address(asked.asker).packed
    return _advertisement(asked.address, mac, asker, asked.asker_mac, SOLICITED | OVERRIDE)


def announcements(address: str, mac: bytes) -> list[bytes]:
    """To everybody, asked by nobody: both ARP's forms, as some hear the one and some the other (RFC 5227, 3)."""
    if ":" not in address:
        return [_arp(each, address, mac, address, EVERYBODY) for each in (REQUEST, REPLY)]
    return [_advertisement(address, mac, ALL_NODES, _multicast(ALL_NODES), OVERRIDE)]


def solicited_group(address: str) -> str:
    """The multicast group where questions about an address of IPv6 are asked (RFC 4291, 2.7.1)."""
    return str(ipaddress.IPv6Address(ipaddress.IPv6Address("ff02::1:ff00:0").packed[:13] + _packed6(address)[13:]))


def _packed6(address: str) -> bytes:
    return ipaddress.IPv6Address(address).packed


def _arp(operation: int, sender: str, mac: bytes, target: str, target_mac: bytes) -> bytes:
    named = target_mac if operation == REPLY else bytes(6)
    packed = (ipaddress.IPv4Address(each).packed for each in (sender, target))
    return _ETHERNET.pack(target_mac, mac, ARP) + _ARP.pack(
        1, 0x0800, 6, 4, operation, mac, next(packed), named, next(packed)
    )


def _multicast(group: bytes) -> bytes:
    return b"\x33\x33" + group[12:]


def _advertisement(address: str, mac: bytes, target: bytes, target_mac: bytes, flags: int) -> bytes:
    source = _packed6(address)
    message = struct.pack("!BBHI", ADVERTISEMENT, 0, 0, flags) + source + b"\x02\x01" + mac
    message = message[:2] + struct.pack("!H", _checksum(source, target, message)) + message[4:]
    header = _IPV6.pack(6 << 28, len(message), ICMPV6, HOPS, source, target)
    return _ETHERNET.pack(target_mac, mac, IPV6) + header + message


def _checksum(source: bytes, target: bytes, message: bytes) -> int:
    """Of ICMPv6 (RFC 8200, 8.1)."""
    data = source + target + struct.pack("!II", len(message), ICMPV6) + message
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
