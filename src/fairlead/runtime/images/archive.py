"""Archives of images: what `docker save` and `skopeo copy oci-archive:` write."""

import gzip
import json
import tarfile
from pathlib import Path
from typing import Any, BinaryIO, cast

from fairlead.runtime.images import reference
from fairlead.runtime.images.store import CONFIG, LAYER, MANIFEST, ImageStore
from fairlead.runtime.interface import ImageFault

Json = dict[str, Any]


def load(store: ImageStore, path: Path) -> list[str]:
    """The names loaded. Raises ImageFault for what is no archive of images, OSError."""
    with path.open("rb") as start:
        compressed = start.read(2) == b"\x1f\x8b"
    raw: Any = gzip.open(path) if compressed else path.open("rb")  # noqa: SIM115  # closed by the block below
    try:
        with raw, tarfile.open(fileobj=raw) as tar:
            members = {member.name.removeprefix("./"): member for member in tar.getmembers()}
            for head, read in (("manifest.json", _docker), ("index.json", _oci)):
                if head not in members:
                    continue
                try:
                    return read(store, tar, members)
                except (KeyError, TypeError, ValueError) as error:
                    why = f"{path}: {head} does not describe images: {type(error).__name__}: {error}"
                    raise ImageFault("ErrImagePull", why) from error
    except tarfile.TarError as error:
        raise ImageFault("ErrImagePull", f"{path}: not a tar archive: {error}") from error
    raise ImageFault("ErrImagePull", f"{path}: neither a docker nor an OCI archive: no manifest.json, no index.json")


def _read(tar: tarfile.TarFile, members: dict[str, tarfile.TarInfo], name: str) -> BinaryIO:
    member = members.get(name)
    file = tar.extractfile(member) if member is not None else None
    if file is None:
        raise ImageFault("ErrImagePull", f"the archive lacks {name}")
    return cast(BinaryIO, file)


def _docker(store: ImageStore, tar: tarfile.TarFile, members: dict[str, tarfile.TarInfo]) -> list[str]:
    names = []
    for entry in json.loads(_read(tar, members, "manifest.json").read()):
        config = _read(tar, members, entry["Config"]).read()
        layers = []
        for name in entry["Layers"]:
            digest, size, _ = store.add_layer(_read(tar, members, name))
            layers.append({"mediaType": LAYER, "digest": digest, "size": size})
        manifest = manifest_of(store, config, layers)
        for tag in entry.get("RepoTags") or ():
            store.add(reference.parse(tag), manifest, config)
            names.append(tag)
    return names


def _oci(store: ImageStore, tar: tarfile.TarFile, members: dict[str, tarfile.TarInfo]) -> list[str]:
    names = []
    for entry in json.loads(_read(tar, members, "index.json").read())["manifests"]:
        data = _read(tar, members, _blob(entry["digest"])).read()
        manifest = json.loads(data)
        if "manifests" in manifest:
            chosen = next(
                (m for m in manifest["manifests"] if m.get("platform", {}).get("architecture") == "amd64"), None
            )
            if chosen is None:
                raise ImageFault("ErrImagePull", "the archive has no image for linux/amd64")
            data = _read(tar, members, _blob(chosen["digest"])).read()
            manifest = json.loads(data)
        config = _read(tar, members, _blob(manifest["config"]["digest"])).read()
        for layer in manifest["layers"]:
            store.add_layer(_read(tar, members, _blob(layer["digest"])), expected=layer["digest"])
        annotations = entry.get("annotations") or {}
        name = annotations.get("io.containerd.image.name") or annotations.get("org.opencontainers.image.ref.name")
        if not name:
            raise ImageFault("ErrImagePull", "the archive does not name its image: org.opencontainers.image.ref.name")
        store.add(reference.parse(name), data, config)
        names.append(name)
    return names


def _blob(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/")


def manifest_of(store: ImageStore, config: bytes, layers: list[Json]) -> bytes:
    digest = store.add_blob(config)
    described = {"mediaType": CONFIG, "digest": digest, "size": len(config)}
    return json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": described, "layers": layers}).encode()
