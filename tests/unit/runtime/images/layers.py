"""Layers and archives of images, as docker writes them."""

import gzip
import hashlib
import io
import json
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Json = dict[str, Any]

LAYER, CONFIG, MANIFEST = (
    f"application/vnd.oci.image.{kind}" for kind in ("layer.v1.tar+gzip", "config.v1+json", "manifest.v1+json")
)


def digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def layer(*members: tuple[str, str, str], attributes: dict[str, dict[str, str]] | None = None) -> bytes:
    """An uncompressed tar of (kind, path, content or link): kinds are file, dir, link, hard. `attributes`: extended,
    by path."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for kind, path, content in members:
            info = tarfile.TarInfo(path)
            info.type = {"file": tarfile.REGTYPE, "dir": tarfile.DIRTYPE, "link": tarfile.SYMTYPE}.get(
                kind, tarfile.LNKTYPE
            )
            info.mode = 0o755
            data = content.encode() if kind == "file" else b""
            info.size = len(data)
            given = (attributes or {}).get(path, {})
            info.pax_headers = {f"SCHILY.xattr.{name}": value for name, value in given.items()}
            info.linkname = "" if kind in ("file", "dir") else content
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


@dataclass(frozen=True, slots=True)
class Made:
    """An image's blobs: `layers` compressed, in order."""

    config: bytes
    layers: tuple[bytes, ...]

    @property
    def manifest(self) -> bytes:
        layers = [{"mediaType": LAYER, "digest": digest(data), "size": len(data)} for data in self.layers]
        config = {"mediaType": CONFIG, "digest": digest(self.config), "size": len(self.config)}
        return json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers}).encode()


def image(*layers: bytes, **config: Any) -> Made:
    described = {
        "architecture": "amd64",
        "os": "linux",
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": [digest(data) for data in layers]},
    }
    return Made(json.dumps(described).encode(), tuple(gzip.compress(data, mtime=0) for data in layers))


def _tar(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def docker_archive(path: Path, made: Made, *tags: str) -> Path:
    """As `docker save`."""
    names = [f"{number}/layer.tar" for number in range(len(made.layers))]
    manifest = [{"Config": "config.json", "RepoTags": list(tags), "Layers": names}]
    layers = {name: gzip.decompress(data) for name, data in zip(names, made.layers, strict=True)}
    return _tar(path, {"manifest.json": json.dumps(manifest).encode(), "config.json": made.config, **layers})


def oci_archive(path: Path, made: Made, tag: str) -> Path:
    """As `skopeo copy … oci-archive:`."""
    entry = {
        "mediaType": MANIFEST,
        "digest": digest(made.manifest),
        "size": len(made.manifest),
        "annotations": {"org.opencontainers.image.ref.name": tag},
    }
    blobs = {f"blobs/sha256/{digest(data)[7:]}": data for data in (made.manifest, made.config, *made.layers)}
    index = json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode()
    return _tar(path, {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}', "index.json": index, **blobs})
