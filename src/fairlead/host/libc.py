"""Calls of the C library that Python 3.11 does not have: setns, unshare, mount, umount2, prctl."""

import ctypes
import os
import re
from pathlib import Path

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWPID = (
    0x00020000,
    0x04000000,
    0x08000000,
    0x40000000,
    0x20000000,
)
CLONE_FS = 0x00000200
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = (
    1,
    2,
    4,
    8,
    32,
    4096,
    16384,
    1 << 18,
)
MNT_DETACH = 2
PR_SET_PDEATHSIG, PR_SET_NAME, PR_SET_CHILD_SUBREAPER = 1, 15, 36

_FREE = re.compile(r'<size from="(\d+)" to="(\d+)" total="\d+" count="(\d+)"/>')
_CHUNK_HEAD = 8  # bytes of a chunk that are the allocator's own

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def setns(fd: int, kind: int) -> None:
    """Moves the calling thread."""
    _check(_libc.setns(fd, kind), "setns")


def unshare(flags: int) -> None:
    """For the calling thread only, as far as the kernel allows."""
    _check(_libc.unshare(flags), "unshare")


def mount(source: str, target: str, kind: str = "", flags: int = 0, data: str = "") -> None:
    arguments = (source.encode(), target.encode(), kind.encode() or None, flags, data.encode() or None)
    _check(_libc.mount(*arguments), f"mount {source} on {target}")


def umount(target: str, flags: int = MNT_DETACH) -> None:
    _check(_libc.umount2(target.encode(), flags), f"umount {target}")


def sethostname(name: str) -> None:
    data = name.encode()
    _check(_libc.sethostname(data, len(data)), "sethostname")


def malloc_trim() -> None:
    """Gives free memory back to the kernel (malloc_trim(3)), where the C library can."""
    if hasattr(_libc, "malloc_trim"):
        _libc.malloc_trim(0)


def malloc(size: int) -> None:
    """Memory that nobody will use or give back."""
    _libc.malloc(ctypes.c_size_t(size))


def free_chunks(largest: int) -> list[tuple[int, int]]:
    """(size, how many) of the pieces that the C library has free in its main heap (malloc_info(3)); nothing where it
    does not tell."""
    if not hasattr(_libc, "malloc_info"):
        return []
    buffer, length = ctypes.c_void_p(), ctypes.c_size_t()
    _libc.open_memstream.restype = ctypes.c_void_p
    stream = ctypes.c_void_p(_libc.open_memstream(ctypes.byref(buffer), ctypes.byref(length)))
    _libc.malloc_info(0, stream)
    _libc.fclose(stream)
    if buffer.value is None:
        return []
    text = ctypes.string_at(buffer.value, length.value).decode().partition("</heap>")[0]
    _libc.free(buffer)
    found = [(int(low), int(high), int(count)) for low, high, count in _FREE.findall(text)]
    return [(low - _CHUNK_HEAD, count) for low, high, count in found if high <= largest]


def prctl(option: int, value: int) -> None:
    _check(_libc.prctl(option, value, 0, 0, 0), "prctl")


def set_process_name(name: str) -> None:
    """What `ps -e` and `pkill` see; 15 bytes."""
    _libc.prctl(PR_SET_NAME, ctypes.create_string_buffer(name.encode()[:15]), 0, 0, 0)


def set_command_line(text: str) -> None:
    """What `ps aux` and `pgrep -f` see: written over the argv that the process was started with, as far as there is
    room (proc_pid_stat(5), 48 and 49: arg_start, arg_end). The last byte stays NUL, or the environment would follow."""
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    begin, size = int(fields[45]), int(fields[46]) - int(fields[45])
    if begin and size > 1:
        ctypes.memmove(begin, text.encode()[: size - 1].ljust(size, b"\0"), size)
