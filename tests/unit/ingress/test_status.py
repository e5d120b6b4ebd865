"""The keeper of addresses, where the API does not always answer."""

import asyncio
import contextlib
from collections import Counter
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from fairlead.api.status import not_found
from fairlead.api.types.core import Node, Pod
from fairlead.client.config import Config
from fairlead.client.rest import BY_QUALIFIED, Client, Listed
from fairlead.ingress import status
from fairlead.ingress.observing import Observed
from fairlead.ingress.options import Options
from fairlead.ingress.status import Ours, StatusKeeper

POD = msgspec.convert(
    {"metadata": {"name": "p", "labels": {"app": "i"}}, "spec": {"nodeName": "n1"}, "status": {"phase": "Running"}}, Pod
)
LEASES = "leases.coordination.k8s.io"


class Hesitant(Client):
    """Does not answer the first time that a resource is asked for. There is one pod, on one node, and no Lease."""

    def __init__(self) -> None:
        super().__init__(Config("http://127.0.0.1:1"))
        self.asked: Counter[str] = Counter()

    async def get(self, resource: str, name: str, namespace: str | None = None, **_: Any) -> Any:
        self.asked[resource] += 1
        if self.asked[resource] == 1:
            raise ConnectionResetError("not now")
        if resource == LEASES:
            raise not_found(BY_QUALIFIED[resource], name)
        return POD if resource == "pods" else Node()

    async def list(self, resource: str, **_: Any) -> Any:
        return Listed([POD], "1")

    async def create(self, resource: str, obj: Any, *_: Any, **__: Any) -> Any:
        return obj


async def test_an_api_that_does_not_answer_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the controller would end, and its pod would start again after ten seconds."""
    monkeypatch.setattr(status, "AGAIN", 0.001)
    client, options = Hesitant(), replace(Options(), pod_name="p", pod_namespace="n")
    observed = Observed(client, options, set())
    running = asyncio.create_task(StatusKeeper(client, options, observed, Ours(options, observed)).run())
    async with asyncio.timeout(5):
        while client.asked["nodes"] < 2:
            assert not running.done()
            await asyncio.sleep(0.001)
    assert client.asked[LEASES] >= 2
    assert client.asked["pods"] >= 2
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
