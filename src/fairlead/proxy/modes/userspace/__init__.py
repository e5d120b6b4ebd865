"""kube-proxy's oldest mode: rules lead every connection to this process, which carries it to an endpoint itself."""

import socket

from fairlead.host.nft import Nft
from fairlead.host.nft_reader import NftReader
from fairlead.proxy.mode import Node
from fairlead.proxy.modes.userspace.apply import UserspaceMode

__all__ = ["UserspaceMode", "userspace"]


def userspace(node: Node) -> UserspaceMode:
    """In this process's network. Raises OSError."""
    return UserspaceMode(Nft(), NftReader(socket.AF_INET6 if node.family == "IPv6" else socket.AF_INET), node)
