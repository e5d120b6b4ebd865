"""A layer's archive as a file tree that overlayfs can lay beneath others (OCI image spec, "Whiteouts")."""

import contextlib
import gzip
import hashlib
import os
import shutil
import stat
import tarfile
from pathlib import Path
from typing import IO, BinaryIO, cast

from fairlead.runtime.interface import ImageFault

WHITEOUT, OPAQUE = ".wh.", ".wh..wh..opq"
XATTR = "SCHILY.xattr."
OVERLAYS_OWN = ("SCHILY.xattr.trusted.overlay.opaque", "SCHILY.xattr.trusted.overlay.redirect")
MOST_STEPS = 4096  # of a path and the links on its way


class _Hashing:
    """Passes reads on and remembers what went through."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._source.read(size)
        self.digest.update(data)
        return data


def unpack(archive: Path, target: Path) -> str:
    """Returns the diff id: the digest of the uncompressed archive. Raises ImageFault for paths that lead outside."""
    target.mkdir()
    with archive.open("rb") as raw:
        compressed = raw.read(4)
        raw.seek(0)
        if compressed[:4] == b"\x28\xb5\x2f\xfd":
            raise ImageFault("ErrImagePull", "layer compressed with zstd: not supported, push it with gzip")
        source = cast(IO[bytes], gzip.GzipFile(fileobj=raw)) if compressed[:2] == b"\x1f\x8b" else raw
        hashing = _Hashing(source)
        with tarfile.open(fileobj=cast(BinaryIO, hashing), mode="r|") as tar:
            placing = _Placing(tar, target)
            for member in tar:
                placing.place(member)
        while hashing.read(1 << 20):
            pass
    return "sha256:" + hashing.digest.hexdigest()


class _Placing:
    """Members of one archive, in its order. Folders that were found once are not looked for again, until something that
    was there is replaced or a link is made."""

    def __init__(self, tar: tarfile.TarFile, target: Path) -> None:
        self._tar = tar
        self._target = target
        self._folders: dict[tuple[str, ...], Path] = {}

    def place(self, member: tarfile.TarInfo) -> None:
        parts = [part for part in member.name.split("/") if part not in ("", ".")]
        if not parts:
            self._target.chmod(member.mode)
            return
        if parts[-1] == "..":
            raise ImageFault("ErrImagePull", f"layer has a path that leads outside: {member.name}")
        path = self._folder(parts[:-1]) / parts[-1]
        if path.name == OPAQUE:
            os.setxattr(path.parent, "trusted.overlay.opaque", b"y")
        elif path.name.startswith(WHITEOUT):
            hidden = path.with_name(path.name[len(WHITEOUT) :])
            if not os.path.lexists(hidden):  # what the layer itself has is not hidden by it
                os.mknod(hidden, stat.S_IFCHR, os.makedev(0, 0))
        else:
            self._clear(path, member)
            self._make(path, member)

    def _folder(self, parts: list[str]) -> Path:
        key = tuple(parts)
        found = self._folders.get(key)
        if found is None:
            found = _inside(self._target, parts)
            found.mkdir(parents=True, exist_ok=True)
            self._folders[key] = found
        return found

    def _clear(self, path: Path, member: tarfile.TarInfo) -> None:
        """What the archive had at that place before; only folders add up."""
        if os.path.lexists(path) and not (member.isdir() and path.is_dir() and not path.is_symlink()):
            _remove(path)
            self._folders.clear()
        if member.issym():
            self._folders.clear()

    def _make(self, path: Path, member: tarfile.TarInfo) -> None:
        if member.islnk():
            source = [part for part in member.linkname.split("/") if part not in ("", ".")]
            os.link(_inside(self._target, source[:-1]) / source[-1], path, follow_symlinks=False)
            return
        if member.isdir():
            path.mkdir(exist_ok=True)
        elif member.issym():
            path.symlink_to(member.linkname)
        elif member.isfifo():
            os.mkfifo(path)
        elif member.isdev():
            kind = stat.S_IFCHR if member.ischr() else stat.S_IFBLK
            os.mknod(path, kind, os.makedev(member.devmajor, member.devminor))
        else:
            self._tar.makefile(member, path)
        os.chown(path, member.uid, member.gid, follow_symlinks=False)
        if not member.issym():
            path.chmod(member.mode)
            os.utime(path, (member.mtime, member.mtime))
            _give_attributes(path, member)


def _give_attributes(path: Path, member: tarfile.TarInfo) -> None:
    """Extended ones: capabilities of programs are there. What this file system cannot keep is left out."""
    for key, value in member.pax_headers.items():
        if key.startswith(XATTR) and key not in OVERLAYS_OWN:
            with contextlib.suppress(OSError):
                os.setxattr(path, key.removeprefix(XATTR), value.encode("utf-8", "surrogateescape"))


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _inside(root: Path, parts: list[str]) -> Path:
    """Where a path leads for whom `root` is `/`: symbolic links and `..` never lead out of it."""
    path, waiting = root, list(reversed(parts))
    for _ in range(MOST_STEPS):
        if not waiting:
            return path
        part = waiting.pop()
        if part in ("", "."):
            continue
        if part == "..":
            path = path.parent if path != root else root
            continue
        step = path / part
        if not step.is_symlink():
            path = step
            continue
        link = str(step.readlink())
        if link.startswith("/"):
            path = root
        waiting += reversed(link.split("/"))
    raise ImageFault("ErrImagePull", f"layer has too many levels of symbolic links: {'/'.join(parts)}")
