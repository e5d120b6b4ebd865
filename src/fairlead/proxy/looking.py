"""What the kernel of a node really holds for an address of a Service, in the words of each mode's own tool."""

import socket
from collections.abc import Callable
from pathlib import Path

from fairlead.proxy.modes.ebpf import Programs, ProgramsError
from fairlead.proxy.modes.ebpf.encode import decode_aim, decode_endpoint, frontend, slot
from fairlead.proxy.modes.ebpf.plan import CARRIED, Frontend
from fairlead.services.decide import Packet
from fairlead.services.model import family_of

Run = Callable[[list[str]], str | None]  # a command on the node → its output; None: it failed


def look(mode: str, packet: Packet, run: Run, cgroup: Path) -> list[str]:
    """The rules that decide about a packet to this address; none: there are none. `cgroup`: the node's folder."""
    if mode == "ebpf":
        return _ebpf(packet, cgroup) + _nftables(packet, run)
    return _LOOKS[mode](packet, run)


def _ebpf(packet: Packet, cgroup: Path) -> list[str]:
    """What a socket of the node or its pods meets; packets from elsewhere meet the rules of nftables."""
    try:
        maps = Programs(cgroup, family_of(packet.destination)).find_maps()
    except ProgramsError as error:
        return [f"bpf: {error}"]
    try:
        key = Frontend(packet.destination, packet.port, packet.protocol)
        if packet.protocol not in CARRIED or (value := maps["frontends"].lookup(frontend(key))) is None:
            return []
        number, size, affinity = decode_aim(value)
        how = f"one of {size} slots" if size else "ECONNREFUSED"
        sticky = f", the same for {affinity} s" if affinity else ""
        found = [f"bpf frontends {packet.destination}:{packet.port}/{packet.protocol} → {how}{sticky}"]
        for each in range(size):
            endpoint = maps["slots"].lookup(slot(number, each))
            if endpoint is not None:
                found.append("bpf slots {}[{}] = {}:{}".format(number, each, *decode_endpoint(endpoint)))
        return found
    except KeyError:  # half attached
        return []
    finally:
        for map_ in maps.values():
            map_.close()


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
        found += _element(packet, "kube-proxy", name, key, run)
    return found


def _userspace(packet: Packet, run: Run) -> list[str]:
    protocol = packet.protocol.lower()
    address, table = f"{packet.destination} . {packet.port}", "kube-proxy-userspace"
    found = _element(packet, table, f"portals-{protocol}", address, run)
    found += _element(packet, table, f"nodeports-{protocol}", str(packet.port), run)
    by_address = f"{packet.destination} . {protocol} . {packet.port}"
    found += _element(packet, table, "no-endpoint-services", by_address, run)
    return found + _element(packet, table, "no-endpoint-nodeports", f"{protocol} . {packet.port}", run)


def _element(packet: Packet, table: str, name: str, key: str, run: Run) -> list[str]:
    ip = "ip6" if ":" in packet.destination else "ip"
    output = run(["nft", "get", "element", ip, table, name, f"{{ {key} }}"])
    if output is None or "elements = {" not in output:
        return []
    element = output.partition("elements = {")[2].partition("}")[0]
    return [f"nft {name} {{ {' '.join(element.split())} }}"]


def _iptables(packet: Packet, run: Run) -> list[str]:
    program, length = ("ip6tables", 128) if ":" in packet.destination else ("iptables", 32)
    found = []
    for table in ("nat", "filter"):
        for line in (run([f"{program}-save", "-t", table]) or "").splitlines():
            chain = line.split()[1] if line.startswith("-A ") else ""
            if not chain.startswith(
                ("KUBE-SERVICES", "KUBE-NODEPORTS", "KUBE-EXTERNAL-SERVICES", "KUBE-PROXY-FIREWALL")
            ):
                continue
            if f"--dport {packet.port} " not in line or f"-p {packet.protocol.lower()} " not in line:
                continue
            if f"-d {packet.destination}/{length}" in line or " -d " not in line:
                found.append(f"{program} -t {table} {line}")
    return found


def _ipvs(packet: Packet, run: Run) -> list[str]:
    """The virtual server and its destinations as the kernel lists them, and sets by which its packets are dropped."""
    family = socket.AF_INET6 if ":" in packet.destination else socket.AF_INET
    packed = socket.inet_pton(family, packet.destination)
    address = f"[{packet.destination}]" if family == socket.AF_INET6 else packed.hex().upper()
    head = f"{packet.protocol} {address}:{packet.port:04X} "
    found: list[str] = []
    for line in (run(["cat", "/proc/net/ip_vs"]) or "").splitlines():
        words = " ".join(line.split())
        if words.startswith(head):
            way = words.removeprefix(head).removesuffix("FFFFFFFF").strip()
            found.append(f"ipvs {packet.protocol} {_shown(packet.destination, packet.port)} {way}")
        elif found and words.startswith("-> "):
            _, where, *rest = words.split()
            host, _, number = where.rpartition(":")
            if not host.startswith("["):
                host = socket.inet_ntop(socket.AF_INET, bytes.fromhex(host))
            found.append(f"ipvs -> {_shown(host.strip('[]'), int(number, 16))} {' '.join(rest[:2])}")
        elif found:
            break
    prefix = "KUBE-6-" if family == socket.AF_INET6 else "KUBE-"
    for name in ("NO-ENDPOINTS", "NOT-HERE", "LOCAL-ONLY", "LOAD-BALANCER-FW"):
        entry = f"{packet.destination},{packet.protocol.lower()}:{packet.port}"
        if run(["ipset", "test", prefix + name, entry]) is not None:
            found.append(f"ipset {prefix}{name} {entry}")
    return found


def _shown(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


_LOOKS: dict[str, Callable[[Packet, Run], list[str]]] = {
    "nftables": _nftables,
    "iptables": _iptables,
    "ipvs": _ipvs,
    "userspace": _userspace,
}
