"""The fixed part of the table: hooks, chains and empty maps. Pure.

The names are those of kube-proxy's nftables mode where there is such a thing there.
"""

from fairlead.proxy.mode import Node

TABLE = "kube-proxy"
PROTOCOLS = ("tcp", "udp", "sctp")


FRESH = "kube-proxy-fresh"  # the fixed part beside a table that an earlier proxy left, to compare it with


def skeleton(node: Node, table: str = TABLE) -> str:
    """Replaces a table of its family that is there. FRESH is dormant: no packet sees it.

    Endpoints have a map for each protocol: in a key of several parts, nft knows `th dport` only by its size, and
    `tcp dport` makes a rule match TCP only.
    """
    ip, address = node.ip, node.address_type
    dormant = "flags dormant;" if table == FRESH else ""
    maps = "\n    ".join(
        f"map endpoints-{protocol} {{ typeof {ip} daddr . {protocol} dport . numgen random mod 2 : "
        f"{ip} daddr . {protocol} dport; }}\n    "
        f"map nodeport-endpoints-{protocol} {{ typeof {protocol} dport . numgen random mod 2 : "
        f"{ip} daddr . {protocol} dport; }}"
        for protocol in PROTOCOLS
    )
    mark = f"{node.masquerade_mark:#x}"
    outsiders = "" if node.masquerade_all else f"{ip} saddr != {node.pod_cidr} "
    return f"""\
add table {ip} {table}
delete table {ip} {table}
table {ip} {table} {{
    {dormant}
    map service-ips {{ type {address} . inet_proto . inet_service : verdict; }}
    map service-nodeports {{ type inet_proto . inet_service : verdict; }}
    map no-endpoint-services {{ type {address} . inet_proto . inet_service : verdict; }}
    map no-endpoint-nodeports {{ type inet_proto . inet_service : verdict; }}
    {maps}
    set hairpin-connections {{ type {address} . {address}; }}
    set guarded-services {{ type {address} . inet_proto . inet_service; }}
    set allowed-sources {{ type {address} . inet_proto . inet_service . {address}; flags interval; }}

    chain mark-for-masquerade {{ meta mark set meta mark or {mark}; }}
    chain reject-chain {{
        meta l4proto tcp reject with tcp reset
        reject with {node.icmp} type port-unreachable
    }}
    chain drop-chain {{ drop; }}

    chain firewall {{
        {ip} daddr . meta l4proto . th dport . {ip} saddr @allowed-sources return
        drop
    }}
    chain services {{
        {ip} daddr . meta l4proto . th dport @guarded-services jump firewall
        {outsiders}{ip} daddr {node.service_cidr} jump mark-for-masquerade
        {ip} daddr . meta l4proto . th dport vmap @service-ips
        {node.node_port_match} meta l4proto . th dport vmap @service-nodeports
    }}
    chain nat-prerouting {{ type nat hook prerouting priority dstnat; policy accept; jump services; }}
    chain nat-output {{ type nat hook output priority -100; policy accept; jump services; }}
    chain nat-postrouting {{
        type nat hook postrouting priority srcnat; policy accept;
        meta mark & {mark} != 0 jump masquerading
        ct status dnat {ip} saddr . {ip} daddr @hairpin-connections masquerade fully-random
    }}
    chain masquerading {{
        meta mark set meta mark xor {mark}
        masquerade fully-random
    }}

    chain service-endpoints-check {{
        {ip} daddr . meta l4proto . th dport vmap @no-endpoint-services
        {node.node_port_match} meta l4proto . th dport vmap @no-endpoint-nodeports
    }}
    chain cluster-ips-check {{
        ct status dnat return
        {ip} daddr {node.service_cidr} goto reject-chain
    }}
    chain filter-input {{
        type filter hook input priority -110; policy accept;
        ct state new jump service-endpoints-check
    }}
    chain filter-forward {{
        type filter hook forward priority -110; policy accept;
        ct state new jump service-endpoints-check
        ct state new jump cluster-ips-check
    }}
    chain filter-output {{
        type filter hook output priority -90; policy accept;
        ct state new jump service-endpoints-check
        ct state new jump cluster-ips-check
    }}
}}
"""
