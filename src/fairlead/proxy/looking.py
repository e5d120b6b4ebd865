"""What the kernel of a node really holds for an address of a Service, in the words of each mode's own tool."""

from collections.abc import Callable

from fairlead.services.decide import Packet

Run = Callable[[list[str]], str | None]  # a command on the node → its output; None: it failed


def look(mode: str, packet: Packet, run: Run) -> list[str]:
    """The rules that decide about a packet to this address; none: there are none."""
    return _LOOKS[mode](packet, run)


def _nftables(packet: Packet, run: Run) -> list[str]:
    protocol = packet.protocol.lower()
    by_address = f"{packet.destination} . {protocol} . {packet.port}"
    by_port = f"{protocol} . {packet.port}"
    found = []
    for name, key in (
        ("service-ips", by_address),
        ("no-endpoint-services", by_address),
        ("service-nodeports", by_port),
        ("no-endpoint-nodeports", by_port),
    ):
        found += _element("kube-proxy", name, key, run)
    return found


def _userspace(packet: Packet, run: Run) -> list[str]:
    protocol = packet.protocol.lower()
    address, table = f"{packet.destination} . {packet.port}", "kube-proxy-userspace"
    found = _element(table, f"portals-{protocol}", address, run)
    found += _element(table, f"nodeports-{protocol}", str(packet.port), run)
    found += _element(table, "no-endpoint-services", f"{packet.destination} . {protocol} . {packet.port}", run)
    return found + _element(table, "no-endpoint-nodeports", f"{protocol} . {packet.port}", run)


def _element(table: str, name: str, key: str, run: Run) -> list[str]:
    output = run(["nft", "get", "element", "ip", table, name, f"{{ {key} }}"])
    if output is None or "elements = {" not in output:
        return []
    element = output.partition("elements = {")[2].partition("}")[0]
    return [f"nft {name} {{ {' '.join(element.split())} }}"]


def _iptables(packet: Packet, run: Run) -> list[str]:
    found = []
    for table in ("nat", "filter"):
        for line in (run(["iptables-save", "-t", table]) or "").splitlines():
            chain = line.split()[1] if line.startswith("-A ") else ""
            if not chain.startswith(("KUBE-SERVICES", "KUBE-NODEPORTS", "KUBE-EXTERNAL-SERVICES")):
                continue
            if f"--dport {packet.port} " not in line or f"-p {packet.protocol.lower()} " not in line:
                continue
            if f"-d {packet.destination}/32" in line or " -d " not in line:
                found.append(f"iptables -t {table} {line}")
    return found


_LOOKS: dict[str, Callable[[Packet, Run], list[str]]] = {
    "nftables": _nftables,
    "iptables": _iptables,
    "userspace": _userspace,
}
