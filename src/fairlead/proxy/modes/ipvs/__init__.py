"""kube-proxy's ipvs mode: virtual servers of the kernel, IP sets, and a few rules of iptables that are about these."""

from fairlead.proxy.modes.ipvs.apply import IpvsMode
from fairlead.proxy.modes.ipvs.kernel import DEVICE, Kernel

__all__ = ["DEVICE", "IpvsMode", "Kernel"]
