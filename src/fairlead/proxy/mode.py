"""What every mode of the proxy is: told which Services changed, it makes the kernel do so."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from fairlead.services.model import ServicePort


@dataclass(frozen=True, slots=True)
class Node:
    """Where the rules are: its name, the cluster's ranges of addresses, and its own address. `node_port_addresses`: the
    ranges of those addresses of the node that answer at node ports; none: all."""

    name: str
    pod_cidr: str
    service_cidr: str = "10.96.0.0/12"
    address: str = ""
    node_port_addresses: tuple[str, ...] = ()

    @property
    def node_port_match(self) -> str:
        """The packets to node ports, for nft."""
        ranges = f" ip daddr {{ {', '.join(self.node_port_addresses)} }}" if self.node_port_addresses else ""
        return f"fib daddr type local ip daddr != 127.0.0.0/8{ranges}"


class ModeError(Exception):
    """The kernel or a program refused a change. Nothing of it is believed to be there."""


class Mode(Protocol):
    """One node's rules. Services are keyed "namespace/name"."""

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
