"""An archive of a root file system as it grows: every path once, folders before what is in them, /usr merged as on
Debian, everything root's own."""

import io
import os
import struct
import tarfile
from pathlib import Path

MERGED = ("bin", "sbin", "lib", "lib64")
FOLDERS = (("/tmp", 0o1777), ("/var/tmp", 0o1777), ("/root", 0o700), ("/run", 0o755), ("/etc", 0o755))
# security.capability, revision 2, effective: cap_net_bind_service (linux/capability.h).
_BIND = struct.pack("<5I", 0x02000001, 1 << 10, 0, 0, 0)


class Tree:
    def __init__(self, tar: tarfile.TarFile, bound_ports: tuple[str, ...] = ()) -> None:
        self._tar = tar
        self._there: set[str] = set()
        self._bound_ports = frozenset(bound_ports)

    def base(self, user: str) -> None:
        for name in MERGED:
            self.folder(f"/usr/{name}")
            self.link(f"/{name}", f"usr/{name}")
        for folder, mode in FOLDERS:
            self.folder(folder, mode)
        passwd = f"root:x:0:0:root:/root:/bin/sh\n{user}:x:101:101:{user}:/nonexistent:/bin/false\n"
        self.text("/etc/passwd", passwd)
        self.text("/etc/group", f"root:x:0:\n{user}:x:101:\n")
        self.text("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n")

    def copy(self, path: str, target: str = "") -> None:
        """A file of this machine, at its own place or at `target`; a link with what it leads to."""
        source = Path(path)
        if not (source.is_symlink() or source.exists()):
            return
        place = merged(target or path)
        if target and source.is_symlink():
            source = source.resolve()
        if source.is_symlink():
            to = str(source.readlink())
            self.link(place, to)
            leads_to = os.path.normpath(source.parent / to)
            if leads_to.startswith("/") and Path(leads_to).is_file() and not leads_to.startswith("/proc"):
                self.copy(leads_to)
        elif source.is_dir():
            self.folder(place, source.stat().st_mode & 0o7777)
        elif source.is_file() and place not in self._there:
            self._file(source, place)

    def folder(self, path: str, mode: int = 0o755) -> None:
        path = merged(path)
        if path in self._there or path == "/":
            return
        self._parents(path)
        self._there.add(path)
        info = tarfile.TarInfo(path.lstrip("/"))
        info.type, info.mode = tarfile.DIRTYPE, mode
        self._tar.addfile(info)

    def link(self, path: str, target: str) -> None:
        if path in self._there:
            return
        self._parents(path)
        self._there.add(path)
        info = tarfile.TarInfo(path.lstrip("/"))
        info.type, info.linkname, info.mode = tarfile.SYMTYPE, target, 0o777
        self._tar.addfile(info)

    def text(self, path: str, text: str, mode: int = 0o644) -> None:
        path = merged(path)
        if path in self._there:
            return
        self._parents(path)
        self._there.add(path)
        data = text.encode()
        info = tarfile.TarInfo(path.lstrip("/"))
        info.size, info.mode = len(data), mode
        self._tar.addfile(info, io.BytesIO(data))

    def _file(self, source: Path, place: str) -> None:
        self._parents(place)
        self._there.add(place)
        info = self._tar.gettarinfo(source, arcname=place.lstrip("/"))
        info.type, info.linkname = tarfile.REGTYPE, ""  # a second name of one file is a file of its own here
        info.uid = info.gid = 0
        info.uname = info.gname = "root"
        info.size, info.mtime = source.stat().st_size, int(info.mtime)
        if place in self._bound_ports:
            info.pax_headers = {"SCHILY.xattr.security.capability": _BIND.decode("latin-1")}
        with source.open("rb") as opened:
            self._tar.addfile(info, opened)

    def _parents(self, path: str) -> None:
        parent = path.rpartition("/")[0]
        if parent:
            self.folder(parent)


def merged(path: str) -> str:
    """`/bin/sh` → `/usr/bin/sh`."""
    first = path.lstrip("/").partition("/")[0]
    return f"/usr{path}" if first in MERGED and path.lstrip("/") != first else path
