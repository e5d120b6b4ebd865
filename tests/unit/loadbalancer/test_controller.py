"""Addresses, status, finalizer and events, against the real API server; what would serve only remembers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from fairlead.client.events import Recorder
from fairlead.client.informer import Informer
from fairlead.client.rest import Client
from fairlead.client.workqueue import run
from fairlead.loadbalancer.asking import FINALIZER, Service
from fairlead.loadbalancer.configuration import DEVICE, parse
from fairlead.loadbalancer.controller import Controller
from fairlead.loadbalancer.model import Balanced
from tests.unit.api_server import IPV4, IPV6, api_server, until

Json = dict[str, Any]

POOLS = """
apiVersion: loadbalancer.fairlead.dev/v1alpha1
kind: LoadBalancerConfiguration
pools:
- {name: lan, addresses: [192.0.2.1-192.0.2.2, "2001:db8::1-2001:db8::9"]}
- {name: special, addresses: [198.51.100.7/32], autoAssign: false}
"""


class Remembering:
    """Serves nothing; `slow` holds on until it is set."""

    def __init__(self) -> None:
        self.served: dict[str, Balanced] = {}
        self.slow = asyncio.Event()
        self.slow.set()

    def serve(self, key: str, balanced: Balanced) -> None:
        self.served[key] = balanced

    async def let_go(self, key: str) -> None:
        await self.slow.wait()
        self.served.pop(key, None)

    def set_nodes(self, nodes: dict[str, tuple[str, ...]], leaving: frozenset[str]) -> None:
        pass

    def start(self) -> None:
        pass

    async def run(self) -> None:
        pass


class World:
    def __init__(self, client: Client) -> None:
        self.client = client
        self.serving = Remembering()

    @asynccontextmanager
    async def controller(self, pools: str = POOLS) -> AsyncIterator[Controller]:
        recorder = Recorder(self.client, "service-controller")
        services = Informer(self.client, "services", Service)
        made = Controller(self.client, recorder, services, DEVICE, self.serving)
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(services.run()), tasks.create_task(recorder.run())]
            await services.synced()
            made.configure(parse(pools))
            made.start()
            running.append(tasks.create_task(run(made.queue, 4, made.reconcile, "test")))
            yield made
            for each in running:
                each.cancel()

    async def create(self, name: str, annotations: dict[str, str] | None = None, port: int = 80, **spec: Any) -> None:
        ports = [{"port": port, "protocol": spec.pop("protocol", "TCP")}]
        metadata = {"name": name, "namespace": "default", "annotations": annotations or {}}
        body = {"metadata": metadata, "spec": {"type": "LoadBalancer", "ports": ports, **spec}}
        await self.client.create("services", {"apiVersion": "v1", "kind": "Service", **body}, "default")

    async def get(self, name: str) -> Json:
        return await self.client.get("services", name, "default", type=dict[str, Any])

    async def patch(self, name: str, **spec: Any) -> None:
        await self.client.patch("services", name, "default", {"spec": spec}, type=dict[str, Any])

    async def addresses(self, name: str) -> list[str]:
        ingress = (await self.get(name))["status"]["loadBalancer"].get("ingress") or []
        return [each["ip"] for each in ingress]

    async def has(self, name: str, *addresses: str) -> None:
        async def right() -> bool:
            return await self.addresses(name) == list(addresses)

        await until(right)

    async def is_told(self, name: str, reason: str, message: str) -> Json:
        async def found() -> Json | None:
            events = await self.client.list("events", type=dict[str, Any], namespace="default")
            for each in events.items:
                if (each["involvedObject"]["name"], each["reason"], each["message"]) == (name, reason, message):
                    return dict(each)
            return None

        event: Json = await until(found)
        return event


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with api_server(tmp_path, (IPV4, IPV6)) as client:
        yield World(client)


async def test_a_service_gets_an_address_a_finalizer_and_the_events_of_a_cloud(world: World) -> None:
    async with world.controller():
        await world.create("web")
        await world.has("web", "192.0.2.1")
        service = await world.get("web")
        assert service["status"]["loadBalancer"] == {"ingress": [{"ip": "192.0.2.1", "ipMode": "VIP"}]}
        assert service["metadata"]["finalizers"] == [FINALIZER]
        for reason, message in (
            ("EnsuringLoadBalancer", "Ensuring load balancer"),
            ("EnsuredLoadBalancer", "Ensured load balancer"),
        ):
            event = await world.is_told("web", reason, message)
            assert (event["source"]["component"], event["type"], event["count"]) == ("service-controller", "Normal", 1)
        assert [each.address for each in world.serving.served["default/web"].frontends] == ["192.0.2.1"]


async def test_it_is_deleted_once_nothing_serves_it_any_more(world: World) -> None:
    async with world.controller():
        await world.create("web")
        await world.has("web", "192.0.2.1")
        world.serving.slow.clear()
        await world.client.delete("services", "web", "default")
        await asyncio.sleep(0.05)
        assert (await world.get("web"))["metadata"]["deletionTimestamp"]
        world.serving.slow.set()

        async def gone() -> bool:
            found = await world.client.list("services", type=dict[str, Any], namespace="default")
            return all(each["metadata"]["name"] != "web" for each in found.items)

        await until(gone)
        assert not world.serving.served
        await world.is_told("web", "DeletingLoadBalancer", "Deleting load balancer")
        await world.is_told("web", "DeletedLoadBalancer", "Deleted load balancer")


async def test_a_change_of_type_gives_the_address_back(world: World) -> None:
    async with world.controller():
        await world.create("web")
        await world.has("web", "192.0.2.1")
        await world.patch("web", type="ClusterIP")

        async def without() -> bool:
            return not (await world.get("web"))["metadata"].get("finalizers")

        await until(without)
        assert (await world.get("web"))["status"]["loadBalancer"] == {}
        await world.is_told("web", "Type", "LoadBalancer -> ClusterIP")
        await world.patch("web", type="LoadBalancer")
        await world.has("web", "192.0.2.2")  # an address rests before it comes again


async def test_without_a_free_address_it_is_pending_says_so_and_gets_the_next_one(world: World) -> None:
    async with world.controller():
        for name in ("one", "two"):
            await world.create(name)
        await world.has("two", "192.0.2.2")
        await world.create("three")
        why = "Error syncing load balancer: failed to ensure load balancer: no IPv4 address is free in pool lan"
        assert (await world.is_told("three", "SyncLoadBalancerFailed", why))["type"] == "Warning"
        assert await world.addresses("three") == []
        await world.client.delete("services", "one", "default")
        await world.has("three", "192.0.2.1")


async def test_new_pools_serve_who_waits_and_take_from_who_has_what_is_in_none(world: World) -> None:
    async with world.controller() as controller:
        await world.create("web", loadBalancerIP="203.0.113.5")
        why = "Error syncing load balancer: failed to ensure load balancer: address 203.0.113.5 is in no pool"
        await world.is_told("web", "SyncLoadBalancerFailed", why)
        await world.create("other")
        await world.has("other", "192.0.2.1")
        controller.configure(parse(POOLS.replace("192.0.2.1-192.0.2.2", "203.0.113.0/28")))
        await world.has("web", "203.0.113.5")
        await world.has("other", "203.0.113.1")


async def test_both_families_where_both_are_asked_for(world: World) -> None:
    async with world.controller():
        await world.create("web", ipFamilyPolicy="RequireDualStack")
        await world.has("web", "192.0.2.1", "2001:db8::1")
        await world.create("six", ipFamilies=["IPv6"])
        await world.has("six", "2001:db8::2")


async def test_other_classes_are_left_alone(world: World) -> None:
    async with world.controller():
        await world.create("theirs", loadBalancerClass="example.com/theirs")
        await world.create("ours", loadBalancerClass=DEVICE)
        await world.has("ours", "192.0.2.1")
        theirs = await world.get("theirs")
        assert not theirs["metadata"].get("finalizers")
        assert theirs["status"]["loadBalancer"] == {}


async def test_an_address_is_shared_by_who_wants_to_and_has_other_ports(world: World) -> None:
    async with world.controller():
        key = {"loadbalancer.fairlead.dev/allow-shared-ip": "dns"}
        await world.create("tcp", key, port=53)
        await world.create("udp", key, port=53, protocol="UDP")
        await world.has("tcp", "192.0.2.1")
        await world.has("udp", "192.0.2.1")
        await world.create("same", {**key, "metallb.io/loadBalancerIPs": "192.0.2.1"}, port=53)
        why = "address 192.0.2.1 is taken: Service default/tcp has port 53/TCP of it"
        message = f"Error syncing load balancer: failed to ensure load balancer: {why}"
        await world.is_told("same", "SyncLoadBalancerFailed", message)


async def test_a_change_of_what_is_served_is_told_and_served(world: World) -> None:
    async with world.controller():
        await world.create("web")
        await world.has("web", "192.0.2.1")
        await world.patch("web", loadBalancerSourceRanges=["10.0.0.0/8"], externalTrafficPolicy="Local")
        await world.is_told("web", "LoadBalancerSourceRanges", "[] -> [10.0.0.0/8]")
        await world.is_told("web", "ExternalTrafficPolicy", "Cluster -> Local")

        async def served() -> bool:
            found = world.serving.served["default/web"]
            return found.local and found.check_port > 0 and found.sources == ("10.0.0.0/8",)

        await until(served)


async def test_that_there_are_no_nodes_is_told_when_it_is_made_and_when_they_go(world: World) -> None:
    async with world.controller() as made:
        await world.create("early")
        await world.is_told("early", "EnsuredLoadBalancer", "Ensured load balancer")
        made.has_nodes = False
        made.nodes_changed()
        await world.create("late")
        for name in ("early", "late"):
            event = await world.is_told(
                name, "UnAvailableLoadBalancer", "There are no available nodes for LoadBalancer"
            )
            assert event["type"] == "Warning"
        made.has_nodes = True
        made.nodes_changed()
        await world.is_told("late", "UpdatedLoadBalancer", "Updated load balancer with new hosts")


async def test_after_a_restart_everybody_keeps_the_address_and_nothing_is_told_again(world: World) -> None:
    async with world.controller():
        for name in ("b", "a"):
            await world.create(name)
            await world.has(name, "192.0.2.1" if name == "b" else "192.0.2.2")
        await world.is_told("a", "EnsuredLoadBalancer", "Ensured load balancer")
    before = [await world.get(name) for name in "ab"]
    world.serving.served.clear()
    async with world.controller():
        await world.create("c", loadBalancerIP="192.0.2.2")
        why = "address 192.0.2.2 is taken: Service default/a has it"
        message = f"Error syncing load balancer: failed to ensure load balancer: {why}"
        await world.is_told("c", "SyncLoadBalancerFailed", message)
        assert [await world.get(name) for name in "ab"] == before
        assert world.serving.served.keys() == {"default/a", "default/b"}
        event = await world.is_told("a", "EnsuredLoadBalancer", "Ensured load balancer")
        assert event["count"] == 1


async def test_what_changed_while_it_was_down_is_made_good(world: World) -> None:
    async with world.controller():
        for name in ("type", "ended"):
            await world.create(name)
            await world.has(name, "192.0.2.1" if name == "type" else "192.0.2.2")
    await world.patch("type", type="NodePort")
    await world.client.delete("services", "ended", "default")
    async with world.controller():

        async def good() -> bool:
            found = await world.client.list("services", type=dict[str, Any], namespace="default")
            left = {each["metadata"]["name"]: each["metadata"].get("finalizers") for each in found.items}
            return left == {"kubernetes": None, "type": None}

        await until(good)
