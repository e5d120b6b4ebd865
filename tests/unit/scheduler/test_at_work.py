"""The scheduler against the real API server."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fairlead.client.rest import Client
from fairlead.scheduler.part import Scheduler
from tests.unit.api_server import add_node, api_server, until

Json = dict[str, Any]
TAINT = {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Client]:
    async with api_server(tmp_path) as client:
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
        await client.create("serviceaccounts", account, "default")
        running = asyncio.create_task(Scheduler(client).run())
        yield client
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def make(api: Client, name: str, *, cpu: str = "100m", port: int | None = None) -> None:
    container: Json = {"name": "c", "image": "x", "resources": {"requests": {"cpu": cpu}}}
    if port:
        container["ports"] = [{"containerPort": 80, "hostPort": port}]
    metadata = {"name": name, "labels": {"app": "web"}}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container]}}
    await api.create("pods", pod, "default")


async def node_of(api: Client, name: str) -> str:
    node: str = (await api.get("pods", name, "default", type=dict))["spec"].get("nodeName", "")
    return node


async def condition_of(api: Client, name: str) -> Json | None:
    conditions = (await api.get("pods", name, "default", type=dict)).get("status", {}).get("conditions") or ()
    return next((each for each in conditions if each["type"] == "PodScheduled"), None)


async def test_pods_spread_over_the_nodes_that_take_them(api: Client) -> None:
    await add_node(api, "master", taints=(TAINT,))
    await add_node(api, "node1")
    await add_node(api, "node2")
    for number in range(4):
        await make(api, f"p{number}")

    async def bound() -> list[str] | None:
        nodes = [await node_of(api, f"p{number}") for number in range(4)]
        return sorted(nodes) if all(nodes) else None

    assert await until(bound) == ["node1", "node1", "node2", "node2"]
    condition = await condition_of(api, "p0")
    assert condition is not None
    assert condition["status"] == "True"

    async def told() -> Json | None:
        events = (await api.list("events", type=dict, namespace="default")).items
        return next((e for e in events if e["reason"] == "Scheduled" and e["involvedObject"]["name"] == "p0"), None)

    event = await until(told)
    assert event["message"] == f"Successfully assigned default/p0 to {await node_of(api, 'p0')}"
    assert event["source"]["component"] == "default-scheduler"


async def test_what_fits_nowhere_is_told_why_and_tried_again_when_room_is_made(api: Client) -> None:
    await add_node(api, "master", taints=(TAINT,))
    await add_node(api, "node1", cpu="2")
    await make(api, "big", cpu="1500m")
    await until(lambda: node_of(api, "big"))
    await make(api, "late", cpu="1")

    async def refused() -> Json | None:
        found = await condition_of(api, "late")
        return found if found and found["status"] == "False" else None

    condition = await until(refused)
    assert condition["reason"] == "Unschedulable"
    assert condition["message"].startswith(
        "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint "
        "{node-role.kubernetes.io/control-plane: }. preemption: 0/2 nodes are available: "
    )

    async def warned() -> bool:
        events = (await api.list("events", type=dict, namespace="default")).items
        return any((e["reason"], e["message"]) == ("FailedScheduling", condition["message"]) for e in events)

    await until(warned)
    await api.delete("pods", "big", "default", grace=0)
    assert await until(lambda: node_of(api, "late")) == "node1"


async def test_a_new_node_takes_what_waited(api: Client) -> None:
    await make(api, "early")
    await asyncio.sleep(0.05)
    assert await node_of(api, "early") == ""
    await add_node(api, "node1")
    assert await until(lambda: node_of(api, "early")) == "node1"


async def test_what_was_just_bound_counts_before_the_watch_brings_it(api: Client) -> None:
    """Two ask for the same port at once: one of them waits."""
    await add_node(api, "node1")
    await asyncio.sleep(0.05)
    await asyncio.gather(make(api, "one", port=8080), make(api, "two", port=8080))

    async def settled() -> list[str] | None:
        nodes = sorted([await node_of(api, "one"), await node_of(api, "two")])
        refused = [await condition_of(api, name) for name in ("one", "two")]
        return nodes if any(each and each["status"] == "False" for each in refused) and any(nodes) else None

    assert await until(settled) == ["", "node1"]
