"""Where a cluster lives on this machine, and its address plan. Pure."""

import ipaddress
import itertools
import re
from dataclasses import dataclass
from pathlib import Path

# By family; IPv6's are kind's.
POD_CIDRS = {"IPv4": "10.244.0.0/16", "IPv6": "fd00:10:244::/56"}
SERVICE_CIDRS = {"IPv4": "10.96.0.0/12", "IPv6": "fd00:10:96::/112"}
NODE_PREFIXES = {"IPv4": 24, "IPv6": 64}  # of a node's part of the pods' range
WILDCARDS = {"IPv4": "0.0.0.0", "IPv6": "::"}
# What `--ip-family` takes, in kind's words: the families, the first of which is what a Service has by default.
IP_FAMILIES = {"dual": ("IPv4", "IPv6"), "ipv4": ("IPv4",), "ipv6": ("IPv6",)}
DOMAIN = "cluster.local"
SERVICE_NUMBER, DNS_NUMBER = 1, 10  # where in the Services' range the API and the DNS are
API_PORT = 6443
DEVICE = 2  # the last byte of the load balancer's own address
FIRST_NODE = 100  # the last byte of the first node's address
FIRST_LOAD_BALANCER, LAST_LOAD_BALANCER = 200, 250  # after the last of a hundred nodes
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
    """One address and one range for each family of the cluster."""

    name: str
    addresses: tuple[str, ...]
    pod_cidrs: tuple[str, ...]
    control_plane: bool

    @property
    def address(self) -> str:
        return self.addresses[0]


@dataclass(frozen=True, slots=True)
class AddressPlan:
    """The network between host and nodes, `192.168.109.0/24` and `fd00:192:168:109::/64`: the host is .1 and ::1, the
    load balancer .2, nodes begin at .100 and ::100, the load balancer's addresses for Services at .200. The first names
    it, also where no node has an address of it."""

    network: str
    ip_family: str
    nodes: tuple[NodePlan, ...]

    @property
    def families(self) -> tuple[str, ...]:
        return IP_FAMILIES[self.ip_family]

    @property
    def hosts(self) -> tuple[str, ...]:
        """The host's own addresses in that network."""
        return tuple(_in_lan(self.network, family, 1) for family in self.families)

    @property
    def host(self) -> str:
        return self.hosts[0]

    @property
    def device(self) -> tuple[str, ...]:
        """The load balancer's own addresses in that network."""
        return tuple(_in_lan(self.network, family, DEVICE) for family in self.families)

    @property
    def load_balancers(self) -> tuple[str, ...]:
        """The ranges of addresses for Services of the type LoadBalancer."""
        first, last = FIRST_LOAD_BALANCER, LAST_LOAD_BALANCER
        return tuple(
            f"{_in_lan(self.network, each, first)}-{_in_lan(self.network, each, last)}" for each in self.families
        )

    @property
    def pod_cidrs(self) -> tuple[str, ...]:
        return tuple(POD_CIDRS[family] for family in self.families)

    @property
    def service_cidrs(self) -> tuple[str, ...]:
        return tuple(SERVICE_CIDRS[family] for family in self.families)

    @property
    def service_address(self) -> str:
        """Of the Service `kubernetes`."""
        return str(ipaddress.ip_network(self.service_cidrs[0])[SERVICE_NUMBER])

    @property
    def dns_address(self) -> str:
        return str(ipaddress.ip_network(self.service_cidrs[0])[DNS_NUMBER])

    @property
    def control_plane(self) -> NodePlan:
        return self.nodes[0]

    def node(self, name: str) -> NodePlan | None:
        return next((node for node in self.nodes if node.name == name), None)


def address_plan(network: str, count: int, ip_family: str) -> AddressPlan:
    """`master`, `node1`, `node2`, …"""
    families = IP_FAMILIES[ip_family]
    subnets = [
        list(itertools.islice(ipaddress.ip_network(POD_CIDRS[family]).subnets(new_prefix=NODE_PREFIXES[family]), count))
        for family in families
    ]
    names = [CONTROL_PLANE, *(f"node{number}" for number in range(1, count))]
    return AddressPlan(
        network,
        ip_family,
        tuple(
            NodePlan(
                name,
                tuple(_in_lan(network, family, FIRST_NODE + index) for family in families),
                tuple(str(each[index]) for each in subnets),
                index == 0,
            )
            for index, name in enumerate(names)
        ),
    )


def lan_prefix(address: str) -> str:
    """The address with the length of its network's prefix, as interfaces have it."""
    return f"{address}/64" if ":" in address else f"{address}/24"


def lan6(network: str) -> str:
    """The IPv6 network beside an IPv4 one, unique to this machine only (RFC 4193): its digits read as the other's."""
    first, second, third, _ = network.split(".")
    return f"fd00:{first}:{second}:{third}::/64"


def _in_lan(network: str, family: str, number: int) -> str:
    """`number` 100 is 192.168.109.100 and fd00:192:168:109::100, so that they are known by each other."""
    if family == "IPv6":
        return f"{lan6(network).removesuffix('/64')}{number}"
    return str(ipaddress.IPv4Network(network)[number])


def free_network(taken: list[str]) -> str:
    """The tutorial's 192.168.109.0/24, or the next that no route of this machine leads to, of either family."""
    others = [ipaddress.ip_network(route) for route in taken]
    for octet in (*range(109, 256), *range(109)):
        candidate = f"192.168.{octet}.0/24"
        both = (ipaddress.ip_network(candidate), ipaddress.ip_network(lan6(candidate)))
        if not any(
            own.version == other.version and own.overlaps(other) for own in both for other in others if other.prefixlen
        ):
            return candidate
    raise ValueError("no network 192.168.N.0/24 is free on this machine")
