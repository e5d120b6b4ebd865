"""Images on disk: an OCI layout of blobs by digest, an index of names, and each layer unpacked once.

`blobs/sha256/…`, `index.json`, `layers/<diff id>/`: what is there under its name is complete, because everything is
made beside it and renamed.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import tarfile
import time
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from fairlead.runtime.images import reference, unpack
from fairlead.runtime.images.reference import Reference
from fairlead.runtime.interface import Image, ImageFault

Json = dict[str, Any]
Layer = tuple[str, int, str]  # digest, size, diff id

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Listed:
    name: str
    id: str
    size: int
    created: float


class ImageStore:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for part in ("blobs/sha256", "layers", "tmp"):
            (folder / part).mkdir(parents=True, exist_ok=True)

    # Reading.

    def resolve(self, name: str) -> Image | None:
        """None: not here. Raises ImageFault (InvalidImageName)."""
        entry = self._index().get(str(_parsed(name)))
        return None if entry is None else self._image(name, entry["digest"])

    def list(self) -> list[Listed]:
        found = []
        for name, entry in sorted(self._index().items()):
            manifest = json.loads(self.blob(entry["digest"]).read_bytes())
            size = sum(layer["size"] for layer in manifest["layers"])
            found.append(Listed(reference.parse(name).familiar, manifest["config"]["digest"], size, entry["at"]))
        return found

    def layers(self, name: str) -> tuple[Layer, ...]:
        """(digest, size, diff id) of each. Raises ImageFault where the image is not here."""
        entry = self._index().get(str(_parsed(name)))
        if entry is None:
            raise ImageFault("ErrImageNeverPull", f"No such image: {name}")
        manifest = json.loads(self.blob(entry["digest"]).read_bytes())
        described = json.loads(self.blob(manifest["config"]["digest"]).read_bytes())
        pairs = zip(manifest["layers"], described["rootfs"]["diff_ids"], strict=True)
        return tuple((layer["digest"], layer["size"], diff_id) for layer, diff_id in pairs)

    def blob(self, digest: str) -> Path:
        return self.folder / "blobs" / digest.replace(":", "/")

    def _image(self, name: str, digest: str) -> Image:
        manifest = json.loads(self.blob(digest).read_bytes())
        described = json.loads(self.blob(manifest["config"]["digest"]).read_bytes())
        config: Json = described.get("config") or {}
        return Image(
            id=manifest["config"]["digest"],
            reference=name,
            layers=tuple(self._layer(diff) for diff in described["rootfs"]["diff_ids"]),
            entrypoint=tuple(config.get("Entrypoint") or ()),
            command=tuple(config.get("Cmd") or ()),
            env=tuple(config.get("Env") or ()),
            working_dir=config.get("WorkingDir") or "",
            user=config.get("User") or "",
            stop_signal=config.get("StopSignal") or "SIGTERM",
            labels=config.get("Labels") or {},
        )

    def _layer(self, diff_id: str) -> Path:
        return self.folder / "layers" / diff_id.partition(":")[2]

    def _index(self) -> Json:
        try:
            index: Json = json.loads((self.folder / "index.json").read_text())
        except FileNotFoundError:
            return {}
        return index

    # Writing.

    def add(self, name: Reference, manifest: bytes, config: bytes) -> Image:
        """Names an image whose layers were `add_layer`ed."""
        self.add_blob(config)
        digest = self.add_blob(manifest)
        with self._changing() as index:
            index[str(name)] = {"digest": digest, "at": time.time()}
        return self._image(name.familiar, digest)

    def add_blob(self, data: bytes) -> str:
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        self._write(self.blob(digest), data)
        return digest

    def add_layer(self, tar: IO[bytes], *, expected: str = "", keep: bool = True) -> Layer:
        """Reads a layer (compressed or not), keeps and unpacks it; without `keep` only what was unpacked stays. Returns
        its digest, size and diff id. Raises ImageFault where the digest is not the expected one."""
        temporary = self.folder / "tmp" / f"{os.getpid()}-{time.monotonic_ns()}"
        digest = hashlib.sha256()
        size = 0
        with temporary.open("wb") as out:
            while block := tar.read(_BLOCK):
                digest.update(block)
                size += len(block)
                out.write(block)
        name = "sha256:" + digest.hexdigest()
        if expected and name != expected:
            temporary.unlink()
            raise ImageFault("ErrImagePull", f"failed commit on ref: unexpected digest {name}, expected {expected}")
        tree = temporary.with_suffix(".tree")
        try:
            diff_id = unpack.unpack(temporary, tree)
        except (ImageFault, tarfile.TarError, zlib.error, EOFError, OSError) as error:
            temporary.unlink()
            shutil.rmtree(tree, ignore_errors=True)
            raise ImageFault("ErrImagePull", f"failed to extract layer {name}: {error}") from error
        target = self._layer(diff_id)
        if target.exists():
            shutil.rmtree(tree)
        else:
            tree.rename(target)
        if keep:
            temporary.replace(self.blob(name))
        else:
            temporary.unlink()
        return name, size, diff_id

    def tag(self, source: str, target: str) -> None:
        """Raises ImageFault where `source` is not here."""
        with self._changing() as index:
            entry = index.get(str(_parsed(source)))
            if entry is None:
                raise ImageFault("ErrImageNeverPull", f"No such image: {source}")
            index[str(_parsed(target))] = entry

    def remove(self, name: str) -> None:
        """Takes the name away, and what no other name leads to. Raises ImageFault where it is not here."""
        with self._changing() as index:
            if index.pop(str(_parsed(name)), None) is None:
                raise ImageFault("ErrImageNeverPull", f"No such image: {name}")
        self._collect(entry["digest"] for entry in index.values())

    def _collect(self, kept: Iterable[str]) -> None:
        blobs: set[str] = set()
        layers: set[str] = set()
        for digest in kept:
            manifest = json.loads(self.blob(digest).read_bytes())
            blobs |= {digest, manifest["config"]["digest"], *(layer["digest"] for layer in manifest["layers"])}
            config = json.loads(self.blob(manifest["config"]["digest"]).read_bytes())
            layers |= {diff.partition(":")[2] for diff in config["rootfs"]["diff_ids"]}
        for path in (self.folder / "blobs/sha256").iterdir():
            if f"sha256:{path.name}" not in blobs:
                path.unlink()
        for path in (self.folder / "layers").iterdir():
            if path.name not in layers:
                shutil.rmtree(path, ignore_errors=True)

    @contextlib.contextmanager
    def locked(self, name: str) -> Iterator[None]:
        """Nobody else on this machine is in here with the same name: agents share the store."""
        path = self.folder / "locks" / hashlib.sha256(name.encode()).hexdigest()
        path.parent.mkdir(exist_ok=True)
        with path.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    @contextlib.contextmanager
    def _changing(self) -> Iterator[Json]:
        """The index, written when it is left without an exception."""
        with self.locked("index.json"):
            index = self._index()
            yield index
            self._write(self.folder / "index.json", json.dumps(index, indent=1).encode())

    def _write(self, path: Path, data: bytes) -> None:
        temporary = self.folder / "tmp" / f"{os.getpid()}-{time.monotonic_ns()}"
        temporary.write_bytes(data)
        temporary.replace(path)


def _parsed(name: str) -> Reference:
    try:
        return reference.parse(name)
    except reference.InvalidReferenceError as error:
        raise ImageFault("InvalidImageName", str(error)) from error
