"""The cluster's network on one machine: a node is a network namespace, a bridge in one more is the LAN between them.

The host has one leg in that LAN, as a machine beside the nodes: it reaches node addresses, node ports and the load
balancer's addresses, and nothing of pods or other Services. No node has a way out. The load balancer is one more
machine of that LAN.
"""

import contextlib
import os
from pathlib import Path

from fairlead.cluster.layout import POD_CIDRS, SERVICE_CIDRS, AddressPlan, Layout, NodePlan, lan_prefix
from fairlead.host import namespaces, sysctl
from fairlead.host.netlink import Netlink

BRIDGE, DEAD_END = "lan0", "kube-dead"
LAN, DEVICE = "lan", "loadbalancer"
OURS = (*POD_CIDRS.values(), *SERVICE_CIDRS.values())
NODE = {
    "net.ipv4.ip_forward": "1",
    "net.ipv4.conf.all.rp_filter": "0",
    # Of addresses that only kube-proxy has, as IPVS' on kube-ipvs0, the LAN hears nothing: the load balancer has them.
    "net.ipv4.conf.all.arp_ignore": "1",
    "net.ipv4.conf.all.arp_announce": "2",
}
QUIET6 = {
    "net.ipv6.conf.default.accept_dad": "0",  # addresses are ours to give: no second until one can be used
    "net.ipv6.conf.default.accept_ra": "0",
}
SWITCH = {
    "net.ipv6.conf.default.disable_ipv6": "1",
    # It has no rules that a frame had to be shown: where br_netfilter is in the kernel, a sixth of a bridge's work.
    **{f"net.bridge.bridge-nf-call-{tables}": "0" for tables in ("iptables", "ip6tables", "arptables")},
}
NODE6 = {"net.ipv6.conf.all.forwarding": "1", **QUIET6}


def host_interface(layout: Layout) -> str:
    """15 characters at most."""
    return f"fl-{layout.name}"[:15]


def build(layout: Layout, plan: AddressPlan) -> None:
    """Makes what is missing. Raises OSError. Runs in the mount namespace that keeps the namespaces pinned."""
    lan_path = layout.namespace(LAN)
    if not namespaces.is_pinned(lan_path):
        namespaces.create(lan_path.parent, ("net",))
        lan = Netlink(lan_path, lambda: sysctl.write(SWITCH))
        lan.link_up("lo")
        lan.bridge_add(BRIDGE)
        lan.close()
    for node in plan.nodes:
        if not namespaces.is_pinned(layout.namespace(node.name)):
            _build_node(layout, plan, node)
    if not namespaces.is_pinned(layout.namespace(DEVICE)):
        _build_device(layout, plan)
    _join_host(layout, plan)


def _build_node(layout: Layout, plan: AddressPlan, node: NodePlan) -> None:
    path = layout.namespace(node.name)
    namespaces.create(path.parent, ("net", "uts"), hostname=node.name)
    own = Netlink(path, lambda: sysctl.write({**NODE, **NODE6} if "IPv6" in plan.families else NODE))
    lan = Netlink(layout.namespace(LAN))
    with _Opened(path) as inside:
        lan.veth_add(node.name[:15], "eth0", inside)
    lan.link_set_master(node.name[:15], lan.link_index(BRIDGE))
    lan.close()
    own.bridge_add(DEAD_END)
    leg, dead = own.link_index("eth0"), own.link_index(DEAD_END)
    with own:
        own.link_up("lo")
        own.link_up("eth0")
        own.link_up(DEAD_END)
        for address in node.addresses:
            own.address_add(leg, lan_prefix(address))
    with own:
        # A packet to a Service needs a route to be made at all; before it could leave, it is redirected or refused.
        for services, address in zip(plan.service_cidrs, node.addresses, strict=True):
            own.route_add(services, index=dead, source=address)
        for pods in (*plan.pod_cidrs, *node.pod_cidrs):
            own.route_add(pods, kind="unreachable")
        for other in plan.nodes:
            if other is not node:
                for pods, address in zip(other.pod_cidrs, other.addresses, strict=True):
                    own.route_add(pods, via=address)
    own.close()


def _build_device(layout: Layout, plan: AddressPlan) -> None:
    path = layout.namespace(DEVICE)
    namespaces.create(path.parent, ("net", "uts"), hostname=DEVICE)
    own = Netlink(path, lambda: sysctl.write(QUIET6 if "IPv6" in plan.families else {}))
    lan = Netlink(layout.namespace(LAN))
    with _Opened(path) as inside:
        lan.veth_add(DEVICE, "eth0", inside)
    lan.link_set_master(DEVICE, lan.link_index(BRIDGE))
    lan.close()
    leg = own.link_index("eth0")
    with own:
        own.link_up("lo")
        own.link_up("eth0")
        for address in plan.device:
            own.address_add(leg, lan_prefix(address))
    own.close()


def _join_host(layout: Layout, plan: AddressPlan) -> None:
    name = host_interface(layout)
    host = Netlink()
    try:
        if name in host.link_names():
            return
        with _Opened(layout.namespace(LAN)) as inside:
            host.veth_add(name, "host", inside)
        if "IPv6" in plan.families:  # of this interface alone: what the machine does elsewhere is not ours to say
            quiet = {"accept_dad": "0", "accept_ra": "0", "autoconf": "0"}
            sysctl.write({f"net.ipv6.conf.{name}.{setting}": value for setting, value in quiet.items()})
        lan = Netlink(layout.namespace(LAN))
        lan.link_set_master("host", lan.link_index(BRIDGE))
        lan.link_up("host")
        lan.close()
        for address in plan.hosts:
            host.address_add(host.link_index(name), lan_prefix(address))
        # No packet for a pod or a Service may ever leave by the machine's own uplink.
        for network in (*plan.pod_cidrs, *plan.service_cidrs):
            host.route_add(network, kind="unreachable")
    finally:
        host.close()


def leave_host(layout: Layout, *, last: bool) -> None:
    """Takes the host's leg away; with the last cluster, the routes too."""
    host = Netlink()
    with contextlib.suppress(OSError):
        host.link_delete(host_interface(layout))
    if last:
        for network in OURS:
            with contextlib.suppress(OSError):
                host.route_delete(network)
    host.close()


class _Opened:
    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> int:
        self._descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        return self._descriptor

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)
