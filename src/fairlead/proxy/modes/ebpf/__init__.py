"""Sockets dial endpoints themselves: programs at connect(2) and its kin, on the node's cgroup2 folder."""

from fairlead.proxy.modes.ebpf.apply import EbpfMode
from fairlead.proxy.modes.ebpf.attached import ProgramsError
from fairlead.proxy.modes.ebpf.programs import Programs, refused

__all__ = ["EbpfMode", "Programs", "ProgramsError", "refused"]
