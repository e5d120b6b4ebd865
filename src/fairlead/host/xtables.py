"""How large the tables of iptables-legacy are: all that the kernel tells of them without copying every rule
(linux/netfilter_ipv4/ip_tables.h)."""

import ctypes
import errno
import os
import socket
import struct
from pathlib import Path

from fairlead.host import namespaces

GET_INFO = 64  # IPT_SO_GET_INFO, IP6T_SO_GET_INFO
_INFO = struct.Struct("=32s13I")  # name, hooks, where each begins and ends; entries and their size at the end
_libc = ctypes.CDLL(None, use_errno=True)


class TableSizes:
    """Of one family, in one network."""

    def __init__(self, *, ipv6: bool = False, namespace: Path | None = None) -> None:
        family, self._level = (socket.AF_INET6, socket.IPPROTO_IPV6) if ipv6 else (socket.AF_INET, socket.IPPROTO_IP)

        def make() -> socket.socket:
            return socket.socket(family, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.IPPROTO_RAW)

        self._socket = make() if namespace is None else namespaces.run_in(namespace, make)

    def of(self, table: str) -> tuple[int, int]:
        """Entries and bytes; a table that was not there is made by the kernel, once it knows tables at all. Raises
        OSError."""
        buffer = ctypes.create_string_buffer(table.encode(), _INFO.size)
        size = ctypes.c_uint32(_INFO.size)
        done = _libc.getsockopt(self._socket.fileno(), self._level, GET_INFO, buffer, ctypes.byref(size))
        if done != 0:
            number = ctypes.get_errno()
            if number in (
                errno.ENOPROTOOPT,
                errno.ENOENT,
            ):  # before its module is loaded, by the first who writes rules
                return 0, 0
            raise OSError(number, f"iptables-legacy, table {table}: {os.strerror(number)}")
        entries, length = _INFO.unpack(buffer.raw)[-2:]
        return entries, length
