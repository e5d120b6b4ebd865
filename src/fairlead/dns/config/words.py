"""The small values that a Corefile is written with: zones, durations, numbers, addresses. Pure."""

import re
from ipaddress import IPv4Network, ip_address, ip_network

from fairlead.dns.config.syntax import Directive
from fairlead.dns.wire import WireError, encode_name

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"(?:\d+(?:\.\d*)?(?:ns|us|µs|ms|s|m|h))+")
_PART = re.compile(r"(\d+(?:\.\d*)?)(ns|us|µs|ms|s|m|h)")


def zone_name(text: str) -> str:
    """Lowered, no final dot. Raises ValueError."""
    name = text.rstrip(".").lower()
    try:
        encode_name(name)
    except (WireError, UnicodeEncodeError) as error:
        raise ValueError(f"{text} is no domain name: {error}") from error
    return name


def zones_of(text: str) -> list[str]:
    """A name, or the reverse zones of a range: `10.96.0.0/12` makes sixteen of them. Raises ValueError."""
    if "/" not in text:
        return [zone_name(text)]
    network = ip_network(text, strict=False)
    step = 8 if isinstance(network, IPv4Network) else 4
    whole = -(-network.prefixlen // step) * step
    return [_reverse(each.network_address.packed, whole) for each in network.subnets(new_prefix=whole)]


def _reverse(packed: bytes, prefix: int) -> str:
    if len(packed) == 4:
        return ".".join([*(str(byte) for byte in reversed(packed[: prefix // 8])), "in-addr", "arpa"])
    return ".".join([*reversed(packed.hex()[: prefix // 4]), "ip6", "arpa"])


def duration(directive: Directive, text: str) -> float:
    """Go's: `5s`, `1h30m`, `0.5s`; a bare number is seconds."""
    if text.isdigit():
        return float(text)
    if not _DURATION.fullmatch(text):
        raise directive.error(f"{text} is no duration")
    return sum(float(amount) * _UNITS[unit] for amount, unit in _PART.findall(text))


def number(directive: Directive, text: str, highest: int) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > highest:
        raise directive.error(f"{text} is no number up to {highest}")
    return int(text)


def addresses(directive: Directive, host: str, port: int) -> tuple[str, int]:
    """The one address that a plugin listens at, `:8080` or `10.0.0.1:8080`, or the default."""
    if len(directive.arguments) > 1:
        raise directive.error("takes one address")
    if not directive.arguments:
        return host, port
    given, colon, number_ = directive.arguments[0].rpartition(":")
    given = given.strip("[]")
    if not colon or not number_.isdigit() or int(number_) > 65535 or not _is_host(given):
        raise directive.error(f"{directive.arguments[0]} is no ADDRESS:PORT")
    return given, int(number_)


def _is_host(text: str) -> bool:
    if text in ("", "localhost"):
        return True
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def boolean_free(directive: Directive, known: tuple[str, ...]) -> None:
    """For a plugin whose inner options change nothing here."""
    for each in directive.inner:
        if each.name not in known:
            raise each.error(f"{directive.name} has no such option")
