"""A pod's network: a pair of interfaces, an address of its own, and routes on both sides.

Pods are /32 and /128 routes behind a link-local gateway whose MAC is known beforehand, so there is no bridge, no ARP,
no neighbour discovery and no broadcast between pods: the node routes, and its rules see every packet.
"""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from fairlead.host import sysctl
from fairlead.host.netlink import Netlink
from fairlead.host.nft import Nft, NftError
from fairlead.node import host_ports
from fairlead.runtime.interface import HostPort

GATEWAY, GATEWAY6 = "169.254.1.1", "fe80::ecee:eeff:feee:eeee"  # what the kernel makes of the MAC (RFC 4291, EUI-64)
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
# A new interface's own address needs no second to prove that nobody else has it, and nobody tells it routes.
QUIET = {"net.ipv6.conf.default.accept_dad": "0", "net.ipv6.conf.default.accept_ra": "0"}
NODE_SETTINGS6 = {
    **QUIET,
    "net.ipv6.conf.all.accept_ra": "0",
    "net.ipv6.conf.all.forwarding": "1",
    "net.ipv6.neigh.default.gc_thresh3": "16384",
}


def host_interface(sandbox: str) -> str:
    """The node's end of a pod's pair; 15 characters at most."""
    return "veth" + hashlib.sha256(sandbox.encode()).hexdigest()[:8]


def pod_mac(sandbox: str) -> bytes:
    """A locally administered one, known to the node without asking."""
    return b"\x02" + hashlib.sha256(sandbox.encode()).digest()[:5]


class PodNetwork:
    """On the node whose network namespace this process is in."""

    def __init__(self) -> None:
        self._node = Netlink()
        self._nft: Nft | None = None

    def prepare_node(self, *, ipv6: bool) -> list[str]:
        """Returns the settings that this kernel refused."""
        return sysctl.write({**NODE_SETTINGS, **NODE_SETTINGS6} if ipv6 else NODE_SETTINGS)

    def set_up(self, sandbox: str, namespace: Path, addresses: Sequence[str]) -> None:
        """Raises OSError. Done again, it first takes away what is there."""
        name, mac = host_interface(sandbox), pod_mac(sandbox)
        ipv6 = any(":" in address for address in addresses)
        pod = Netlink(namespace, lambda: sysctl.write({**POD_SETTINGS, **QUIET} if ipv6 else POD_SETTINGS))
        descriptor = os.open(namespace, os.O_RDONLY | os.O_CLOEXEC)
        try:
            try:
                self._node.veth_add(name, INTERFACE, descriptor, address=GATEWAY_MAC, peer_address=mac)
            except FileExistsError:
                self.tear_down(sandbox)
                self._node.veth_add(name, INTERFACE, descriptor, address=GATEWAY_MAC, peer_address=mac)
            index = pod.link_index(INTERFACE)
            with pod:
                pod.link_up("lo")
                pod.link_up(INTERFACE)
                for address in addresses:
                    _lead_out(pod, index, address)
        finally:
            os.close(descriptor)
            pod.close()
        own = self._node.link_index(name)
        with self._node:
            for address in addresses:
                self._node.route_add(_alone(address), index=own)
                if ":" in address:
                    self._node.neighbour_add(own, address, mac)

    def publish(self, ports: Sequence[HostPort]) -> None:
        """All ports of the node that lead to its pods, in place of those that did. Raises OSError."""
        if self._nft is None:
            if not ports:
                return
            self._nft = Nft()
        if any(":" not in each.ip for each in ports):
            sysctl.write({"net.ipv4.conf.all.route_localnet": "1"})  # from the node's own 127.0.0.1
        try:
            self._nft.run(host_ports.script(ports))
        except NftError as error:
            raise OSError(f"host ports: {error}") from error

    def tear_down(self, sandbox: str) -> None:
        """The pair goes, and the route with it. Nothing there is no error."""
        try:
            self._node.link_delete(host_interface(sandbox))
        except OSError:
            pass


def _lead_out(pod: Netlink, index: int, address: str) -> None:
    """The address, and the way to all others."""
    gateway, everywhere = (GATEWAY6, "::/0") if ":" in address else (GATEWAY, "0.0.0.0/0")
    pod.address_add(index, _alone(address))
    pod.neighbour_add(index, gateway, GATEWAY_MAC)
    if gateway == GATEWAY:  # IPv6 has one to all that is link-local
        pod.route_add(_alone(gateway), index=index)
    pod.route_add(everywhere, via=gateway, index=index, onlink=True)


def _alone(address: str) -> str:
    """As a network of itself."""
    return f"{address}/128" if ":" in address else f"{address}/32"
