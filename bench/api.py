"""Durable creates a second: the API server over TLS with authorization, against fsync alone on the same disk."""

import asyncio
import os
import tempfile
import time
from collections.abc import Iterator
from multiprocessing import Process
from pathlib import Path
from typing import Any

import uvloop

from fairlead.apiserver.part import Options, serve
from fairlead.client.config import Config
from fairlead.client.rest import Client, wait_until_ready
from fairlead.cluster.pki import Pki, Subject

CLIENTS, CREATES = 16, 4000
PORT = 16443


def _server(folder: Path, pki: Pki) -> None:
    server = pki.pair("server", Subject("kube-apiserver", (), ("127.0.0.1",)))
    kubelet = pki.pair("kubelet", Subject("kubelet-client", ("system:masters",)))
    uvloop.run(
        serve(
            Options(
                listen="127.0.0.1",
                port=PORT,
                advertise="127.0.0.1",
                store=f"sqlite:{folder / 'state.db'}",
                certificate=server.certificate,
                key=server.key,
                client_ca=pki.ca,
                service_account_key=str(folder / "pki/sa.key"),
                kubelet_ca=pki.ca,
                kubelet_certificate=kubelet.certificate,
                kubelet_key=kubelet.key,
            )
        )
    )


async def _creates(pki: Pki) -> tuple[float, float]:
    """(creates a second, lists of all of them a second)."""
    pair = pki.pair("client", Subject("system:kube-controller-manager"))
    client = Client(Config(f"https://127.0.0.1:{PORT}", pki.ca, pair.certificate, pair.key))
    await wait_until_ready(client, 10)

    async def one(worker: int) -> None:
        for number in range(CREATES // CLIENTS):
            name = f"bench-{worker}-{number}"
            obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"key": "x" * 100}}
            await client.create("configmaps", obj, "default")

    began = time.perf_counter()
    await asyncio.gather(*(one(worker) for worker in range(CLIENTS)))
    rate = CREATES / (time.perf_counter() - began)
    began = time.perf_counter()
    for _ in range(10):
        await client.send("GET", "/api/v1/namespaces/default/configmaps")
    lists = 10 / (time.perf_counter() - began)
    await client.close()
    return rate, lists


def _syncs(folder: Path) -> float:
    """Appends a second, each with a sync of its own: what a store without group commit could do at most."""
    with (folder / "peer").open("wb") as file:
        began = time.perf_counter()
        for _ in range(500):
            file.write(b"x" * 300)
            file.flush()
            os.fdatasync(file.fileno())
        return 500 / (time.perf_counter() - began)


def run() -> Iterator[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pki = Pki(folder / "pki")
        pki.make_service_account_key()
        pki.pair("client", Subject("system:kube-controller-manager"))  # the authority too, before anybody forks
        process = Process(target=_server, args=(folder, pki))
        process.start()
        try:
            rate, lists = asyncio.run(_creates(pki))
        finally:
            process.kill()
            process.join()
        peer = _syncs(folder)
    yield _result("durable creates at 16 clients, TLS, RBAC", rate, "1/s", "fdatasync a record", peer)
    yield _result(f"lists of {CREATES} objects", lists, "1/s", "", 0.0)


def _result(name: str, value: float, unit: str, peer: str, peer_value: float) -> dict[str, Any]:
    ratio = value / peer_value if peer_value else 0.0
    return {"name": name, "value": value, "unit": unit, "peer": peer, "peer_value": peer_value, "ratio": ratio}
