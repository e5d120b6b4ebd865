"""Health, readiness and metrics of the DNS part, on CoreDNS's ports and paths."""

import asyncio
from collections.abc import Callable

from fairlead.dns.metrics import Metrics
from fairlead.http.server import Handler, Request, Response, listen

TEXT = "text/plain; charset=utf-8"


async def serve_metrics(metrics: Metrics, port: int) -> None:
    async def handle(request: Request) -> Response:
        if request.path != "/metrics":
            return Response(404, b"404 page not found\n", TEXT)
        return Response(200, metrics.render(), "text/plain; version=0.0.4; charset=utf-8")

    await _serve(handle, port)


async def serve_health(health_port: int, ready_port: int, is_ready: Callable[[], bool]) -> None:
    """`/health` says that the process lives, `/ready` that it knows all Services."""

    async def health(request: Request) -> Response:
        return Response(200, b"OK", TEXT) if request.path == "/health" else Response(404, b"", TEXT)

    async def ready(request: Request) -> Response:
        if request.path != "/ready":
            return Response(404, b"", TEXT)
        return Response(200, b"OK", TEXT) if is_ready() else Response(503, b"kubernetes", TEXT)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_serve(health, health_port))
        tasks.create_task(_serve(ready, ready_port))


async def _serve(handler: Handler, port: int) -> None:
    server = await listen(handler, "", port)
    try:
        await asyncio.Event().wait()
    finally:
        await server.close()
