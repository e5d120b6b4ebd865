"""The garbage collector against the real API server, and what it makes of owners."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fairlead.api.types.meta import OwnerReference
from fairlead.client.rest import Client
from fairlead.controllers.context import Context
from fairlead.controllers.garbage import GarbageCollector, Owner, judge
from tests.unit.api_server import api_server, until
from tests.unit.controllers.objects import owned_by

Json = dict[str, Any]


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Client]:
    async with api_server(tmp_path) as client, asyncio.TaskGroup() as tasks:
        running = tasks.create_task(GarbageCollector(Context(client)).run())
        yield client
        running.cancel()


@pytest.mark.parametrize(
    ("owners", "garbage"),
    [
        ([], False),
        ([owned_by("gone")], True),
        ([owned_by("waiting")], True),
        ([owned_by("gone"), owned_by("here")], False),
        ([owned_by("waiting"), owned_by("here")], False),
    ],
)
def test_what_no_owner_stays_for_is_garbage(owners: list[OwnerReference], garbage: bool) -> None:
    stand = {"gone": Owner.GONE, "waiting": Owner.WAITING, "here": Owner.SOLID}
    assert judge(owners, stand) is garbage


async def made(api: Client, name: str) -> Json:
    metadata = {"name": name, "namespace": "default"}
    return await api.create("configmaps", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}, "default")


async def owns(api: Client, name: str, *owners: Json) -> None:
    references = [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "name": owner["metadata"]["name"],
            "uid": owner["metadata"]["uid"],
            "blockOwnerDeletion": True,
        }
        for owner in owners
    ]
    await api.patch("configmaps", name, "default", {"metadata": {"ownerReferences": references}}, type=dict)


async def left(api: Client) -> dict[str, Json]:
    found = (await api.list("configmaps", type=dict, namespace="default")).items
    return {each["metadata"]["name"]: each for each in found}


async def test_a_circle_of_owners_that_wait_for_each_other_goes_as_a_whole(api: Client) -> None:
    names = ("one", "two", "three")
    objects = {name: await made(api, name) for name in names}
    for owner, name in zip(names, (*names[1:], names[0]), strict=True):
        await owns(api, name, objects[owner])
    await api.delete("configmaps", "one", "default", propagation="Foreground")

    async def gone() -> bool:
        return not set(names) & set(await left(api))

    await until(gone)


async def test_an_owner_that_stays_keeps_what_another_one_waits_for(api: Client) -> None:
    going, staying = await made(api, "going"), await made(api, "staying")
    for name in ("theirs", "own"):
        await made(api, name)
    await owns(api, "theirs", going, staying)
    await owns(api, "own", going)
    await api.delete("configmaps", "going", "default", propagation="Foreground")

    async def gone() -> bool:
        return not {"going", "own"} & set(await left(api))

    await until(gone)
    theirs = (await left(api))["theirs"]["metadata"]
    assert "deletionTimestamp" not in theirs
    assert [owner["name"] for owner in theirs["ownerReferences"]] == ["staying"]
