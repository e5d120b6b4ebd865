"""What every mode of the proxy is: told which Services changed, it makes the kernel do so."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

from fairlead.proxy.ipvs_settings import USUAL, IpvsSettings
from fairlead.services.model import Family, ServicePort, ServicePortName


@dataclass(frozen=True, slots=True)
class Node:
    """Where the rules are, in one family of addresses: its name, the cluster's ranges, and its own address.
    `node_port_addresses`: the ranges of those addresses of the node that answer at node ports; none: all.
    `masquerade_all`: whoever dials a ClusterIP is seen as the node. `localhost_node_ports`: node ports answer on
    127.0.0.1, too. `tcp_be_liberal`: the kernel lets packets pass that connection tracking finds out of order."""

    name: str
    pod_cidr: str
    service_cidr: str = "10.96.0.0/12"
    address: str = ""
    node_port_addresses: tuple[str, ...] = ()
    family: Family = "IPv4"
    masquerade_all: bool = False
    masquerade_bit: int = 14
    localhost_node_ports: bool = False
    tcp_be_liberal: bool = False
    ipvs: IpvsSettings = USUAL

    @property
    def masquerade_mark(self) -> int:
        """Of packets whose source becomes the node's."""
        return 1 << self.masquerade_bit

    @property
    def ip(self) -> str:
        """The family as nft calls it, of tables and of headers."""
        return "ip6" if self.family == "IPv6" else "ip"

    @property
    def address_type(self) -> str:
        """An address of the family in nft's sets."""
        return "ipv6_addr" if self.family == "IPv6" else "ipv4_addr"

    @property
    def icmp(self) -> str:
        return "icmpv6" if self.family == "IPv6" else "icmp"

    @property
    def loopback(self) -> str:
        return "::1" if self.family == "IPv6" else "127.0.0.0/8"

    @property
    def node_port_match(self) -> str:
        """The packets to node ports, for nft."""
        ranges = f" {self.ip} daddr {{ {', '.join(self.node_port_addresses)} }}" if self.node_port_addresses else ""
        return f"fib daddr type local {self.ip} daddr != {self.loopback}{ranges}"


class ModeError(Exception):
    """The kernel or a program refused a change. Nothing of it is believed to be there."""


@dataclass(frozen=True, slots=True)
class RuleCounts:
    """By table of iptables: how many rules there are, and how many the last change wrote."""

    total: Mapping[str, int]
    last: Mapping[str, int]


@runtime_checkable
class Audited(Protocol):
    """A mode that looks whether what it has made is still there: not all that others do is told."""

    def generation(self) -> object:
        """Another one after every change of the kernel's rules, whoever makes it; None: that cannot be told."""

    def audit(self, keys: Sequence[str], *, fixed: bool) -> bool:
        """Whether these Services' rules are in the kernel, and, with `fixed`, what all Services need. Some ms at most:
        what it costs must not depend on how many other Services there are."""


@runtime_checkable
class CountsRules(Protocol):
    """A mode whose rules are iptables'."""

    def rule_counts(self) -> RuleCounts: ...

    def packets(self) -> Mapping[str, int]:
        """How many met rules that count: what has happened to them → their number."""


class Connections(NamedTuple):
    """How often a Service's port was dialled, and how often it refused for want of an endpoint."""

    port: ServicePortName
    dialled: int
    refused: int


@runtime_checkable
class CountsConnections(Protocol):
    """A mode that counts connections by Service."""

    def connections(self) -> Iterable[Connections]: ...


@runtime_checkable
class Tended(Protocol):
    """A mode of which something is to be done when time has passed."""

    def tend(self) -> float | None:
        """Does it. Seconds until the next time; None: there is no next. Raises ModeError."""

    def hand_over(self) -> None:
        """Another mode's rules are all there: connections go on as they are, new ones are the other's. What is left
        then, `tend` takes away when nobody uses it any more."""


class Mode(Protocol):
    """One node's rules in one family of addresses, `node.family`. Services are keyed "namespace/name"."""

    def apply(self, changes: dict[str, tuple[ServicePort, ...]]) -> None:
        """`changes`: all ports of each Service that may have changed; none: it is gone. Raises ModeError."""

    def restart(self) -> None:
        """What is in the kernel is not what we believed: the next apply starts over, with everything."""

    @property
    def known(self) -> Iterable[str]: ...

    def owns(self, table: str, name: str) -> bool:
        """Whether a chain or set of nf_tables is of this mode: who deletes it breaks Services."""

    def clean_up(self) -> None:
        """Takes away all that the mode may have left, also from an earlier process."""
