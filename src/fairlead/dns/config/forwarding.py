"""The plugins `forward` and `cache`. Pure."""

from dataclasses import replace
from ipaddress import ip_address

from fairlead.dns.config.settings import Cache, Forward, Kept, Upstream, Zones
from fairlead.dns.config.syntax import Directive
from fairlead.dns.config.words import duration, number, zone_name, zones_of
from fairlead.dns.wire import Rcode

MOST_UPSTREAMS = 15
PORTS = {"dns": 53, "tls": 853}


def forward_of(directive: Directive) -> Forward:
    if len(directive.arguments) < 2:
        raise directive.error("takes a domain and where to ask")
    zone = zones_of(directive.arguments[0])[0]
    to = tuple(_upstream(directive, text) for text in directive.arguments[1:])
    if len(to) > MOST_UPSTREAMS:
        raise directive.error(f"takes at most {MOST_UPSTREAMS} upstreams")
    found = Forward(zone, to)
    for each in directive.inner:
        found = _forward_option(found, each)
    return found


_FLAGS = {"force_tcp": "force_tcp", "prefer_udp": "prefer_udp", "failfast_all_unhealthy_upstreams": "failfast"}
_DURATIONS = {"expire": "expire", "read_timeout": "read_timeout"}
_NUMBERS = {"max_fails": "max_fails", "max_concurrent": "max_concurrent"}
_SHARED = ("max_idle_conns", "max_connect_attempts")  # one connection an upstream, and each upstream is tried once


def _forward_option(found: Forward, each: Directive) -> Forward:
    changed: dict[str, object] = {}
    match each.name, each.arguments:
        case name, () if name in _FLAGS:
            changed[_FLAGS[name]] = True
        case name, (text,) if name in _DURATIONS:
            changed[_DURATIONS[name]] = duration(each, text)
        case name, (text,) if name in _NUMBERS:
            changed[_NUMBERS[name]] = number(each, text, 10**9)
        case "except", names if names:
            changed["except_"] = tuple(zone_name(name) for name in names)
        case "policy", ("random" | "round_robin" | "sequential" as policy,):
            changed["policy"] = policy
        case "tls_servername", (name,):
            changed["tls_server_name"] = zone_name(name)
        case "tls", files if len(files) <= 3:
            changed["tls_files"] = files
        case "failover", codes if codes and all(code in Rcode.__members__ for code in codes):
            changed["failover"] = tuple(Rcode[code] for code in codes)
        case "health_check", (text, *rest):
            changed |= {"health_check": duration(each, text), "health_recursion": "no_rec" not in rest}
            if "domain" in rest[:-1]:
                changed["health_name"] = zone_name(rest[rest.index("domain") + 1])
        case name, (_,) if name in _SHARED:
            pass
        case _:
            raise each.error(f"forward has no such option here, or not with {' '.join(each.arguments)!r}")
    return replace(found, **changed)  # type: ignore[arg-type]


def _upstream(directive: Directive, text: str) -> Upstream | str:
    if text.startswith("/"):
        return text
    scheme, separator, rest = text.partition("://")
    transport = scheme if separator else "dns"
    if transport not in PORTS:
        raise directive.error(f"{text}: upstreams are asked by dns:// or tls://, not by {scheme}://")
    rest = rest if separator else text
    address, _, tail = rest.partition("%") if "%" in rest else (rest, "", "")
    server_name, _, port_text = tail.partition(":")
    if not tail:
        address, port_text = _split_port(address)
    try:
        address = str(ip_address(address.strip("[]")))
    except ValueError as error:
        raise directive.error(f"{text} is neither an address nor a file") from error
    port = number(directive, port_text, 65535) if port_text else PORTS[transport]
    return Upstream(address, port, "tls" if transport == "tls" else "dns", server_name)


def _split_port(text: str) -> tuple[str, str]:
    if text.startswith("[") or text.count(":") == 1:
        address, _, port = text.rpartition(":")
        return (address, port) if port.isdigit() else (text, "")
    return text, ""


def cache_of(directive: Directive, zones: Zones) -> Cache:
    words = list(directive.arguments)
    found = Cache(zones)
    if words and words[0].isdigit():
        ttl = number(directive, words.pop(0), 1 << 31)
        found = replace(found, success=replace(found.success, ttl=ttl), denial=replace(found.denial, ttl=ttl))
    if words:
        found = replace(found, zones=tuple(zone_name(word) for word in words))
    for each in directive.inner:
        found = _cache_option(found, each)
    return found


def _cache_option(found: Cache, each: Directive) -> Cache:
    match each.name, each.arguments:
        case "success", words if 1 <= len(words) <= 3:
            return replace(found, success=_kept(found.success, each, words))
        case "denial", words if 1 <= len(words) <= 3:
            return replace(found, denial=_kept(found.denial, each, words))
        case "disable", ("success" | "denial" as kind, *names):
            disabled = tuple(zone_name(name) for name in names) or ("",)
            if kind == "success":
                return replace(found, success=replace(found.success, disabled=disabled))
            return replace(found, denial=replace(found.denial, disabled=disabled))
        case "servfail", (text,):
            return replace(found, servfail=min(300, int(duration(each, text))))
        case "keepttl", ():
            return replace(found, keep_ttl=True)
        case "prefetch", (amount, *rest):
            found = replace(found, prefetch=number(each, amount, 10**6))
            for word in rest:
                if word.endswith("%"):
                    found = replace(found, prefetch_percent=number(each, word[:-1], 100))
                else:
                    found = replace(found, prefetch_gap=duration(each, word))
            return found
        case "serve_stale", words if len(words) <= 2:
            found = replace(found, serve_stale=duration(each, words[0]) if words else 3600.0)
            return replace(found, verify=words[1:] == ("verify",))
    raise each.error(f"cache has no such option here, or not with {' '.join(each.arguments)!r}")


def _kept(before: Kept, directive: Directive, words: tuple[str, ...]) -> Kept:
    numbers = [number(directive, word, 1 << 31) for word in words]
    ttl = numbers[1] if len(numbers) > 1 else before.ttl
    return replace(before, capacity=numbers[0], ttl=ttl, least=numbers[2] if len(numbers) > 2 else before.least)
