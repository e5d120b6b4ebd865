"""A layer's archive as a file tree that overlayfs can lay beneath others (OCI image spec, "Whiteouts")."""

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
            for member in tar:
                _place(tar, member, target)
        while hashing.read(1 << 20):
            pass
    return "sha256:" + hashing.digest.hexdigest()


def _place(tar: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    parts = [part for part in member.name.split("/") if part not in ("", ".")]
    if not parts:
        target.chmod(member.mode)
        return
    path = _inside(target, parts[:-1]) / parts[-1]
    if path.name == "..":
        raise ImageFault("ErrImagePull", f"layer has a path that leads outside: {member.name}")
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.name == OPAQUE:
        os.setxattr(path.parent, "trusted.overlay.opaque", b"y")
        return
    if path.name.startswith(WHITEOUT):
        hidden = path.with_name(path.name[len(WHITEOUT) :])
        if not os.path.lexists(hidden):  # what the layer itself has is not hidden by it
            os.mknod(hidden, stat.S_IFCHR, os.makedev(0, 0))
        return
    if path.is_symlink() or (path.exists() and not (path.is_dir() and member.isdir())):
        _remove(path)
    if member.islnk():
        source = [part for part in member.linkname.split("/") if part not in ("", ".")]
        os.link(_inside(target, source[:-1]) / source[-1], path, follow_symlinks=False)
        return
    member.name = str(path.relative_to(target))
    tar.extract(member, target, set_attrs=False, filter="fully_trusted", numeric_owner=True)
    os.lchown(path, member.uid, member.gid)
    if not member.issym():
        path.chmod(member.mode)
        os.utime(path, (member.mtime, member.mtime))


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
