"""Which mode a node can do: the one asked for, or the next best, and why."""

import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

from fairlead.host import cgroup2, ipset, ipvs
from fairlead.host.iptables_nft import open_tables
from fairlead.host.nft_reader import NftReader
from fairlead.proxy.mode import Mode, Node
from fairlead.proxy.modes.ebpf import EbpfMode, Programs, refused
from fairlead.proxy.modes.iptables import IptablesMode
from fairlead.proxy.modes.ipvs import DEVICE, IpvsMode, Kernel
from fairlead.proxy.modes.nftables import nftables
from fairlead.proxy.modes.userspace import userspace

# What packets meet that no program has led to an endpoint: a mode that another one needs is never its predecessor.
BEHIND = {"ebpf": "nftables"}
# ipvs before iptables: chains that both have by the same names are taken away by the one whose rules are in them.
MAKE: dict[str, Callable[[Node], Mode]] = {
    "ebpf": lambda node: EbpfMode(Programs(cgroup2.of_node(), node.family), MAKE[BEHIND["ebpf"]](node), node),
    "ipvs": lambda node: IpvsMode(Kernel.open(node.family), node),
    "iptables": lambda node: IptablesMode(open_tables(ipv6=node.family == "IPv6"), node),
    "nftables": nftables,
    "userspace": userspace,
}


def choose(wanted: str) -> tuple[str, str | None]:
    """The mode that will serve, and why it is not the one wanted."""
    if wanted == "ipvs":
        if not ipvs.is_available():
            return "iptables", "the kernel has no IPVS (ip_vs is not there)"
        if not ipset.is_available():
            return "iptables", "the kernel has no IP sets (ip_set is not there)"
        if shutil.which("iptables") is None:
            return "iptables", "iptables, which masquerades for IPVS, is not installed"
    if wanted == "ebpf" and (reason := refused(cgroup2.of_node())) is not None:
        return BEHIND["ebpf"], reason
    return wanted, None


def every(node: Node) -> Iterator[Mode]:
    """Each that this kernel can: no other one can have left anything."""
    return (make(node) for name, make in MAKE.items() if name != "ipvs" or ipvs.PRESENT.exists())


def others(name: str, node: Node) -> list[Mode]:
    """Those that an earlier proxy may have left rules of in this family; most often none. Made early: libnftables uses
    select(2), with sockets that cannot be numbered over 1023, and the userspace mode opens many."""
    there = NftReader(socket.AF_INET6 if node.family == "IPv6" else socket.AF_INET)
    try:
        tables = there.tables()
    finally:
        there.close()
    legacy = Path(f"/proc/net/{node.ip}_tables_names")
    left = {
        "ebpf": Programs(cgroup2.of_node(), node.family).are_there(),
        "ipvs": ipvs.PRESENT.exists() and any(name == DEVICE for _, name in socket.if_nameindex()),
        "nftables": "kube-proxy" in tables,
        "userspace": "kube-proxy-userspace" in tables,
        "iptables": "nat" in tables or (legacy.exists() and bool(legacy.read_text())),
    }
    return [make(node) for other, make in MAKE.items() if left[other] and other not in (name, BEHIND.get(name))]
