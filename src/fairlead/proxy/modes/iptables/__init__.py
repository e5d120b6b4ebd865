"""kube-proxy's iptables mode: its chains, by its names."""

from fairlead.proxy.modes.iptables.apply import IptablesMode

__all__ = ["IptablesMode"]
