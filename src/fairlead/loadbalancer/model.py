"""A Service of the type LoadBalancer, as its load balancer sees it. Pure."""

from dataclasses import dataclass
from typing import NamedTuple


class Frontend(NamedTuple):
    address: str
    protocol: str  # TCP, UDP, SCTP
    port: int


@dataclass(frozen=True, slots=True)
class Balanced:
    """`sticky`: a client stays with its node. `local`: only nodes with endpoints serve it, which `check_port` of each
    node tells. `sources`: the ranges of clients that may come; none: all."""

    frontends: tuple[Frontend, ...] = ()
    sticky: bool = False
    local: bool = False
    check_port: int = 0
    sources: tuple[str, ...] = ()
