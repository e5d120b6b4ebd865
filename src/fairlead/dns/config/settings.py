"""What a Corefile says, typed. Pure. Names are lowered and without the final dot; the root is "". Times are seconds.

A zone list that is None means the zones of the server block. Defaults are CoreDNS's.
"""

from dataclasses import dataclass, field
from typing import Literal

Zones = tuple[str, ...]
Pods = Literal["disabled", "insecure", "verified"]
Policy = Literal["random", "round_robin", "sequential"]


class SettingsError(ValueError):
    """A Corefile that cannot be honoured. The text names the line and the plugin."""


@dataclass(frozen=True, slots=True)
class Kubernetes:
    """`fallthrough` None: names that do not exist are denied; else they are passed on in these zones."""

    zones: Zones
    ttl: int = 5
    pods: Pods = "disabled"
    endpoint_pod_names: bool = False
    namespaces: Zones = ()  # none: all
    endpoints: bool = True
    ignore_empty_service: bool = False
    fallthrough: Zones | None = None

    @property
    def primary(self) -> str:
        """The zone that names in answers are in."""
        return next((zone for zone in self.zones if not zone.endswith(".arpa")), self.zones[0])


@dataclass(frozen=True, slots=True)
class Hosts:
    zones: Zones
    inline: str = ""
    file: str = ""
    ttl: int = 3600
    reverse: bool = True
    reload: float = 5.0
    fallthrough: Zones | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A rule for answers' names (`what` "name") or the names that are their data ("value"): a pattern, its
    replacement with {1} for groups."""

    what: Literal["name", "value"]
    pattern: str
    replacement: str


@dataclass(frozen=True, slots=True)
class Rewrite:
    """`field`: name, type, class or ttl. `auto`: answers are written back as the question was written."""

    field: Literal["name", "type", "class", "ttl"]
    match: Literal["exact", "prefix", "suffix", "substring", "regex"]
    before: str
    after: str
    goes_on: bool = False
    auto: bool = False
    answers: tuple[Answer, ...] = ()


@dataclass(frozen=True, slots=True)
class Upstream:
    """Where to ask. `server_name`: what its certificate must say, with "tls"."""

    address: str
    port: int
    transport: Literal["dns", "tls"] = "dns"
    server_name: str = ""

    def __str__(self) -> str:
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Forward:
    """`to`: upstreams, or paths of resolv.conf files that name them."""

    zone: str
    to: tuple[Upstream | str, ...]
    except_: Zones = ()
    force_tcp: bool = False
    prefer_udp: bool = False
    expire: float = 10.0
    max_fails: int = 2
    policy: Policy = "random"
    health_check: float = 0.5
    health_recursion: bool = True
    health_name: str = ""
    max_concurrent: int = 0  # 0: no bound
    read_timeout: float = 2.0
    tls_server_name: str = ""
    tls_files: tuple[str, ...] = ()
    failfast: bool = False
    failover: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Kept:
    """Bounds of one kind of cached replies; TTLs in seconds."""

    capacity: int = 9984
    ttl: int = 3600
    least: int = 5
    disabled: Zones | None = None  # the zones whose replies are not kept


@dataclass(frozen=True, slots=True)
class Cache:
    zones: Zones
    success: Kept = field(default_factory=Kept)
    denial: Kept = field(default_factory=lambda: Kept(ttl=1800))
    servfail: int = 5
    keep_ttl: bool = False
    prefetch: int = 0  # 0: off
    prefetch_gap: float = 60.0
    prefetch_percent: int = 10
    serve_stale: float = 0.0  # 0: off
    verify: bool = False


@dataclass(frozen=True, slots=True)
class Log:
    zones: Zones
    template: str = "{common}"
    classes: frozenset[str] = frozenset({"all"})


@dataclass(frozen=True, slots=True)
class Transfer:
    """Who may have a zone; "*" is everybody."""

    zones: Zones
    to: Zones


@dataclass(frozen=True, slots=True)
class Autopath:
    """`search`: names to complete with; None: by the namespace of the pod that asks."""

    zones: Zones
    search: Zones | None = None


@dataclass(frozen=True, slots=True)
class Block:
    """A server block: the zones it is for, and its plugins."""

    zones: Zones
    plugins: frozenset[str] = frozenset()
    kubernetes: Kubernetes | None = None
    hosts: Hosts | None = None
    rewrites: tuple[Rewrite, ...] = ()
    autopath: Autopath | None = None
    forwards: tuple[Forward, ...] = ()
    cache: Cache | None = None
    logs: tuple[Log, ...] = ()
    transfers: tuple[Transfer, ...] = ()

    @property
    def shuffles(self) -> bool:
        return "loadbalance" in self.plugins


@dataclass(frozen=True, slots=True)
class Settings:
    """Addresses are (host, port); host "" is any. None: not served."""

    blocks: tuple[Block, ...]
    health: tuple[str, int] | None = None
    ready: tuple[str, int] | None = None
    metrics: tuple[str, int] | None = None
    lameduck: float = 0.0

    def block_for(self, name: str) -> Block | None:
        """The one whose zone is the longest that the name is in."""
        best: tuple[int, Block] | None = None
        for block in self.blocks:
            zone = matching(name, block.zones)
            if zone is not None and (best is None or len(zone) > best[0]):
                best = len(zone), block
        return best[1] if best else None

    @property
    def verifies_pods(self) -> bool:
        """Whether every pod must be known."""
        return any(block.kubernetes is not None and block.kubernetes.pods == "verified" for block in self.blocks)

    @property
    def completes(self) -> bool:
        """Whether this node's pods must be known."""
        return any(block.autopath is not None and block.autopath.search is None for block in self.blocks)


def is_in(name: str, zone: str) -> bool:
    return not zone or name == zone or name.endswith("." + zone)


def matching(name: str, zones: Zones) -> str | None:
    """The longest of the zones that a name is in."""
    found: str | None = None
    for zone in zones:
        if is_in(name, zone) and (found is None or len(zone) > len(found)):
            found = zone
    return found
