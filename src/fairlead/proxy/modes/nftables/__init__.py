"""The default mode: flat maps in nftables, one element a frontend and one an endpoint."""

import socket

from fairlead.host.nfnetlink import SetElements
from fairlead.host.nft import Nft
from fairlead.host.nft_reader import NftReader
from fairlead.proxy.mode import Node
from fairlead.proxy.modes.nftables.apply import NftablesMode
from fairlead.proxy.modes.nftables.skeleton import TABLE

__all__ = ["TABLE", "NftablesMode", "nftables"]


def nftables(node: Node) -> NftablesMode:
    """In this process's network. Raises OSError."""
    number = socket.AF_INET6 if node.family == "IPv6" else socket.AF_INET
    return NftablesMode(Nft(), SetElements(TABLE, number), NftReader(number), node)
