"""kube-proxy's own ports: health on 10256, metrics on 10249."""

import asyncio
import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from fairlead.api import time as api_time
from fairlead.http.server import Request, Response, listen
from fairlead.proxy.metrics import Metrics

if TYPE_CHECKING:
    from fairlead.proxy.part import Options


async def serve(options: "Options", metrics: Metrics, healthy: Callable[[], bool]) -> None:
    async def health(request: Request) -> Response:
        if request.path not in ("/healthz", "/livez"):
            return Response(404, b"404 page not found\n", "text/plain; charset=utf-8")
        well = healthy()
        now = api_time.render(time.time())
        body = {"lastUpdated": now, "currentTime": now, "nodeEligible": True}
        return Response(200 if well else 503, json.dumps(body).encode())

    async def metered(request: Request) -> Response:
        match request.path:
            case "/metrics":
                return Response(200, metrics.render(), "text/plain; version=0.0.4; charset=utf-8")
            case "/healthz":
                return Response(200, b"ok", "text/plain; charset=utf-8")
            case "/proxyMode":
                return Response(200, options.mode.encode(), "text/plain; charset=utf-8")
        return Response(404, b"404 page not found\n", "text/plain; charset=utf-8")

    servers = [await listen(health, "0.0.0.0", options.health_port)]
    servers.append(await listen(metered, "127.0.0.1", options.metrics_port))
    try:
        await asyncio.Event().wait()
    finally:
        for server in servers:
            await server.close()
