"""The fixed chains and the hooks that lead to them, by kube-proxy's names (pkg/proxy/iptables). Pure."""

MASQUERADE = "0x4000/0x4000"  # the mark of packets whose source becomes the node's

SERVICES, NODE_PORTS, POSTROUTING, MARK = "KUBE-SERVICES", "KUBE-NODEPORTS", "KUBE-POSTROUTING", "KUBE-MARK-MASQ"
EXTERNAL, FORWARD, FIREWALL = "KUBE-EXTERNAL-SERVICES", "KUBE-FORWARD", "KUBE-PROXY-LOCALNET"
NO_SERVICE = "KUBE-NO-SERVICE"  # addresses of the Service range that no Service has
OWN_PREFIXES = ("KUBE-SVC-", "KUBE-SVL-", "KUBE-EXT-", "KUBE-SEP-", "KUBE-FW-")

# table → chains that are always there
FIXED = {
    "nat": (SERVICES, NODE_PORTS, POSTROUTING, MARK),
    "filter": (SERVICES, EXTERNAL, FORWARD, FIREWALL, NO_SERVICE),
}
_NEW = "-m conntrack --ctstate NEW"
# table → (hook, rule), each to stand first in its hook, the last of them foremost
HOOKS = {
    "nat": (
        ("PREROUTING", f'-m comment --comment "kubernetes service portals" -j {SERVICES}'),
        ("OUTPUT", f'-m comment --comment "kubernetes service portals" -j {SERVICES}'),
        ("POSTROUTING", f'-m comment --comment "kubernetes postrouting rules" -j {POSTROUTING}'),
    ),
    "filter": (
        ("INPUT", f'{_NEW} -m comment --comment "kubernetes externally-visible service portals" -j {EXTERNAL}'),
        ("INPUT", f"-j {FIREWALL}"),
        ("FORWARD", f'{_NEW} -m comment --comment "kubernetes addresses without a service" -j {NO_SERVICE}'),
        ("FORWARD", f'{_NEW} -m comment --comment "kubernetes externally-visible service portals" -j {EXTERNAL}'),
        ("FORWARD", f'{_NEW} -m comment --comment "kubernetes service portals" -j {SERVICES}'),
        ("FORWARD", f'-m comment --comment "kubernetes forwarding rules" -j {FORWARD}'),
        ("OUTPUT", f'{_NEW} -m comment --comment "kubernetes addresses without a service" -j {NO_SERVICE}'),
        ("OUTPUT", f'{_NEW} -m comment --comment "kubernetes externally-visible service portals" -j {EXTERNAL}'),
        ("OUTPUT", f'{_NEW} -m comment --comment "kubernetes service portals" -j {SERVICES}'),
    ),
}


def fixed_rules(service_cidr: str, node_port_addresses: tuple[str, ...]) -> dict[str, list[str]]:
    """table → lines behind the chains' declarations. Services' own rules come before the last one of KUBE-SERVICES."""
    return {
        "nat": [
            *(
                f'-A {SERVICES} -m comment --comment "kubernetes service nodeports; NOTE: this must be the last '
                f'rule in this chain" {place}-m addrtype --dst-type LOCAL -j {NODE_PORTS}'
                for place in ([f"-d {each} " for each in node_port_addresses] or ["! -d 127.0.0.0/8 "])
            ),
            f"-A {POSTROUTING} -m mark ! --mark {MASQUERADE} -j RETURN",
            f"-A {POSTROUTING} -j MARK --xor-mark 0x4000",
            (
                f'-A {POSTROUTING} -m comment --comment "kubernetes service traffic requiring SNAT" '
                "-j MASQUERADE --random-fully"
            ),
            f"-A {MARK} -j MARK --or-mark 0x4000",
        ],
        "filter": [
            f'-A {FORWARD} -m comment --comment "kubernetes forwarding rules" -m mark --mark {MASQUERADE} -j ACCEPT',
            (
                f'-A {FORWARD} -m comment --comment "kubernetes forwarding conntrack rule" '
                "-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"
            ),
            (
                f'-A {FIREWALL} -m comment --comment "block incoming localnet connections" ! -s 127.0.0.0/8 '
                "-d 127.0.0.0/8 -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP"
            ),
            f"-A {NO_SERVICE} -d {service_cidr} -m conntrack ! --ctstate DNAT -j REJECT",
        ],
    }
