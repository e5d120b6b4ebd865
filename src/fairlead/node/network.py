"""A pod's network: a pair of interfaces, an address of its own, and routes on both sides.

Pods are /32 routes behind a link-local gateway whose MAC is known beforehand, so there is no bridge, no ARP and no
broadcast between pods: the node routes, and its rules see every packet.
"""

import hashlib
import os
from pathlib import Path

from fairlead.host import sysctl
from fairlead.host.netlink import Netlink

GATEWAY = "169.254.1.1"
GATEWAY_MAC = bytes.fromhex("eeeeeeeeeeee")
INTERFACE = "eth0"

# What a node must do to pass packets between its pods and the others.
NODE_SETTINGS = {
    "net.ipv4.ip_forward": "1",
    "net.ipv4.conf.all.rp_filter": "0",
    "net.ipv4.conf.default.rp_filter": "0",
    "net.ipv4.conf.all.send_redirects": "0",
    "net.ipv4.conf.default.send_redirects": "0",
    "net.ipv4.neigh.default.gc_thresh3": "16384",
}
# In a pod, as containerd 2 has it: whoever runs there may listen on ports below 1024, since they are the pod's own.
POD_SETTINGS = {"net.ipv4.ip_unprivileged_port_start": "0"}


def host_interface(sandbox: str) -> str:
    """The node's end of a pod's pair; 15 characters at most."""
    return "veth" + hashlib.sha256(sandbox.encode()).hexdigest()[:8]


class PodNetwork:
    """On the node whose network namespace this process is in."""

    def __init__(self) -> None:
        self._node = Netlink()

    def prepare_node(self) -> list[str]:
        """Returns the settings that this kernel refused."""
        return sysctl.write(NODE_SETTINGS)

    def set_up(self, sandbox: str, namespace: Path, address: str) -> None:
        """Raises OSError. Done again, it first takes away what is there."""
        name = host_interface(sandbox)
        descriptor = os.open(namespace, os.O_RDONLY | os.O_CLOEXEC)
        try:
            try:
                self._node.veth_add(name, INTERFACE, descriptor, address=GATEWAY_MAC)
            except FileExistsError:
                self.tear_down(sandbox)
                self._node.veth_add(name, INTERFACE, descriptor, address=GATEWAY_MAC)
        finally:
            os.close(descriptor)
        pod = Netlink(namespace)
        try:
            index = pod.link_index(INTERFACE)
            with pod:
                pod.link_up("lo")
                pod.link_up(INTERFACE)
                pod.address_add(index, f"{address}/32")
                pod.neighbour_add(index, GATEWAY, GATEWAY_MAC)
                pod.route_add(f"{GATEWAY}/32", index=index)
                pod.route_add("0.0.0.0/0", via=GATEWAY, index=index, onlink=True)
        finally:
            pod.close()
        sysctl.write(POD_SETTINGS, namespace)
        self._node.route_add(f"{address}/32", index=self._node.link_index(name))

    def tear_down(self, sandbox: str) -> None:
        """The pair goes, and the route with it. Nothing there is no error."""
        try:
            self._node.link_delete(host_interface(sandbox))
        except OSError:
            pass
