"""A Corefile's server blocks, and its plugins one by one: those that we have are honoured, others refused. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from ipaddress import ip_network

from fairlead.dns.config import forwarding
from fairlead.dns.config.rewriting import rewrites_of
from fairlead.dns.config.settings import (
    Autopath,
    Block,
    Hosts,
    Kubernetes,
    Log,
    Settings,
    SettingsError,
    Transfer,
    Zones,
)
from fairlead.dns.config.syntax import Directive, ServerBlock, parse
from fairlead.dns.config.words import addresses, boolean_free, duration, number, zone_name, zones_of

# Those that say nothing by options of their own, or whose work is done without being asked.
BARE = frozenset({"errors", "loop", "reload", "loadbalance", "debug", "cancel", "metadata", "bufsize", "minimal"})
HIGHEST_TTL = 3600


def load(text: str, environment: Mapping[str, str]) -> Settings:
    """Raises SettingsError, also for plugins and options that there are not: nothing is ignored in silence."""
    blocks = []
    process: dict[str, object] = {}
    seen: set[str] = set()
    for server in parse(text, environment):
        block, settings = _block(server)
        for zone in block.zones:
            if zone in seen:
                raise SettingsError(f"Corefile:{server.line}: zone {zone or '.'} is in two server blocks")
            seen.add(zone)
        blocks.append(block)
        process.update(settings)
    if not blocks:
        raise SettingsError("Corefile: there is no server block in it")
    return Settings(tuple(blocks), **process)  # type: ignore[arg-type]


def _block(server: ServerBlock) -> tuple[Block, dict[str, object]]:
    zones = tuple(zone for key in server.keys for zone in _zones_of_key(key, server.line))
    block = Block(zones, frozenset(each.name for each in server.directives))
    process: dict[str, object] = {}
    for directive in server.directives:
        try:
            if directive.name in PROCESS:
                process.update(PROCESS[directive.name](directive))
            elif directive.name in PLUGINS:
                block = PLUGINS[directive.name](block, directive)
            elif directive.name not in BARE:
                raise directive.error("there is no such plugin here")
        except SettingsError:
            raise
        except ValueError as error:  # a name or an address that is none
            raise directive.error(str(error)) from error
    return block, process


def _zones_of_key(key: str, line: int) -> list[str]:
    """`.:53`, `example.org`, `dns://10.0.0.0/24:53`. A port may be given, the server's listening address is not its
    matter."""
    scheme, separator, rest = key.partition("://")
    if separator and scheme != "dns":
        raise SettingsError(f"Corefile:{line}: {key}: served is DNS over UDP and TCP, not {scheme}")
    name = rest if separator else key
    head, colon, port = name.rpartition(":")
    if colon and port.isdigit() and not head.endswith(":"):
        if port != "53":
            raise SettingsError(f"Corefile:{line}: {key}: server blocks share the port that --port names; leave it out")
        name = head
    try:
        return zones_of(name)
    except ValueError as error:
        raise SettingsError(f"Corefile:{line}: {key}: {error}") from error


# Plugins of a block.


def _kubernetes(block: Block, directive: Directive) -> Block:
    _once(block.kubernetes, directive)
    found = Kubernetes(_own_zones(block, directive.arguments))
    for each in directive.inner:
        match each.name, each.arguments:
            case "ttl", (text,):
                found = replace(found, ttl=number(each, text, HIGHEST_TTL))
            case "pods", ("disabled" | "insecure" | "verified" as mode,):
                found = replace(found, pods=mode)
            case "endpoint_pod_names", ():
                found = replace(found, endpoint_pod_names=True)
            case "namespaces", names if names:
                found = replace(found, namespaces=names)
            case "noendpoints", ():
                found = replace(found, endpoints=False)
            case "ignore", ("empty_service",):
                found = replace(found, ignore_empty_service=True)
            case "fallthrough", names:
                found = replace(found, fallthrough=_through(names))
            case "upstream" | "resyncperiod" | "startup_timeout" | "apiserver_qps" | "apiserver_burst", _:
                pass  # of no meaning any more in CoreDNS either, or of its own client
            case "kubeconfig" | "endpoint" | "tls", _:
                raise each.error("where the API is comes from --kubeconfig, or from the pod's ServiceAccount")
            case _:
                raise each.error(f"kubernetes has no such option here, or not with {' '.join(each.arguments)!r}")
    return replace(block, kubernetes=found)


def _hosts(block: Block, directive: Directive) -> Block:
    _once(block.hosts, directive)
    file, *zones = directive.arguments or ("/etc/hosts",)
    found = Hosts(_own_zones(block, tuple(zones)), file=file)
    inline = []
    for each in directive.inner:
        match each.name, each.arguments:
            case "ttl", (text,):
                found = replace(found, ttl=number(each, text, 65535))
            case "no_reverse", ():
                found = replace(found, reverse=False)
            case "reload", (text,):
                found = replace(found, reload=duration(each, text))
            case "fallthrough", names:
                found = replace(found, fallthrough=_through(names))
            case name, names if names and _is_address(name):
                inline.append(" ".join((name, *names)))
            case _:
                raise each.error("hosts has no such option here")
    return replace(block, hosts=replace(found, inline="\n".join(inline)))


def _rewrite(block: Block, directive: Directive) -> Block:
    return replace(block, rewrites=(*block.rewrites, *rewrites_of(directive)))


def _autopath(block: Block, directive: Directive) -> Block:
    _once(block.autopath, directive)
    *zones, source = directive.arguments or ("",)
    if source != "@kubernetes":
        raise directive.error("the search path comes from @kubernetes only")
    return replace(block, autopath=Autopath(_own_zones(block, tuple(zones))))


def _forward(block: Block, directive: Directive) -> Block:
    return replace(block, forwards=(*block.forwards, forwarding.forward_of(directive)))


def _cache(block: Block, directive: Directive) -> Block:
    _once(block.cache, directive)
    return replace(block, cache=forwarding.cache_of(directive, block.zones))


def _log(block: Block, directive: Directive) -> Block:
    names = [word for word in directive.arguments if "{" not in word]
    templates = [word for word in directive.arguments if "{" in word]
    classes = [word for each in directive.inner if each.name == "class" for word in each.arguments]
    if len(templates) > 1 or any(each.name != "class" for each in directive.inner):
        raise directive.error("log takes names, one format, and classes")
    if not set(classes) <= {"all", "success", "denial", "error"}:
        raise directive.error(f"there is no class {' '.join(classes)}")
    zones = _own_zones(block, tuple(names))
    found = Log(zones, templates[0] if templates else "{common}", frozenset(classes or ["all"]))
    return replace(block, logs=(*block.logs, found))


def _transfer(block: Block, directive: Directive) -> Block:
    to = []
    for each in directive.inner:
        if each.name != "to" or not each.arguments:
            raise each.error("transfer has only `to` here")
        to += list(each.arguments)
    if not all(peer == "*" or _is_address(peer) for peer in to) or not to:
        raise directive.error("`to` takes addresses, or * for all")
    found = Transfer(_own_zones(block, directive.arguments), tuple(to))
    return replace(block, transfers=(*block.transfers, found))


PLUGINS: dict[str, Callable[[Block, Directive], Block]] = {
    "kubernetes": _kubernetes,
    "hosts": _hosts,
    "rewrite": _rewrite,
    "autopath": _autopath,
    "forward": _forward,
    "cache": _cache,
    "log": _log,
    "transfer": _transfer,
}


# Plugins of the whole process.


def _health(directive: Directive) -> dict[str, object]:
    found: dict[str, object] = {"health": addresses(directive, "", 8080)}
    for each in directive.inner:
        if each.name != "lameduck" or len(each.arguments) != 1:
            raise each.error("health has only `lameduck`")
        found["lameduck"] = duration(each, each.arguments[0])
    return found


def _ready(directive: Directive) -> dict[str, object]:
    boolean_free(directive, ("monitor",))
    return {"ready": addresses(directive, "", 8181)}


def _prometheus(directive: Directive) -> dict[str, object]:
    boolean_free(directive, ("runtime_metrics",))
    return {"metrics": addresses(directive, "localhost", 9153)}


PROCESS: dict[str, Callable[[Directive], dict[str, object]]] = {
    "health": _health,
    "ready": _ready,
    "prometheus": _prometheus,
}


def _once(known: object, directive: Directive) -> None:
    if known is not None:
        raise directive.error("stands twice in one server block")


def _own_zones(block: Block, names: tuple[str, ...]) -> Zones:
    return tuple(zone for name in names for zone in zones_of(name)) or block.zones


def _through(names: tuple[str, ...]) -> Zones:
    """No names: all."""
    return tuple(zone_name(name) for name in names) or ("",)


def _is_address(text: str) -> bool:
    try:
        ip_network(text)
    except ValueError:
        return False
    return True
