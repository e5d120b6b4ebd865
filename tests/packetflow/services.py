"""The table: Services, each in one line of what is special about it."""

from dataclasses import replace
from itertools import product
from typing import Any

from fairlead.services.model import Endpoint, Family, ServicePort, ServicePortName
from tests.packetflow.lab import EXTERNAL, KINDS, PODS, in_family

CLUSTER_IP, PORT, NODE_PORT = "10.97.97.97", 8000, 30080


def endpoint(pod: str, port: int = 80, *, ready: bool = True, serving: bool = True, ending: bool = False) -> Endpoint:
    address, node = PODS[pod]
    return Endpoint(address, port, ready, serving, ending, node)


def service(protocol: str = "TCP", name: str = "web", **fields: Any) -> ServicePort:
    """With a node port and an external address, so that every way in is there."""
    given = {"cluster_ip": CLUSTER_IP, "port": PORT, "node_port": NODE_PORT, "external": (EXTERNAL,), **fields}
    return ServicePort(ServicePortName("dev", name, "", protocol), **given)


A, B, C, D = (endpoint(pod) for pod in "abcd")
ENDING = endpoint("a", ready=False, serving=True, ending=True)
UNREADY = endpoint("b", ready=False, serving=False)
REMOTE_ENDING = endpoint("c", ready=False, serving=True, ending=True)

GUARDED = {"balancers": (EXTERNAL,), "source_ranges": ("192.168.109.0/28", PODS["a"][0] + "/32")}

# name → what the ServicePort has beside its addresses
SERVICES: dict[str, dict[str, Any]] = {
    "no endpoints": {},
    "one local endpoint": {"endpoints": (A,)},
    "one remote endpoint": {"endpoints": (C,)},
    "endpoints on both nodes": {"endpoints": (A, B, C, D)},
    "a pod with two ports": {"endpoints": (A, endpoint("a", 8080))},
    "only unready endpoints": {"endpoints": (UNREADY,)},
    "ready and unready endpoints": {"endpoints": (A, UNREADY, C)},
    "only ending endpoints": {"endpoints": (ENDING, REMOTE_ENDING)},
    "ending beside ready": {"endpoints": (ENDING, B)},
    "internal Local": {"endpoints": (A, C), "internal_policy": "Local"},
    "internal Local, none here": {"endpoints": (C, D), "internal_policy": "Local"},
    "internal Local, none at all": {"internal_policy": "Local"},
    "external Local": {"endpoints": (A, B, C), "external_policy": "Local"},
    "external Local, none here": {"endpoints": (C, D), "external_policy": "Local"},
    "external Local, none at all": {"external_policy": "Local"},
    "external Local, here only ending": {"endpoints": (ENDING, C), "external_policy": "Local"},
    "both Local": {"endpoints": (B, D), "internal_policy": "Local", "external_policy": "Local"},
    "sticky": {"endpoints": (A, B, C), "affinity": 10800},
    "sticky, external Local": {"endpoints": (A, B, C), "affinity": 10800, "external_policy": "Local"},
    "cluster address only": {"endpoints": (A, C), "node_port": None, "external": ()},
    "open to one pod and outside": {"endpoints": (A, C), **GUARDED},
    "open to some, external Local": {"endpoints": (A, C), "external_policy": "Local", **GUARDED},
    "open to some, none here": {"endpoints": (C,), "external_policy": "Local", **GUARDED},
    "open to some, sticky": {"endpoints": (A, C), "affinity": 10800, **GUARDED},
    "open to some, no endpoints": {**GUARDED},
    "some are near": {"endpoints": (A, B, C), "near": frozenset({B[:2], C[:2]})},
    "some are near, external Local": {"endpoints": (A, C), "near": frozenset({C[:2]}), "external_policy": "Local"},
    "the near ones are not ready": {"endpoints": (A, UNREADY), "near": frozenset({UNREADY[:2]})},
    "asked for its health": {"endpoints": (A, C), "external_policy": "Local", "health_check_port": 32100},
    "another target port": {"endpoints": (endpoint("b", 8080), endpoint("d", 8080))},
}
# What a family changes is only how an address is written: IPv6 by TCP has every Service, and UDP the first few.
CASES = [
    *((name, protocol, "IPv4") for name, protocol in product(SERVICES, ("TCP", "UDP"))),
    *((name, "TCP", "IPv6") for name in SERVICES),
    *((name, "UDP", "IPv6") for name in list(SERVICES)[:4]),
]
# Refusals are not told to who dials by SCTP, so only those that have an answer.
WITH_SCTP = ("endpoints on both nodes", "external Local", "both Local", "sticky", "another target port")
CASES += [(name, "SCTP", family) for name in WITH_SCTP for family in ("IPv4", "IPv6") if "SCTP" in KINDS]


def case(name: str, protocol: str, family: Family) -> ServicePort:
    return translated(service(protocol, **SERVICES[name]), family)


def translated(port: ServicePort, family: Family) -> ServicePort:
    """The same Service in a family."""

    def each(texts: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(in_family(text, family) for text in texts)

    return replace(
        port,
        cluster_ip=in_family(port.cluster_ip, family),
        external=each(port.external),
        balancers=each(port.balancers),
        source_ranges=each(port.source_ranges),
        endpoints=tuple(e._replace(address=in_family(e.address, family)) for e in port.endpoints),
        near=frozenset((in_family(address, family), number) for address, number in port.near),
    )
