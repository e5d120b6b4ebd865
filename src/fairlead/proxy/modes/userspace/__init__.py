"""kube-proxy's oldest mode: rules lead every connection to this process, which carries it to an endpoint itself."""

from fairlead.proxy.modes.userspace.apply import UserspaceMode

__all__ = ["UserspaceMode"]
