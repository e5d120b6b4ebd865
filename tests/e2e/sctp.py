"""Associations of SCTP by libusrsctp: a stack of its own on raw sockets, for kernels that have none.

A program that runs once in a network, as its raw sockets see all SCTP there and abort what is not its own:

    sctp.py ADDRESS PORT ask FILE       one after another, until there is such a file: when each began, and whether what
                                        it said came back
    sctp.py ADDRESS PORT keep NUMBER    so many stay; after each line that it reads, on how many that is so
"""

import ctypes
import errno
import json
import os
import socket
import struct
import sys
import time
from pathlib import Path

IPPROTO_SCTP = 132
READABLE, WRITABLE = 1, 2  # of usrsctp_get_events()
PATIENCE = 0.9
SAID = b"hello\n"

library = ctypes.CDLL("libusrsctp.so.2", use_errno=True)


class Association:
    def __init__(self, address: str, port: int) -> None:
        library.usrsctp_socket.restype = ctypes.c_void_p
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        packed = socket.inet_pton(family, address)
        rest = struct.pack("=4x16s4x" if family == socket.AF_INET6 else "=4s8x", packed)
        self._peer = struct.pack("=H", family) + struct.pack("!H", port) + rest
        made = library.usrsctp_socket(family, socket.SOCK_STREAM, IPPROTO_SCTP, None, None, 0, None)
        self._socket = ctypes.c_void_p(made)
        library.usrsctp_set_non_blocking(self._socket, 1)

    def connect(self) -> bool:
        done = library.usrsctp_connect(self._socket, self._peer, len(self._peer)) == 0
        return done or (ctypes.get_errno() == errno.EINPROGRESS and self._becomes(WRITABLE))

    def echoes(self) -> bool:
        """Whether a message comes back within PATIENCE."""
        said = library.usrsctp_sendv(self._socket, SAID, len(SAID), None, 0, None, 0, 0, 0)
        return said == len(SAID) and self._becomes(READABLE) and self._heard() == SAID

    def _becomes(self, event: int) -> bool:
        deadline = time.monotonic() + PATIENCE
        while not library.usrsctp_get_events(self._socket) & event:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.001)
        return True

    def _heard(self) -> bytes:
        buffer, size, kind, flags = (ctypes.create_string_buffer(100), *(ctypes.c_int(0) for _ in range(3)))
        rest = (None, None, None, ctypes.byref(size), ctypes.byref(kind), ctypes.byref(flags))
        length = library.usrsctp_recvv(self._socket, buffer, 100, *rest)
        return buffer.raw[: max(length, 0)]

    def close(self) -> None:
        library.usrsctp_close(self._socket)


def ask(address: str, port: int, end: str) -> None:
    found = []
    while not Path(end).exists():
        began = time.monotonic()
        association = Association(address, port)
        found.append((began, association.connect() and association.echoes()))
        association.close()
        time.sleep(0.01)
    say(json.dumps(found))


def keep(address: str, port: int, number: int) -> None:
    kept = [Association(address, port) for _ in range(number)]
    say(str(sum(each.connect() for each in kept)))
    for _ in sys.stdin:
        say(str(sum(each.echoes() for each in kept)))


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    library.usrsctp_init(0, None, None)
    _, to, at, what, much = sys.argv
    if what == "ask":
        ask(to, int(at), much)
    else:
        keep(to, int(at), int(much))
    os._exit(0)  # its threads run on
