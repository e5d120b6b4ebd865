"""A layer's archive as a file tree that overlayfs can lay beneath others (OCI image spec, "Whiteouts")."""

import gzip
import hashlib
import os
import stat
import tarfile
from pathlib import Path
from typing import IO, BinaryIO, cast

from fairlead.runtime.interface import ImageFault

WHITEOUT, OPAQUE = ".wh.", ".wh..wh..opq"


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
            for member in tar:
                _place(tar, member, target)
        while hashing.read(1 << 20):
            pass
    return "sha256:" + hashing.digest.hexdigest()


def _place(tar: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    name = member.name.lstrip("/").removeprefix("./")
    if name in ("", "."):
        target.chmod(member.mode)
        return
    path = target / name
    if ".." in Path(name).parts:
        raise ImageFault("ErrImagePull", f"layer has a path that leads outside: {member.name}")
    _safe_parent(target, path.parent)
    if path.name == OPAQUE:
        os.setxattr(path.parent, "trusted.overlay.opaque", b"y")
        return
    if path.name.startswith(WHITEOUT):
        os.mknod(path.with_name(path.name[len(WHITEOUT) :]), stat.S_IFCHR, os.makedev(0, 0))
        return
    if member.islnk():
        source = target / member.linkname.lstrip("/").removeprefix("./")
        if ".." in Path(member.linkname).parts:
            raise ImageFault("ErrImagePull", f"layer has a link that leads outside: {member.linkname}")
        _safe_parent(target, source.parent)
        path.unlink(missing_ok=True)
        os.link(source, path, follow_symlinks=False)
        return
    if path.is_symlink() or (path.exists() and not (path.is_dir() and member.isdir())):
        path.unlink()
    member.name = name
    tar.extract(member, target, set_attrs=False, filter="fully_trusted", numeric_owner=True)
    os.lchown(path, member.uid, member.gid)
    if not member.issym():
        path.chmod(member.mode)
        os.utime(path, (member.mtime, member.mtime))


def _safe_parent(root: Path, folder: Path) -> None:
    """Makes what is missing; a symbolic link on the way is not followed out of the tree."""
    folder.mkdir(parents=True, exist_ok=True)
    if not folder.resolve().is_relative_to(root.resolve()):
        raise ImageFault("ErrImagePull", f"layer has a path that leads outside: {folder}")
