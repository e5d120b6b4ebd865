"""The tutorial's application on a cluster, and what answers where."""

import asyncio
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fairlead.api.resources import BY_KIND
from fairlead.api.status import ApiError
from fairlead.api.types.apps import Deployment
from fairlead.api.types.service import Service
from fairlead.client.config import load_kubeconfig
from fairlead.client.rest import Client
from fairlead.cluster.enter import in_network
from fairlead.cluster.layout import Layout

CHAPTER = Path(__file__).resolve().parents[3] / "examples/chapter"
FILES = ("deployment", "service-clusterip", "service-headliness", "service-nodeport", "service-loadbalancer")
NAMESPACE = "dev"
SECONDS, PATIENCE = 30.0, 5.0  # for the application, for the rules that lead to it


def show(layout: Layout, tell: Callable[[str], None]) -> None:
    """Deploys the tutorial's application on a cluster that runs, and tells from real requests what answers where."""
    began = time.perf_counter()
    balancer = asyncio.run(_deploy(layout))
    tell(f"{time.perf_counter() - began:7.3f} s  the tutorial's Deployment of three is available")

    def fetch(url: str) -> str:
        """Every node's rules follow the endpoints, each in its own time."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310  # http, to our own cluster
                    return f"{answer.status} {answer.reason}, {len(answer.read())} bytes"
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)

    tell("\nwhat answers where:")
    for node in ("master", "node1"):
        found = in_network(layout, node, lambda: fetch("http://10.97.97.97"))
        tell(f"  curl 10.97.97.97            on {node:<8} {found}   (ClusterIP)")
    for address in (100, 101, 102):
        url = f"http://192.168.109.{address}:30002"
        tell(f"  curl {url[7:]:<22} on the host {fetch(url)}   (NodePort)")
    tell(f"  curl {balancer:<22} on the host {fetch(f'http://{balancer}')}   (LoadBalancer)")
    tell("\ntry next:")
    tell("  .venv/bin/fairlead shell master              then: kubectl get pods -n dev -o wide")
    tell("  .venv/bin/fairlead exec node1 -- dig @10.96.0.10 service-headliness.dev.svc.cluster.local")
    tell("  make down")


async def _deploy(layout: Layout) -> str:
    """The load balancer's address."""
    from fairlead.api import yaml

    client = Client(load_kubeconfig(str(layout.kubeconfig)))
    try:
        await _create(client, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        for name in FILES:
            for obj in yaml.parse_all((CHAPTER / f"{name}.yaml").read_text()):
                await _create(client, obj)
        async with asyncio.timeout(SECONDS):
            while True:
                found = await client.get("deployments.apps", "pc-deployment", NAMESPACE, type=Deployment)
                # Not by its name: its controller may not have made it yet.
                endpoints = await client.list("endpoints", type=dict[str, Any], namespace=NAMESPACE)
                served = {each["metadata"]["name"] for each in endpoints.items if each.get("subsets")}
                service = await client.get("services", "service-loadbalancer", NAMESPACE, type=Service)
                ingress = service.status.load_balancer.ingress
                if (
                    found.status.available_replicas == found.spec.replicas
                    and {"service-nodeport", "service-loadbalancer"} <= served
                    and ingress
                ):
                    return ingress[0].ip
                await asyncio.sleep(0.02)
    finally:
        await client.close()


async def _create(client: Client, obj: dict[str, Any]) -> None:
    """What is there from an earlier run is left."""
    resource = BY_KIND[obj["apiVersion"], obj["kind"]]
    try:
        await client.create(resource.qualified, obj, obj["metadata"].get("namespace"))
    except ApiError as error:
        if not error.is_already_exists:
            raise
