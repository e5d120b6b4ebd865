"""A Service as kube-proxy's chains: KUBE-SVC- balances, KUBE-SVL- over local endpoints, KUBE-EXT- for what comes from
outside, KUBE-SEP- one endpoint. Pure. Source: pkg/proxy/iptables/proxier.go."""

import base64
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from fairlead.proxy.mode import Node
from fairlead.proxy.modes.iptables.skeleton import EXTERNAL, MARK, NODE_PORTS, SERVICES
from fairlead.services.model import Endpoint, ServicePort

SharedRule = tuple[str, str, str]  # table, chain, rule


@dataclass(slots=True)
class Wanted:
    """What one Service needs: chains of its own in `nat`, and rules in chains that all share."""

    chains: dict[str, tuple[str, ...]] = field(default_factory=dict)
    shared: dict[SharedRule, None] = field(default_factory=dict)  # in order


def plan(ports: Iterable[ServicePort], node: Node) -> Wanted:
    """All ports of one Service."""
    wanted = Wanted()
    for port in ports:
        _Planner(port, node, wanted).plan()
    return wanted


class _Planner:
    def __init__(self, port: ServicePort, node: Node, wanted: Wanted) -> None:
        self._port = port
        self._node = node
        self._wanted = wanted
        self._protocol = port.id.protocol.lower()
        self._match = f"-m {self._protocol} -p {self._protocol}"
        self._hash = _hashed(str(port.id), self._protocol)
        self._anywhere = port.everywhere

    def plan(self) -> None:
        port = self._port
        inside = port.endpoints_for(self._node.name, from_outside=False)
        address = f"{self._match} -d {port.cluster_ip} --dport {port.port}"
        if inside:
            chain = self._balance("KUBE-SVL-" if port.internal_policy == "Local" else "KUBE-SVC-", inside)
            portal = f"{self._comment('cluster IP')} {address}"
            self._share("nat", SERVICES, f"{portal} ! -s {self._node.pod_cidr} -j {MARK}")
            self._share("nat", SERVICES, f"{portal} -j {chain}")
        else:
            self._refuse(SERVICES, address)
        if port.external or port.node_port is not None:
            self._from_outside()

    def _from_outside(self) -> None:
        port = self._port
        here = port.endpoints_for(self._node.name, from_outside=True)
        for each in port.external:
            address = f"{self._match} -d {each} --dport {port.port}"
            what = "loadbalancer IP" if each in port.balancers else "external IP"
            if self._anywhere:
                chain = self._external_chain(here)
                if each in port.guarded:
                    chain = self._guard(chain)
                self._share("nat", SERVICES, f"{self._comment(what)} {address} -j {chain}")
            if each in port.guarded:
                for allowed in () if self._anywhere else port.source_ranges:
                    self._refuse(EXTERNAL, f"{address} -s {allowed}")
                self._share("filter", EXTERNAL, f"{self._comment('traffic not accepted')} {address} -j DROP")
            elif not here:
                self._refuse(EXTERNAL, address)
        if port.node_port is not None:
            number = f"{self._match} --dport {port.node_port}"
            if self._anywhere:
                self._share("nat", NODE_PORTS, f"{self._comment()} {number} -j {self._external_chain(here)}")
            if not here:
                for place in [f"-d {each} " for each in self._node.node_port_addresses] or ["! -d 127.0.0.0/8 "]:
                    self._refuse(EXTERNAL, f"{place}-m addrtype --dst-type LOCAL {number}")

    def _external_chain(self, here: Sequence[Endpoint]) -> str:
        """KUBE-EXT-…: by the policy Cluster to every endpoint and masqueraded; by Local to those here, with the
        client's address; pods and the node itself get all of them."""
        name = f"KUBE-EXT-{self._hash}"
        everything = self._balance("KUBE-SVC-", self._anywhere)
        if self._port.external_policy == "Cluster":
            self._wanted.chains[name] = (
                f'-m comment --comment "masquerade traffic for {self._port.id} external destinations" -j {MARK}',
                f"-j {everything}",
            )
            return name
        own = "-m addrtype --src-type LOCAL"
        rules = [
            (
                f'-m comment --comment "pod traffic for {self._port.id} external destinations" '
                f"-s {self._node.pod_cidr} -j {everything}"
            ),
            (
                f'-m comment --comment "masquerade LOCAL traffic for {self._port.id} external destinations" '
                f"{own} -j {MARK}"
            ),
            (
                f'-m comment --comment "route LOCAL traffic for {self._port.id} external destinations" '
                f"{own} -j {everything}"
            ),
        ]
        if here:
            rules.append(f"-j {self._balance('KUBE-SVL-', here)}")
        self._wanted.chains[name] = tuple(rules)
        return name

    def _guard(self, chain: str) -> str:
        """loadBalancerSourceRanges: who is in none of them is not led anywhere, and dropped."""
        name = f"KUBE-FW-{self._hash}"
        self._wanted.chains[name] = tuple(
            f"{self._comment('loadbalancer IP')} -s {each} -j {chain}" for each in self._port.source_ranges
        )
        return name

    def _balance(self, prefix: str, endpoints: Sequence[Endpoint]) -> str:
        """The chain that takes one of the endpoints: each with its share of what the ones before have left."""
        name = prefix + self._hash
        if name in self._wanted.chains:
            return name
        rules = []
        chains = [self._endpoint(each) for each in endpoints]
        if self._port.affinity is not None:
            for each, chain in zip(endpoints, chains, strict=True):
                known = f"-m recent --name {chain} --rcheck --seconds {self._port.affinity} --reap"
                rules.append(f"{self._to(each)} {known} -j {chain}")
        for index, (each, chain) in enumerate(zip(endpoints, chains, strict=True)):
            left = len(endpoints) - index
            share = f" -m statistic --mode random --probability {1 / left:.10f}" if left > 1 else ""
            rules.append(f"{self._to(each)}{share} -j {chain}")
        self._wanted.chains[name] = tuple(rules)
        return name

    def _endpoint(self, endpoint: Endpoint) -> str:
        target = f"{endpoint.address}:{endpoint.port}"
        name = f"KUBE-SEP-{_hashed(str(self._port.id), self._protocol, target)}"
        remember = f" -m recent --name {name} --set" if self._port.affinity is not None else ""
        self._wanted.chains[name] = (
            f"{self._comment()} -s {endpoint.address} -j {MARK}",
            f"{self._comment()}{remember} {self._match} -j DNAT --to-destination {target}",
        )
        return name

    def _refuse(self, chain: str, address: str) -> None:
        """Where only other nodes have endpoints it is silence, so that a load balancer tries one of them."""
        what, verdict = ("has no local endpoints", "DROP") if self._anywhere else ("has no endpoints", "REJECT")
        self._share("filter", chain, f"{self._comment(what)} {address} -j {verdict}")

    def _share(self, table: str, chain: str, rule: str) -> None:
        self._wanted.shared[table, chain, rule] = None

    def _comment(self, what: str = "") -> str:
        return f'-m comment --comment "{self._port.id}{" " if what else ""}{what}"'

    def _to(self, endpoint: Endpoint) -> str:
        return f'-m comment --comment "{self._port.id} -> {endpoint.address}:{endpoint.port}"'


def _hashed(*parts: str) -> str:
    """Sixteen letters and digits, as kube-proxy makes them."""
    return base64.b32encode(hashlib.sha256("".join(parts).encode()).digest()).decode()[:16]
