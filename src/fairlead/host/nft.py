"""nftables by libnftables, in this process and in its network namespace: no program is started for a change."""

import ctypes
import ctypes.util
import os
import socket
import sys
from pathlib import Path

NETLINK_NETFILTER = 12


class NftError(Exception):
    """A script that the kernel or the parser refused. Nothing of it was applied."""


class Nft:
    """Raises OSError where the library is not installed."""

    def __init__(self) -> None:
        library = ctypes.CDLL(ctypes.util.find_library("nftables") or "libnftables.so.1")
        library.nft_ctx_new.restype = ctypes.c_void_p
        library.nft_ctx_new.argtypes = [ctypes.c_uint32]
        library.nft_run_cmd_from_buffer.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
        for name in ("nft_ctx_buffer_output", "nft_ctx_buffer_error", "nft_ctx_free"):
            getattr(library, name).argtypes = [ctypes.c_void_p]
        for name in ("nft_ctx_get_output_buffer", "nft_ctx_get_error_buffer"):
            getattr(library, name).argtypes = [ctypes.c_void_p]
            getattr(library, name).restype = ctypes.c_char_p
        self._library = library
        self._context = library.nft_ctx_new(0)
        library.nft_ctx_buffer_output(self._context)
        library.nft_ctx_buffer_error(self._context)

    def run(self, script: str) -> str:
        """All commands in one transaction; what they print. Raises NftError."""
        failed = self._library.nft_run_cmd_from_buffer(self._context, script.encode())
        output: bytes = self._library.nft_ctx_get_output_buffer(self._context) or b""
        errors: bytes = self._library.nft_ctx_get_error_buffer(self._context) or b""
        if failed:
            raise NftError(errors.decode(errors="replace").strip() or "nft failed without a word")
        return output.decode(errors="replace")

    def run_apart(self, script: str) -> None:
        """As `run`, by a child: what the library takes for a long script is gone with it. Raises NftError."""
        ours, theirs = os.pipe()
        pid = os.fork()
        if pid == 0:
            self._run_in_child(script, theirs)
        os.close(theirs)
        with os.fdopen(ours, "rb") as told:
            said = told.read().decode(errors="replace")
        _, status = os.waitpid(pid, 0)
        if said or status:
            raise NftError(said or "the child has ended")

    def _run_in_child(self, script: str, told: int) -> None:
        """Does not return."""
        try:
            self.run(script)
        except NftError as error:
            os.write(told, str(error).encode())
        finally:
            os._exit(0)

    def close(self) -> None:
        self._library.nft_ctx_free(self._context)


def run_and_own(script: str) -> int:
    """For a table with `flags owner` (nft(8)): a descriptor of the socket that owns it. When its last copy is closed,
    the kernel takes the table away. A child runs the script, so that the library takes no memory here. Raises
    NftError, OSError."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pid = os.fork()
    if pid == 0:
        _own_in_child(script, theirs)
    with ours:
        theirs.close()
        ours.settimeout(10)
        try:
            told, descriptors, _, _ = socket.recv_fds(ours, 65536, 1)
        finally:
            os.waitpid(pid, 0)
    if not descriptors:
        raise NftError(told.decode(errors="replace") or "the child has ended")
    os.set_inheritable(descriptors[0], False)
    return descriptors[0]


def _own_in_child(script: str, parent: socket.socket) -> None:
    """Does not return."""
    try:
        nft = Nft()
        nft.run(script)
        socket.send_fds(parent, [b"done"], [_netlink_socket()])
    except (NftError, OSError) as error:
        parent.send(str(error).encode())
    finally:
        sys.stdout.flush()
        os._exit(0)


def _netlink_socket() -> int:
    """The library's: of the netfilter family (12), and the last that was opened."""
    found = []
    for path in Path("/proc/self/fd").iterdir():
        try:
            with socket.socket(fileno=os.dup(int(path.name))) as copy:
                if copy.family == socket.AF_NETLINK and copy.proto == NETLINK_NETFILTER:
                    found.append(int(path.name))
        except OSError:  # no socket, or the directory's own descriptor
            continue
    if not found:
        raise OSError("libnftables has no socket")
    return max(found)
