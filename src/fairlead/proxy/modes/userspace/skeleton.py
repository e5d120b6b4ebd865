"""The fixed part of the table that leads connections here. Pure."""

from fairlead.proxy.mode import Node

TABLE = "kube-proxy-userspace"
PROTOCOLS = ("tcp", "udp")


def skeleton(node: Node) -> str:
    """Replaces a table of its family that is there. What has no listener here is refused as in the other modes."""
    ip, address = node.ip, node.address_type
    maps = "\n    ".join(
        f"map portals-{protocol} {{ typeof {ip} daddr . {protocol} dport : {ip} daddr . {protocol} dport; }}\n    "
        f"map nodeports-{protocol} {{ typeof {protocol} dport : {ip} daddr . {protocol} dport; }}"
        for protocol in PROTOCOLS
    )
    portals = "\n        ".join(f"dnat {ip} to {ip} daddr . {p} dport map @portals-{p}" for p in PROTOCOLS)
    node_ports = "\n        ".join(f"dnat {ip} to {p} dport map @nodeports-{p}" for p in PROTOCOLS)
    return f"""\
add table {ip} {TABLE}
delete table {ip} {TABLE}
table {ip} {TABLE} {{
    {maps}
    set listening {{ type inet_proto . inet_service; }}
    set local-only-services {{ type {address} . inet_proto . inet_service; }}
    set local-only-nodeports {{ type inet_proto . inet_service; }}
    set guarded-services {{ type {address} . inet_proto . inet_service; }}
    set allowed-sources {{ type {address} . inet_proto . inet_service . {address}; flags interval; }}
    map no-endpoint-services {{ type {address} . inet_proto . inet_service : verdict; }}
    map no-endpoint-nodeports {{ type inet_proto . inet_service : verdict; }}

    chain reject-chain {{
        meta l4proto tcp reject with tcp reset
        reject with {node.icmp} type port-unreachable
    }}
    chain drop-chain {{ drop; }}
    chain drop-outsiders {{
        {ip} saddr {node.pod_cidr} return
        fib saddr type local return
        drop
    }}
    chain local-node {{
        meta l4proto . th dport @local-only-nodeports jump drop-outsiders
        {node_ports}
    }}
    chain firewall {{
        {ip} daddr . meta l4proto . th dport . {ip} saddr @allowed-sources return
        drop
    }}
    chain portals {{
        {ip} daddr . meta l4proto . th dport @guarded-services jump firewall
        {ip} daddr . meta l4proto . th dport @local-only-services jump drop-outsiders
        {portals}
        {node.node_port_match} jump local-node
    }}
    chain nat-prerouting {{ type nat hook prerouting priority dstnat; policy accept; jump portals; }}
    chain nat-output {{ type nat hook output priority -100; policy accept; jump portals; }}

    chain refusals {{
        {ip} daddr . meta l4proto . th dport vmap @no-endpoint-services
        {node.node_port_match} meta l4proto . th dport vmap @no-endpoint-nodeports
    }}
    chain cluster-ips-check {{
        ct status dnat return
        {ip} daddr {node.service_cidr} goto reject-chain
    }}
    chain filter-input {{
        type filter hook input priority -110; policy accept;
        ct status dnat accept
        ct state new meta l4proto . th dport @listening goto reject-chain
        ct state new jump refusals
    }}
    chain filter-forward {{
        type filter hook forward priority -110; policy accept;
        ct state new jump refusals
        ct state new jump cluster-ips-check
    }}
    chain filter-output {{
        type filter hook output priority -90; policy accept;
        ct state new jump refusals
        ct state new jump cluster-ips-check
    }}
}}
"""
