"""Images that this machine makes itself, each into an empty store and found again, beside copying the same files; and
section 5.1: from the manifests of ingress-nginx to a controller that is ready."""

import asyncio
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import uvloop

from bench.cluster import Cluster, cluster
from bench.result import Result
from fairlead.api import yaml
from fairlead.api.resources import BY_KIND
from fairlead.client.rest import Client
from fairlead.runtime.images import from_package
from fairlead.runtime.images.store import ImageStore

CONTROLLER = Path(__file__).parent.parent / "examples/chapter/ingress-controller"
NAMES = ("nginx", "tomcat", "ingress-controller")
SECONDS, ROUNDS = 60.0, 5


def run() -> Iterator[Result]:
    with tempfile.TemporaryDirectory() as name:
        for package in NAMES:
            yield from _made(Path(name) / package, package)
    with cluster() as running:
        for number, seconds in enumerate(uvloop.run(_ready(running))):
            what = "the first time" if not number else f"again, median of {ROUNDS - 1}"
            yield Result(f"from ingress-nginx's manifests to Ready, {what}", seconds, "s", target="< 5")


def _made(folder: Path, package: str) -> Iterator[Result]:
    store = ImageStore(folder / "images")
    began = time.perf_counter()
    made = from_package.make(store, package)
    seconds = time.perf_counter() - began
    began = time.perf_counter()
    assert from_package.find(store, package) is not None
    found = time.perf_counter() - began
    began = time.perf_counter()
    for number, layer in enumerate(made.layers):
        subprocess.run(["cp", "-a", layer, folder / f"copy{number}"], check=True)
    copied = time.perf_counter() - began
    shutil.rmtree(folder)
    yield Result(f"the image {package}, made", seconds, "s", "cp -a of its files", copied, "< 3")
    yield Result("  found again", found * 1e3, "ms")


async def _ready(running: Cluster) -> tuple[float, float]:
    client = Client(running.config)
    try:
        took = []
        for _ in range(ROUNDS):
            began = time.perf_counter()
            for path in sorted(CONTROLLER.glob("*.yaml")):
                for obj in yaml.parse_all(path.read_text()):
                    await client.create(_row(obj), obj, obj["metadata"].get("namespace"))
            await _until(lambda: _available(client), "available")
            took.append(time.perf_counter() - began)
            await client.delete("namespaces", "ingress-nginx")
            for resource in ("clusterroles", "clusterrolebindings"):
                await _delete_all(client, f"{resource}.rbac.authorization.k8s.io")
            await _until(lambda: _gone(client), "gone")
        return took[0], sorted(took[1:])[len(took) // 2]
    finally:
        await client.close()


def _row(obj: dict[str, Any]) -> str:
    """Of the version that the manifest uses, as `create` asks for one by its name, that of the current one."""
    resource = BY_KIND[obj["apiVersion"], obj["kind"]]
    obj["apiVersion"] = resource.storage_version
    return resource.qualified


async def _delete_all(client: Client, resource: str) -> None:
    for obj in (await client.list(resource, type=dict[str, Any])).items:
        if obj["metadata"]["name"].startswith("nginx-ingress"):
            await client.delete(resource, obj["metadata"]["name"])


async def _available(client: Client) -> bool:
    found = await client.get("deployments.apps", "nginx-ingress-controller", "ingress-nginx", type=dict[str, Any])
    return bool(found.get("status", {}).get("availableReplicas"))


async def _gone(client: Client) -> bool:
    names = [each["metadata"]["name"] for each in (await client.list("namespaces", type=dict[str, Any])).items]
    return "ingress-nginx" not in names


async def _until(check: Any, what: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not await check():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not {what} after {SECONDS:.0f} s")
        await asyncio.sleep(0.02)
