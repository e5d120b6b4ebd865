"""Debian's docker-registry, filled by the distribution API's own requests."""

import json
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.unit.runtime.images.layers import MANIFEST, Made, digest

INDEX = "application/vnd.oci.image.index.v1+json"


@dataclass(frozen=True, slots=True)
class Registry:
    host: str
    folder: Path

    def push(self, name: str, tag: str, made: Made) -> None:
        with httpx.Client(base_url=f"http://{self.host}/v2/{name}/") as client:
            for blob in (made.config, *made.layers):
                where = client.post("blobs/uploads/").raise_for_status().headers["location"]
                client.put(
                    httpx.URL(where).copy_merge_params({"digest": digest(blob)}), content=blob
                ).raise_for_status()
            self._put(client, tag, made.manifest, MANIFEST)

    def push_index(self, name: str, tag: str, made: dict[str, Made]) -> None:
        """One image for each architecture, beneath one tag."""
        entries = []
        for architecture, each in made.items():
            self.push(name, f"{tag}-{architecture}", each)
            platform = {"os": "linux", "architecture": architecture}
            described = {"mediaType": MANIFEST, "digest": digest(each.manifest), "size": len(each.manifest)}
            entries.append(described | {"platform": platform})
        index = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).encode()
        with httpx.Client(base_url=f"http://{self.host}/v2/{name}/") as client:
            self._put(client, tag, index, INDEX)

    @staticmethod
    def _put(client: httpx.Client, tag: str, data: bytes, media: str) -> None:
        client.put(f"manifests/{tag}", content=data, headers={"content-type": media}).raise_for_status()


@contextmanager
def serving(folder: Path) -> Iterator[Registry]:
    """On a free port of loopback; what is pushed stays beneath `folder`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{free.getsockname()[1]}"
    command = ["docker-registry", "serve", str(configured(folder, host))]
    with (folder / "log").open("w") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            for _ in range(100):
                try:
                    httpx.get(f"http://{host}/v2/")
                    break
                except httpx.TransportError:
                    time.sleep(0.05)
            yield Registry(host, folder)
        finally:
            process.kill()


def configured(folder: Path, host: str) -> Path:
    """The configuration of a registry at `host` that serves what is beneath `folder`."""
    path = folder / f"{host}.yml"
    storage = {"filesystem": {"rootdirectory": str(folder / "data")}, "delete": {"enabled": True}}
    path.write_text(json.dumps({"version": 0.1, "storage": storage, "http": {"addr": host}}))
    return path
