"""Pulling by the distribution API: manifests, blobs by digest, tokens where a registry asks for them."""

import hashlib
import json
import os
import re
import tempfile
from typing import TYPE_CHECKING, Any

from fairlead.runtime.images import reference
from fairlead.runtime.images.reference import Reference
from fairlead.runtime.images.store import ImageStore
from fairlead.runtime.interface import Image, ImageFault, RegistryUnreachable

if TYPE_CHECKING:
    import httpx

Json = dict[str, Any]

ACCEPT = ", ".join(
    (
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
    )
)
SECONDS, CONNECT_SECONDS = 20.0, 5.0
ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm"}.get(os.uname().machine, os.uname().machine)


def pull(store: ImageStore, name: str) -> Image:
    """Blocks. Raises ImageFault with words like containerd's."""
    import httpx  # 100 ms that only a pull needs

    try:
        wanted = reference.parse(name)
    except reference.InvalidReferenceError as error:
        raise ImageFault("InvalidImageName", str(error)) from error
    try:
        with httpx.Client(
            base_url=_base(wanted), follow_redirects=True, timeout=httpx.Timeout(SECONDS, connect=CONNECT_SECONDS)
        ) as client:
            return _Pull(store, wanted, client).run()
    except (KeyError, TypeError, ValueError) as error:
        text = f'failed to pull and unpack image "{wanted}": the registry answered what is no image: {error!r}'
        raise ImageFault("ErrImagePull", text) from error
    except httpx.TransportError as error:
        text = f'failed to pull and unpack image "{wanted}": failed to resolve reference "{wanted}": {error}'
        raise RegistryUnreachable("ErrImagePull", text) from error
    except httpx.HTTPError as error:
        text = f'failed to pull and unpack image "{wanted}": failed to resolve reference "{wanted}": {error}'
        raise ImageFault("ErrImagePull", text) from error


def _base(wanted: Reference) -> str:
    """Registries on this machine speak plain HTTP, as for docker."""
    host = "registry-1.docker.io" if wanted.registry == reference.DEFAULT_REGISTRY else wanted.registry
    name = host.partition(":")[0]
    scheme = "http" if name == "localhost" or name.startswith("127.") else "https"
    return f"{scheme}://{host}"


class _Pull:
    def __init__(self, store: ImageStore, wanted: Reference, client: "httpx.Client") -> None:
        self._store = store
        self._wanted = wanted
        self._client = client
        self._headers: dict[str, str] = {}

    def run(self) -> Image:
        data = self._manifest(self._wanted.digest or self._wanted.tag)
        manifest = json.loads(data)
        if "manifests" in manifest:
            data = self._manifest(self._chosen(manifest["manifests"]))
            manifest = json.loads(data)
        config = self._get(f"blobs/{manifest['config']['digest']}").content
        self._check(config, manifest["config"]["digest"])
        for layer in manifest["layers"]:
            if not self._store.blob(layer["digest"]).exists():
                self._layer(layer["digest"])
        return self._store.add(self._wanted, data, config)

    def _manifest(self, name: str) -> bytes:
        data: bytes = self._get(f"manifests/{name}", accept=ACCEPT).content
        if name.startswith("sha256:"):
            self._check(data, name)
        return data

    def _chosen(self, manifests: list[Json]) -> str:
        for each in manifests:
            platform = each.get("platform") or {}
            if (platform.get("os"), platform.get("architecture")) == ("linux", ARCHITECTURE):
                return str(each["digest"])
        raise ImageFault("ErrImagePull", f'no match for platform in manifest: "{self._wanted}": not found')

    def _layer(self, digest: str) -> None:
        with tempfile.TemporaryFile() as file:
            with self._client.stream("GET", self._path(f"blobs/{digest}"), headers=self._headers) as answer:
                answer.raise_for_status()
                for chunk in answer.iter_bytes():
                    file.write(chunk)
            file.seek(0)
            self._store.add_layer(file, expected=digest)

    def _get(self, path: str, *, accept: str = "*/*") -> "httpx.Response":
        answer = self._client.get(self._path(path), headers={**self._headers, "accept": accept})
        if answer.status_code == 401 and not self._headers:
            self._authorize(answer.headers.get("www-authenticate", ""))
            answer = self._client.get(self._path(path), headers={**self._headers, "accept": accept})
        if answer.status_code == 404:
            text = f'failed to pull and unpack image "{self._wanted}": failed to resolve reference "{self._wanted}": '
            raise ImageFault("ErrImagePull", f"{text}{self._wanted}: not found")
        answer.raise_for_status()
        return answer

    def _authorize(self, challenge: str) -> None:
        """`Bearer realm="…",service="…",scope="…"`: an anonymous token."""
        given = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
        if not challenge.lower().startswith("bearer") or "realm" not in given:
            raise ImageFault("ErrImagePull", f"pull access denied for {self._wanted}: authorization failed")
        query = {key: given[key] for key in ("service", "scope") if key in given}
        answer = self._client.get(given["realm"], params=query)
        answer.raise_for_status()
        body = answer.json()
        self._headers = {"authorization": f"Bearer {body.get('token') or body.get('access_token')}"}

    def _path(self, rest: str) -> str:
        return f"/v2/{self._wanted.repository}/{rest}"

    @staticmethod
    def _check(data: bytes, digest: str) -> None:
        found = "sha256:" + hashlib.sha256(data).hexdigest()
        if found != digest:
            raise ImageFault("ErrImagePull", f"failed commit on ref: unexpected digest {found}, expected {digest}")
