"""The fixed chains and the hooks that lead to them, by kube-proxy's names (pkg/proxy/iptables/proxier.go). Pure."""

from collections.abc import Container, Iterable

from fairlead.proxy.mode import Node

SERVICES, NODE_PORTS, POSTROUTING, MARK = "KUBE-SERVICES", "KUBE-NODEPORTS", "KUBE-POSTROUTING", "KUBE-MARK-MASQ"
EXTERNAL, FORWARD, GUARD = "KUBE-EXTERNAL-SERVICES", "KUBE-FORWARD", "KUBE-PROXY-FIREWALL"
LOCALNET = "KUBE-FIREWALL"  # kubelet's, where there is one; both make the same rule in it
CANARY = "KUBE-PROXY-CANARY"  # kube-proxy looks whether it is still there, and so do scripts
KUBELET = "KUBE-KUBELET-CANARY"
NO_SERVICE = "KUBE-NO-SERVICE"  # addresses of the Service range that no Service has: of our own
# counters of packets, by kube-proxy's names
INVALID, LOCALHOST = "ct_state_invalid_dropped_pkts", "localhost_nps_accepted_pkts"
OWN_PREFIXES = ("KUBE-SVC-", "KUBE-SVL-", "KUBE-EXT-", "KUBE-SEP-", "KUBE-FW-")

# table → chains that are always there; rules of Services come and go in the shared ones
FIXED = {
    "nat": (SERVICES, NODE_PORTS, POSTROUTING, MARK, CANARY),
    "filter": (SERVICES, NODE_PORTS, EXTERNAL, FORWARD, GUARD, LOCALNET, NO_SERVICE, CANARY),
    "mangle": (CANARY,),
}
IPVS = "KUBE-LOAD-BALANCER"  # of the ipvs mode alone
WITH_IPVS = {SERVICES, POSTROUTING, MARK, FORWARD, GUARD}
SHARED = {"nat": (SERVICES, NODE_PORTS), "filter": (SERVICES, NODE_PORTS, EXTERNAL, GUARD), "mangle": ()}
ONLY_LOCAL = (  # with route_localnet, others could dial what listens on 127.0.0.1 (CVE-2020-8558)
    '-m comment --comment "block incoming localnet connections" -d 127.0.0.0/8 ! -s 127.0.0.0/8 '
    "-m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP"
)
_NEW = "-m conntrack --ctstate NEW "
# table → (hook, condition, comment, chain), each to stand before those above it in its hook
_HOOKS = {
    "nat": (
        ("OUTPUT", "", "kubernetes service portals", SERVICES),
        ("PREROUTING", "", "kubernetes service portals", SERVICES),
        ("POSTROUTING", "", "kubernetes postrouting rules", POSTROUTING),
    ),
    "filter": (
        ("FORWARD", _NEW, "kubernetes addresses without a service", NO_SERVICE),
        ("OUTPUT", _NEW, "kubernetes addresses without a service", NO_SERVICE),
        ("OUTPUT", _NEW, "kubernetes externally-visible service portals", EXTERNAL),
        ("INPUT", _NEW, "kubernetes externally-visible service portals", EXTERNAL),
        ("FORWARD", _NEW, "kubernetes externally-visible service portals", EXTERNAL),
        ("INPUT", "", "kubernetes health check service ports", NODE_PORTS),
        ("FORWARD", _NEW, "kubernetes service portals", SERVICES),
        ("OUTPUT", _NEW, "kubernetes service portals", SERVICES),
        ("FORWARD", "", "kubernetes forwarding rules", FORWARD),
        ("INPUT", _NEW, "kubernetes load balancer firewall", GUARD),
        ("OUTPUT", _NEW, "kubernetes load balancer firewall", GUARD),
        ("FORWARD", _NEW, "kubernetes load balancer firewall", GUARD),
        ("INPUT", "", "", LOCALNET),
        ("OUTPUT", "", "", LOCALNET),
    ),
    "mangle": (),
}


def hooks(table: str) -> Iterable[tuple[str, str, str]]:
    """(hook, chain that it leads to, rule), each to stand before those ahead of it."""
    for hook, condition, comment, chain in _HOOKS[table]:
        said = f'-m comment --comment "{comment}" ' if comment else ""
        yield hook, chain, f"{condition}{said}-j {chain}"


def hooked(table: str) -> frozenset[str]:
    """The kernel's own chains that lead to ours."""
    return frozenset(hook for hook, *_ in _HOOKS[table])


def answers_on_loopback(node: Node) -> bool:
    """At node ports; with IPv6, what comes from ::1 cannot leave the node."""
    return node.localhost_node_ports and node.family == "IPv4"


def counted(name: str, counters: Container[str]) -> str:
    """That a rule adds to a counter, where the kernel has those."""
    return f"-m nfacct --nfacct-name {name} " if name in counters else ""


def fixed_rules(node: Node, counters: Container[str] = ()) -> dict[str, dict[str, list[str]]]:
    """table → chain → rules. Services' own come before those of KUBE-SERVICES."""
    mark = hex(node.masquerade_mark)
    return {
        "nat": {
            SERVICES: [
                f'-m comment --comment "kubernetes service nodeports; NOTE: this must be the last rule in this chain" '
                f"{place} -j {NODE_PORTS}"
                for place in _node_port_places(node)
            ],
            POSTROUTING: [
                f"-m mark ! --mark {mark}/{mark} -j RETURN",
                f"-j MARK --xor-mark {mark}",
                '-m comment --comment "kubernetes service traffic requiring SNAT" -j MASQUERADE --random-fully',
            ],
            MARK: [f"-j MARK --or-mark {mark}"],
        },
        "filter": {
            FORWARD: [
                *(
                    []
                    if node.tcp_be_liberal
                    else [f"-m conntrack --ctstate INVALID {counted(INVALID, counters)}-j DROP"]
                ),
                f'-m comment --comment "kubernetes forwarding rules" -m mark --mark {mark}/{mark} -j ACCEPT',
                (
                    '-m comment --comment "kubernetes forwarding conntrack rule" '
                    "-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"
                ),
            ],
            LOCALNET: [ONLY_LOCAL] if answers_on_loopback(node) else [],
            NO_SERVICE: [
                f"-d {node.service_cidr} -m conntrack ! --ctstate DNAT {match}-j {refusal(node, protocol)}"
                for protocol, match in (("TCP", "-m tcp -p tcp "), ("", ""))[0 if node.family == "IPv6" else 1 :]
            ],
        },
        "mangle": {},
    }


def refusal(node: Node, protocol: str) -> str:
    """As kube-proxy refuses, but for TCP by IPv6: there Linux takes the ICMP message for a passing fault, and tells the
    client only when it has tried again, a second later."""
    return "REJECT --reject-with tcp-reset" if (node.family, protocol) == ("IPv6", "TCP") else "REJECT"


def _node_port_places(node: Node) -> list[str]:
    """The addresses where node ports answer. On ::1 they never do: what comes from there cannot leave."""
    if node.node_port_addresses:
        return [f"-d {each} -m addrtype --dst-type LOCAL" for each in node.node_port_addresses]
    if node.family == "IPv6":
        return ["-m addrtype --dst-type LOCAL ! -d ::1/128"]
    return [f"-m addrtype --dst-type LOCAL{'' if answers_on_loopback(node) else ' ! -d 127.0.0.0/8'}"]
