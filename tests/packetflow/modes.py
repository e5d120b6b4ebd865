"""How each mode of the proxy is put to work on a node of the lab."""

from collections.abc import Callable
from pathlib import Path

from fairlead.host import namespaces
from fairlead.host.iptables import Iptables
from fairlead.host.nft import Nft
from fairlead.proxy.mode import Mode, Node
from fairlead.proxy.modes.iptables import IptablesMode
from fairlead.proxy.modes.nftables import NftablesMode
from tests.packetflow.lab import POD_CIDR, SERVICE_CIDR


def _nftables(node: str, namespace: Path) -> Mode:
    return NftablesMode(namespaces.run_in(namespace, Nft), Node(node, POD_CIDR, SERVICE_CIDR))


def _iptables(node: str, namespace: Path) -> Mode:
    return IptablesMode(Iptables(namespace), Node(node, POD_CIDR, SERVICE_CIDR))


MODES: dict[str, Callable[[str, Path], Mode]] = {"iptables": _iptables, "nftables": _nftables}
