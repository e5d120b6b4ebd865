"""100 watchers of 200 changes a second: from before the request of a change to its arrival at each watcher."""

import asyncio
import re
import time
from collections.abc import Iterator

import uvloop

from bench.apiserver import Running, running
from bench.result import Result
from fairlead.client.rest import Client
from fairlead.http.client import HttpClient, client_tls

WATCHERS, RATE, SECONDS = 100, 200, 5
SENT = re.compile(rb'"sent":"(\d+)"')
PATH = "/api/v1/namespaces/default/configmaps"


def run() -> Iterator[Result]:
    with running() as server:
        delays, bare = uvloop.run(_measure(server))
    expected = WATCHERS * RATE * SECONDS
    yield Result(f"{WATCHERS} watchers × {RATE} changes/s: p50", _percentile(delays, 0.5) * 1e3, "ms")
    p99 = _percentile(delays, 0.99) * 1e3
    yield Result("  p99", p99, "ms", "a create without watchers", _percentile(bare, 0.99) * 1e3, "< 10")
    yield Result("  told of", len(delays), "changes", "expected", expected)


async def _measure(server: Running) -> tuple[list[float], list[float]]:
    writer = Client(server.config)
    bare = await _write(writer, "alone")
    http = HttpClient(
        server.url,
        ssl=client_tls(server.config.ca, server.config.certificate, server.config.key),
    )
    delays: list[float] = []
    started = [asyncio.Event() for _ in range(WATCHERS)]
    listed = await writer.send("GET", PATH + "?limit=1")
    revision = re.search(rb'"resourceVersion":"(\d+)"', listed.body)
    assert revision is not None
    target = f"{PATH}?watch=true&resourceVersion={revision[1].decode()}"
    watchers = [asyncio.create_task(_watch(http, target, event, delays)) for event in started]
    await asyncio.gather(*(event.wait() for event in started))
    await _write(writer, "watched")
    await asyncio.sleep(1)
    for watcher in watchers:
        watcher.cancel()
    await asyncio.gather(*watchers, return_exceptions=True)
    await writer.close()
    return delays, bare


async def _watch(http: HttpClient, target: str, started: asyncio.Event, delays: list[float]) -> None:
    async with http.stream("GET", target) as answer:
        started.set()
        async for chunk in answer.chunks:
            now = time.monotonic_ns()
            delays.extend((now - int(sent)) / 1e9 for sent in SENT.findall(chunk))


async def _write(writer: Client, prefix: str) -> list[float]:
    """Creates at a steady rate; how long each took."""
    took: list[float] = []

    async def one(number: int) -> None:
        began = time.monotonic_ns()
        obj = {"metadata": {"name": f"{prefix}-{number}"}, "data": {"sent": str(began)}}
        await writer.create("configmaps", obj, "default")
        took.append((time.monotonic_ns() - began) / 1e9)

    begin = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for number in range(RATE * SECONDS):
            await asyncio.sleep(max(0.0, begin + number / RATE - time.monotonic()))
            group.create_task(one(number))
    return took


def _percentile(values: list[float], share: float) -> float:
    return sorted(values)[int(len(values) * share)]
