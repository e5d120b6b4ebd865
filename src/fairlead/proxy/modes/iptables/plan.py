"""A Service as kube-proxy's chains: KUBE-SVC- balances, KUBE-SVL- over local endpoints, KUBE-EXT- for what comes from
outside, KUBE-FW- lets some through, KUBE-SEP- is one endpoint. Pure. Source: pkg/proxy/iptables/proxier.go."""

import base64
import hashlib
import ipaddress
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field

from fairlead.proxy.mode import Node
from fairlead.proxy.modes.iptables.skeleton import (
    EXTERNAL,
    GUARD,
    LOCALHOST,
    MARK,
    NODE_PORTS,
    SERVICES,
    answers_on_loopback,
    counted,
    refusal,
)
from fairlead.services.model import Endpoint, ServicePort, usable

SharedRule = tuple[str, str, str]  # table, chain, rule


@dataclass(slots=True)
class Wanted:
    """What one Service needs: chains of its own in `nat`, each behind those that it leads to, and rules in chains that
    all share."""

    chains: dict[str, tuple[str, ...]] = field(default_factory=dict)
    shared: dict[SharedRule, None] = field(default_factory=dict)  # in order
    endpoints: int = 0


def plan(ports: Iterable[ServicePort], node: Node, *, large: bool = False, counters: Container[str] = ()) -> Wanted:
    """All ports of one Service. In a large cluster, rules of endpoints go without comments, as kube-proxy's do.
    `counters`: those of packets that the kernel has."""
    wanted = Wanted()
    for port in ports:
        _Planner(port, node, wanted, large, counters).plan()
        wanted.endpoints += len(port.endpoints)
    return wanted


class _Planner:
    def __init__(self, port: ServicePort, node: Node, wanted: Wanted, large: bool, counters: Container[str]) -> None:
        self._port = port
        self._node = node
        self._wanted = wanted
        self._large = large
        self._counters = counters
        self._name = str(port.id)
        self._protocol = port.id.protocol.lower()
        self._match = f"-m {self._protocol} -p {self._protocol}"
        self._hash = _hashed(self._name, self._protocol)
        self._anywhere = port.everywhere
        self._has_endpoints = bool(usable(port.endpoints))

    def plan(self) -> None:
        port = self._port
        inside = port.endpoints_for(self._node.name, from_outside=False)
        address = f"{self._match} -d {port.cluster_ip} --dport {port.port}"
        if inside:
            chain = self._balance("KUBE-SVL-" if port.internal_policy == "Local" else "KUBE-SVC-", inside)
            self._share("nat", SERVICES, f"{self._comment('cluster IP')} {address} -j {chain}")
        else:
            self._refuse(SERVICES, address)
        if port.external or port.node_port is not None:
            self._from_outside()
        if port.health_check_port is not None:
            said = self._comment("health check node port")
            self._share("filter", NODE_PORTS, f"{said} -m tcp -p tcp --dport {port.health_check_port} -j ACCEPT")

    def _from_outside(self) -> None:
        port = self._port
        here = port.endpoints_for(self._node.name, from_outside=True)
        for each in port.external:
            address = f"{self._match} -d {each} --dport {port.port}"
            guarded = each in port.guarded
            if self._has_endpoints:
                what = "loadbalancer IP" if each in port.balancers else "external IP"
                chain = self._guard(here) if guarded else self._external_chain(here)
                self._share("nat", SERVICES, f"{self._comment(what)} {address} -j {chain}")
            elif guarded:  # who may come is refused, below; everybody else hears nothing
                for allowed in port.source_ranges:
                    self._share("filter", GUARD, f"{address} -s {allowed} -j RETURN")
            if guarded:
                refusal = self._comment(f"traffic not accepted by KUBE-FW-{self._hash}")
                self._share("filter", GUARD, f"{refusal} {address} -j DROP")
            if not here:
                self._refuse(EXTERNAL, address)
        if port.node_port is not None:
            number = f"{self._match} --dport {port.node_port}"
            if self._has_endpoints:
                if answers_on_loopback(self._node) and (count := counted(LOCALHOST, self._counters)):
                    local = f"{self._match} -d 127.0.0.0/8 --dport {port.node_port} {count}"
                    self._share("nat", NODE_PORTS, f"{self._comment()} {local}-j {self._external_chain(here)}")
                self._share("nat", NODE_PORTS, f"{self._comment()} {number} -j {self._external_chain(here)}")
            if not here:
                for place in [f"-d {each} " for each in self._node.node_port_addresses] or [""]:
                    self._refuse(EXTERNAL, f"{place}-m addrtype --dst-type LOCAL {number}")

    def _external_chain(self, here: Sequence[Endpoint]) -> str:
        """KUBE-EXT-…: by the policy Cluster to every endpoint and masqueraded; by Local to those here, with the
        client's address; pods and the node itself get all of them."""
        name = f"KUBE-EXT-{self._hash}"
        if name in self._wanted.chains:
            return name
        everything = self._balance("KUBE-SVC-", self._anywhere)
        if self._port.external_policy == "Cluster":
            rules = [
                f'-m comment --comment "masquerade traffic for {self._name} external destinations" -j {MARK}',
                f"-j {everything}",
            ]
        else:
            own = "-m addrtype --src-type LOCAL"
            rules = [
                (
                    f'-m comment --comment "pod traffic for {self._name} external destinations" '
                    f"-s {self._node.pod_cidr} -j {everything}"
                ),
                (
                    f'-m comment --comment "masquerade LOCAL traffic for {self._name} external destinations" '
                    f"{own} -j {MARK}"
                ),
                (
                    f'-m comment --comment "route LOCAL traffic for {self._name} external destinations" '
                    f"{own} -j {everything}"
                ),
            ]
            if here:
                rules.append(f"-j {self._balance('KUBE-SVL-', here)}")
        self._wanted.chains[name] = tuple(rules)
        return name

    def _guard(self, here: Sequence[Endpoint]) -> str:
        """loadBalancerSourceRanges: who is in none of them is not led anywhere, and dropped."""
        port = self._port
        name = f"KUBE-FW-{self._hash}"
        sources = list(port.source_ranges)
        if self._node.address and any(_is_within(self._node.address, each) for each in sources):
            sources += port.balancers  # which the node itself dials from, where its interface has them
        chain = self._external_chain(here)
        self._wanted.chains[name] = (
            *(f"{self._comment('loadbalancer IP')} -s {each} -j {chain}" for each in sources),
            f'-m comment --comment "other traffic to {self._name} will be dropped by {GUARD}"',
        )
        return name

    def _balance(self, prefix: str, endpoints: Sequence[Endpoint]) -> str:
        """The chain that takes one of the endpoints: each with its share of what the ones before have left."""
        name = prefix + self._hash
        if name in self._wanted.chains:
            return name
        port = self._port
        rules = []
        if (port.internal_policy == "Local") == (prefix == "KUBE-SVL-"):
            source = "" if self._node.masquerade_all else f" ! -s {self._node.pod_cidr}"
            address = f"{self._match} -d {port.cluster_ip} --dport {port.port}"
            rules.append(f"{self._comment('cluster IP')} {address}{source} -j {MARK}")
        chains = [self._endpoint(each) for each in endpoints]
        if port.affinity is not None:
            for each, chain in zip(endpoints, chains, strict=True):
                known = f"-m recent --name {chain} --rcheck --seconds {port.affinity} --reap"
                rules.append(f"{self._to(each)}{known} -j {chain}")
        for index, (each, chain) in enumerate(zip(endpoints, chains, strict=True)):
            left = len(endpoints) - index
            share = f"-m statistic --mode random --probability {1 / left:.10f} " if left > 1 else ""
            rules.append(f"{self._to(each)}{share}-j {chain}")
        self._wanted.chains[name] = tuple(rules)
        return name

    def _endpoint(self, endpoint: Endpoint) -> str:
        target = _target(endpoint)
        name = f"KUBE-SEP-{_hashed(self._name, self._protocol, target)}"
        comment = "" if self._large else f"{self._comment()} "
        remember = f"-m recent --name {name} --set " if self._port.affinity is not None else ""
        self._wanted.chains[name] = (
            f"{comment}-s {endpoint.address} -j {MARK}",
            f"{comment}{remember}{self._match} -j DNAT --to-destination {target}",
        )
        return name

    def _refuse(self, chain: str, address: str) -> None:
        """Where only other nodes have endpoints it is silence, so that a load balancer tries one of them."""
        if self._has_endpoints:
            what, verdict = "has no local endpoints", "DROP"
        else:
            what, verdict = "has no endpoints", refusal(self._node, self._port.id.protocol)
        self._share("filter", chain, f"{self._comment(what)} {address} -j {verdict}")

    def _share(self, table: str, chain: str, rule: str) -> None:
        self._wanted.shared[table, chain, rule] = None

    def _comment(self, what: str = "") -> str:
        return f'-m comment --comment "{self._name}{" " if what else ""}{what}"'

    def _to(self, endpoint: Endpoint) -> str:
        return "" if self._large else f'-m comment --comment "{self._name} -> {_target(endpoint)}" '


def _target(endpoint: Endpoint) -> str:
    address = f"[{endpoint.address}]" if ":" in endpoint.address else endpoint.address
    return f"{address}:{endpoint.port}"


def _is_within(address: str, cidr: str) -> bool:
    return ipaddress.ip_address(address) in ipaddress.ip_network(cidr, strict=False)


def _hashed(*parts: str) -> str:
    """Sixteen letters and digits, as kube-proxy makes them."""
    return base64.b32encode(hashlib.sha256("".join(parts).encode()).digest()).decode()[:16]
