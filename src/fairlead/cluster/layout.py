"""Where a cluster lives on this machine, and its address plan. Pure."""

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path

POD_CIDR, SERVICE_CIDR = "10.244.0.0/16", "10.96.0.0/12"
SERVICE_ADDRESS, DNS_ADDRESS, DOMAIN = "10.96.0.1", "10.96.0.10", "cluster.local"
API_PORT = 6443
FIRST_NODE = 100  # the last byte of the first node's address
CONTROL_PLANE = "master"
IMAGES = Path("/var/lib/fairlead/images")


NAME_RULE = "1 to 12 lower case letters, digits and hyphens, with a letter first"  # links are called `fl-NAME`
RESERVED = ("images",)  # a neighbour of the clusters' states


def is_name(name: str) -> bool:
    return re.fullmatch(r"[a-z][a-z0-9-]{0,11}", name) is not None and name not in RESERVED


@dataclass(frozen=True, slots=True)
class Layout:
    """`run` is forgotten by a reboot; `state` is kept until the cluster is deleted."""

    name: str

    @property
    def run(self) -> Path:
        return Path("/run/fairlead") / self.name

    @property
    def state(self) -> Path:
        return Path("/var/lib/fairlead") / self.name

    @property
    def pki(self) -> Path:
        return self.state / "pki"

    @property
    def zygote(self) -> Path:
        return self.run / "zygote.sock"

    @property
    def exits(self) -> Path:
        return self.run / "exits"

    @property
    def plan(self) -> Path:
        return self.run / "cluster.json"

    @property
    def kubeconfig(self) -> Path:
        return self.state / "kubeconfig"

    @property
    def cgroups(self) -> Path:
        """Where the cluster's processes see cgroup2."""
        return self.run / "cgroups"

    @property
    def cgroup_name(self) -> Path:
        """Says which folder there is the cluster's."""
        return self.run / "cgroup"

    def namespace(self, name: str) -> Path:
        """A node's network namespace, or that of the `lan` between them."""
        return self.run / "netns" / name / "net"

    def node_run(self, node: str) -> Path:
        return self.run / "nodes" / node

    def node_state(self, node: str) -> Path:
        return self.state / "nodes" / node


@dataclass(frozen=True, slots=True)
class NodePlan:
    name: str
    address: str
    pod_cidr: str
    control_plane: bool


@dataclass(frozen=True, slots=True)
class AddressPlan:
    """The network between host and nodes, `192.168.109.0/24`: the host is .1, nodes begin at .100."""

    network: str
    nodes: tuple[NodePlan, ...]

    @property
    def host(self) -> str:
        return str(ipaddress.IPv4Network(self.network)[1])

    @property
    def prefix(self) -> int:
        return ipaddress.IPv4Network(self.network).prefixlen

    @property
    def control_plane(self) -> NodePlan:
        return self.nodes[0]

    def node(self, name: str) -> NodePlan | None:
        return next((node for node in self.nodes if node.name == name), None)


def address_plan(network: str, count: int) -> AddressPlan:
    """`master`, `node1`, `node2`, …"""
    lan = ipaddress.IPv4Network(network)
    subnets = list(ipaddress.IPv4Network(POD_CIDR).subnets(new_prefix=24))
    names = [CONTROL_PLANE, *(f"node{number}" for number in range(1, count))]
    return AddressPlan(
        network,
        tuple(
            NodePlan(name, str(lan[FIRST_NODE + index]), str(subnets[index]), index == 0)
            for index, name in enumerate(names)
        ),
    )


def free_network(taken: list[str]) -> str:
    """The tutorial's 192.168.109.0/24, or the next that no route of this machine leads to."""
    others = [ipaddress.IPv4Network(route) for route in taken]
    for octet in (*range(109, 256), *range(109)):
        candidate = ipaddress.IPv4Network(f"192.168.{octet}.0/24")
        if not any(candidate.overlaps(other) for other in others if other.prefixlen):
            return str(candidate)
    raise ValueError("no network 192.168.N.0/24 is free on this machine")
