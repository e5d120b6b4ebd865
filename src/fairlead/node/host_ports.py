"""Ports of the node that lead to its pods: `hostPort` of containers, as the CNI plugin portmap has it. Pure.

A connection is led to the pod by the kernel, wherever it comes from; the pod sees its client's address, but for itself
and for the node's 127.0.0.1, which become the node's. It is one table a family, replaced whole: there are few ports.
"""

from collections.abc import Iterable, Sequence

from fairlead.api.types.core import Pod
from fairlead.node.plan import is_sidecar
from fairlead.runtime.interface import HostPort

TABLE = "fairlead-host-ports"
PROTOCOLS = ("tcp", "udp", "sctp")
EVERY = ("", "0.0.0.0", "::")


def host_ports(pod: Pod, ips: Sequence[str]) -> list[HostPort]:
    """Of a pod that has these addresses. One that names an address of the node is of that family only."""
    containers = (*pod.spec.containers, *(each for each in pod.spec.init_containers if is_sidecar(each)))
    return [
        HostPort(
            protocol=port.protocol.lower(),
            host_ip="" if port.host_ip in EVERY else port.host_ip,
            host_port=port.host_port,
            ip=ip,
            port=port.container_port,
        )
        for container in containers
        for port in container.ports
        if port.host_port
        for ip in ips
        if not port.host_ip or (":" in port.host_ip) == (":" in ip)
    ]


def script(ports: Iterable[HostPort]) -> str:
    """For nft(8): what is there becomes this. The first who has a port keeps it."""
    ports = list(ports)
    four, six = ([each for each in ports if (":" in each.ip) == ipv6] for ipv6 in (False, True))
    return _table("ip", four) + _table("ip6", six)


def _table(ip: str, ports: list[HostPort]) -> str:
    replaced = f"add table {ip} {TABLE}\ndelete table {ip} {TABLE}\n"
    if not ports:
        return replaced
    maps, rules = [], []
    for protocol in PROTOCOLS:
        named = {f"{p.host_ip} . {p.host_port}": p for p in reversed(ports) if p.protocol == protocol and p.host_ip}
        open_ = {f"{p.host_port}": p for p in reversed(ports) if p.protocol == protocol and not p.host_ip}
        value = f"{ip} daddr . {protocol} dport"
        if named:
            maps.append(f"map named-{protocol} {{ typeof {value} : {value}; {_elements(named)} }}")
            rules.append(f"dnat {ip} to {value} map @named-{protocol}")
        if open_:
            maps.append(f"map open-{protocol} {{ typeof {protocol} dport : {value}; {_elements(open_)} }}")
            rules.append(f"fib daddr type local dnat {ip} to {protocol} dport map @open-{protocol}")
    pods = ", ".join(sorted({f"{p.ip} . {p.ip}" for p in ports}))
    guard = ""
    if ip == "ip":  # others than the node itself have no business at its 127.0.0.1, which route_localnet opens
        rule = 'iifname != "lo" ip daddr 127.0.0.0/8 drop'
        guard = f"chain guard {{ type filter hook prerouting priority raw; policy accept; {rule}; }}"
    local = "127.0.0.0/8" if ip == "ip" else "::1"
    lines, steps = "\n    ".join(maps), "\n        ".join(rules)
    return f"""\
{replaced}table {ip} {TABLE} {{
    {lines}
    set pods-themselves {{ typeof {ip} saddr . {ip} daddr; elements = {{ {pods} }}; }}
    chain lead {{
        {steps}
    }}
    chain prerouting {{ type nat hook prerouting priority dstnat + 5; policy accept; jump lead; }}
    chain output {{ type nat hook output priority -95; policy accept; jump lead; }}
    chain postrouting {{
        type nat hook postrouting priority srcnat + 5; policy accept;
        ct status dnat {ip} saddr . {ip} daddr @pods-themselves masquerade fully-random
        ct status dnat {ip} saddr {local} oifname != "lo" masquerade fully-random
    }}
    {guard}
}}
"""


def _elements(ports: dict[str, HostPort]) -> str:
    return "elements = { " + ", ".join(f"{key} : {p.ip} . {p.port}" for key, p in sorted(ports.items())) + " };"
