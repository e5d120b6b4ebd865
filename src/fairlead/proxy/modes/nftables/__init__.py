"""The default mode: flat maps in nftables, one element a frontend and one an endpoint."""

from fairlead.proxy.modes.nftables.apply import NftablesMode
from fairlead.proxy.modes.nftables.skeleton import TABLE

__all__ = ["TABLE", "NftablesMode"]
