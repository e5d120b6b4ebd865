"""The rules, which are the same whatever Services there are: they are about IP sets. Chains have kube-proxy's names
(pkg/proxy/ipvs/proxier.go); KUBE-IPVS-POLICY and KUBE-IPVS-NO-SERVICE are our own. Pure."""

from fairlead.host.ipset import Set
from fairlead.proxy.mode import Node

# Chains that kube-proxy's iptables mode has by the same names: whichever mode was last has its rules in them.
SHARED = {
    "nat": ("KUBE-SERVICES", "KUBE-POSTROUTING", "KUBE-MARK-MASQ"),
    "filter": ("KUBE-FORWARD", "KUBE-PROXY-FIREWALL"),
    "mangle": (),
}
CHAINS = {
    "filter": (
        "KUBE-SOURCE-RANGES-FIREWALL",
        "KUBE-IPVS-FILTER",
        "KUBE-IPVS-NO-SERVICE",
        *SHARED["filter"],
    ),
    "mangle": ("KUBE-IPVS-POLICY", "KUBE-IPVS-OUT-FILTER"),
    "nat": (*SHARED["nat"], "KUBE-NODE-PORT", "KUBE-LOAD-BALANCER"),
}
_NEW = "-m conntrack --ctstate NEW"
_RESET = "-j REJECT --reject-with tcp-reset"
# table → (hook, rule), each to stand first in its hook, the last of them foremost
HOOKS = {
    "filter": (
        ("INPUT", '-m comment --comment "kubernetes ipvs access filter" -j KUBE-IPVS-FILTER'),
        ("INPUT", '-m comment --comment "kube-proxy firewall rules" -j KUBE-PROXY-FIREWALL'),
        ("FORWARD", f'{_NEW} -m comment --comment "kubernetes addresses without a service" -j KUBE-IPVS-NO-SERVICE'),
        ("FORWARD", '-m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD'),
        ("FORWARD", '-m comment --comment "kube-proxy firewall rules" -j KUBE-PROXY-FIREWALL'),
        ("OUTPUT", f'{_NEW} -m comment --comment "kubernetes addresses without a service" -j KUBE-IPVS-NO-SERVICE'),
    ),
    "mangle": (
        ("PREROUTING", f'{_NEW} -m comment --comment "kubernetes traffic policies" -j KUBE-IPVS-POLICY'),
        ("OUTPUT", f'{_NEW} -m comment --comment "kubernetes traffic policies" -j KUBE-IPVS-POLICY'),
        ("OUTPUT", f'{_NEW} -m comment --comment "kubernetes ipvs access filter" -j KUBE-IPVS-OUT-FILTER'),
    ),
    "nat": (
        ("PREROUTING", '-m comment --comment "kubernetes service portals" -j KUBE-SERVICES'),
        ("OUTPUT", '-m comment --comment "kubernetes service portals" -j KUBE-SERVICES'),
        ("POSTROUTING", '-m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING'),
    ),
}
TABLES = tuple(CHAINS)


def rules(table: str, node: Node, sets: dict[str, Set]) -> list[str]:
    """The lines behind the chains' declarations."""
    return _RULES[table](node, _Matches(sets))


class _Matches:
    """`is_in("CLUSTER-IP", "dst,dst")`."""

    def __init__(self, sets: dict[str, Set]) -> None:
        self._sets = sets

    def __call__(self, name: str, fields: str) -> str:
        return f"-m set --match-set {self._sets[name].name} {fields}"

    def name(self, name: str) -> str:
        return self._sets[name].name


def _filter(node: Node, is_in: _Matches) -> list[str]:
    mark = f"{node.masquerade_mark:#x}"
    returned = ("LOAD-BALANCER", "CLUSTER-IP", "EXTERNAL-IP", "EXTERNAL-IP-LOCAL")
    return [
        f"-A KUBE-PROXY-FIREWALL {is_in('LOAD-BALANCER-FW', 'dst,dst')} -j KUBE-SOURCE-RANGES-FIREWALL",
        f"-A KUBE-SOURCE-RANGES-FIREWALL {is_in('LOAD-BALANCER-SOURCE-CIDR', 'dst,dst,src')} -j RETURN",
        f"-A KUBE-SOURCE-RANGES-FIREWALL {is_in('LOAD-BALANCER-SOURCE-IP', 'dst,dst,src')} -j RETURN",
        f"-A KUBE-SOURCE-RANGES-FIREWALL {_NEW} -j DROP",
        # IPVS refuses where there is no destination, but not by a reset, which TCP believes at once while it dials.
        f"-A KUBE-IPVS-FILTER -p tcp {_NEW} {is_in('NO-ENDPOINTS', 'dst,dst')} {_RESET}",
        # What the node itself listens on is not to be had at a Service's address (kubernetes/kubernetes#72236).
        *(f"-A KUBE-IPVS-FILTER {is_in(name, 'dst,dst')} -j RETURN" for name in returned),
        f"-A KUBE-IPVS-FILTER -p tcp {_NEW} {is_in('IPVS-IPS', 'dst')} {_RESET}",
        f"-A KUBE-IPVS-FILTER {_NEW} {is_in('IPVS-IPS', 'dst')} -j REJECT",
        f"-A KUBE-IPVS-NO-SERVICE -p tcp -d {node.service_cidr} {_RESET}",
        f"-A KUBE-IPVS-NO-SERVICE -d {node.service_cidr} -j REJECT",
        f'-A KUBE-FORWARD -m comment --comment "kubernetes forwarding rules" -m mark --mark {mark}/{mark} -j ACCEPT',
        (
            '-A KUBE-FORWARD -m comment --comment "kubernetes forwarding conntrack rule" '
            "-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"
        ),
    ]


def _mangle(node: Node, is_in: _Matches) -> list[str]:
    """Before IPVS, and where a packet may be dropped."""
    own, short_cut = "-m addrtype --src-type LOCAL", f"-j SET --map-set {is_in.name('SHORT-CUT')} dst,dst --map-mark"
    return [
        f"-A KUBE-IPVS-POLICY {is_in('NOT-HERE', 'dst,dst')} -j DROP",
        f"-A KUBE-IPVS-POLICY -s {node.pod_cidr} {short_cut}",
        f"-A KUBE-IPVS-POLICY -s {node.pod_cidr} -j RETURN",
        f"-A KUBE-IPVS-POLICY {own} {short_cut}",
        f"-A KUBE-IPVS-POLICY {own} -j RETURN",
        f"-A KUBE-IPVS-POLICY {is_in('LOCAL-ONLY', 'dst,dst')} -j DROP",
        f"-A KUBE-IPVS-OUT-FILTER {is_in('LOAD-BALANCER-SOURCE-CIDR', 'dst,dst,src')} -j RETURN",
        f"-A KUBE-IPVS-OUT-FILTER {is_in('LOAD-BALANCER-SOURCE-IP', 'dst,dst,src')} -j RETURN",
        f"-A KUBE-IPVS-OUT-FILTER {is_in('LOAD-BALANCER-FW', 'dst,dst')} -j DROP",
    ]


def _nat(node: Node, is_in: _Matches) -> list[str]:
    mark = f"{node.masquerade_mark:#x}"
    masquerade = "-j MASQUERADE --random-fully"
    outside = "" if node.masquerade_all else f"! -s {node.pod_cidr} "
    loopback = "::1/128" if node.family == "IPv6" else "127.0.0.0/8"
    node_ports = []
    for protocol, suffix, fields in (("tcp", "TCP", "dst"), ("udp", "UDP", "dst"), ("sctp", "SCTP-HASH", "dst,dst")):
        local, every = is_in(f"NODE-PORT-LOCAL-{suffix}", fields), is_in(f"NODE-PORT-{suffix}", fields)
        node_ports.append(f"-A KUBE-NODE-PORT -p {protocol} {local} -j RETURN")
        node_ports.append(f"-A KUBE-NODE-PORT -p {protocol} {every} -j KUBE-MARK-MASQ")
    return [
        f"-A KUBE-SERVICES -s {loopback} -j RETURN",
        f"-A KUBE-SERVICES {is_in('LOAD-BALANCER', 'dst,dst')} -j KUBE-LOAD-BALANCER",
        f"-A KUBE-SERVICES {outside}{is_in('CLUSTER-IP', 'dst,dst')} -j KUBE-MARK-MASQ",
        f"-A KUBE-SERVICES {is_in('EXTERNAL-IP', 'dst,dst')} -j KUBE-MARK-MASQ",
        "-A KUBE-SERVICES -m addrtype --dst-type LOCAL -j KUBE-NODE-PORT",
        *(
            f"-A KUBE-SERVICES {is_in(name, 'dst,dst')} -j ACCEPT"
            for name in ("CLUSTER-IP", "LOAD-BALANCER", "EXTERNAL-IP", "EXTERNAL-IP-LOCAL")
        ),
        f"-A KUBE-LOAD-BALANCER {is_in('LOAD-BALANCER-LOCAL', 'dst,dst')} -j RETURN",
        "-A KUBE-LOAD-BALANCER -j KUBE-MARK-MASQ",
        *node_ports,
        f"-A KUBE-MARK-MASQ -j MARK --or-mark {mark}",
        f"-A KUBE-POSTROUTING {is_in('LOOP-BACK', 'dst,dst,src')} {masquerade}",
        # The node dials an address that it has itself, so that is what it calls itself, too.
        f"-A KUBE-POSTROUTING {is_in('IPVS-IPS', 'src')} {masquerade}",
        f"-A KUBE-POSTROUTING -m mark ! --mark {mark}/{mark} -j RETURN",
        f"-A KUBE-POSTROUTING -j MARK --xor-mark {mark}",
        f'-A KUBE-POSTROUTING -m comment --comment "kubernetes service traffic requiring SNAT" {masquerade}',
    ]


_RULES = {"filter": _filter, "mangle": _mangle, "nat": _nat}


def change(table: str, node: Node, sets: dict[str, Set], saved: list[str]) -> str:
    """The text for iptables-restore that makes the table so, given what iptables-save says of it now."""
    lines = [f":{name} - [0:0]" for name in CHAINS[table]]
    lines += rules(table, node, sets)
    lines += [f"-I {hook} {rule}" for hook, rule in HOOKS[table] if not _has_jump(saved, hook, rule)]
    return "\n".join((f"*{table}", *lines, "COMMIT", ""))


def removal(table: str, saved: list[str]) -> str:
    """The text that takes our chains away; empty: there are none. Where another mode has put its rules into a chain
    that is called so in both, the chain is not ours any more."""
    here = [line[1:].partition(" ")[0] for line in saved if line.startswith(":")]
    ours = {name for name in CHAINS[table] if name in here}
    if not _is_ours(table, saved):
        ours -= set(SHARED[table])
    jumps = [
        f"-D{line[2:]}"
        for line in saved
        if line.startswith("-A ") and line.split()[1] not in ours and line.rpartition(" -j ")[2].split()[0] in ours
    ]
    if not ours and not jumps:
        return ""
    declared = (f":{name} - [0:0]" for name in CHAINS[table] if name in ours)
    gone = (f"-X {name}" for name in CHAINS[table] if name in ours)
    return "\n".join((f"*{table}", *declared, *jumps, *gone, "COMMIT", ""))


def _is_ours(table: str, saved: list[str]) -> bool:
    """Whether the shared chains are this mode's now: no rule of the iptables mode is about sets."""
    return any(line.startswith(tuple(f"-A {each} " for each in SHARED[table])) and "-set " in line for line in saved)


def _has_jump(saved: list[str], hook: str, rule: str) -> bool:
    target = rule.rpartition(" -j ")[2]
    return any(line.startswith(f"-A {hook} ") and line.endswith(f" -j {target}") for line in saved)
