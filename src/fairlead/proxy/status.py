"""kube-proxy's own ports: health on 10256, metrics on 10249."""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass

from fairlead.api import time as api_time
from fairlead.http.server import Request, Response, listen
from fairlead.proxy.configuration import Options
from fairlead.proxy.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Health:
    """`eligible`: whether load balancers may send new connections to this node."""

    alive: bool
    eligible: bool


async def serve(options: Options, mode: str, metrics: Metrics, health: Callable[[], Health]) -> None:
    """/livez says whether the proxy works, /healthz whether the node takes connections by it, too (KEP-3836)."""

    async def healthz(request: Request) -> Response:
        if request.path not in ("/healthz", "/livez"):
            return Response(404, b"404 page not found\n", "text/plain; charset=utf-8")
        found = health()
        well = found.alive and (found.eligible or request.path == "/livez")
        code = 200 if well else 503
        metrics.asked(request.path, code)
        now = api_time.render(time.time())
        body: dict[str, object] = {"lastUpdated": now, "currentTime": now}
        if request.path == "/healthz":
            body["nodeEligible"] = found.eligible
        return Response(code, json.dumps(body).encode())

    async def metered(request: Request) -> Response:
        match request.path:
            case "/metrics":
                return Response(200, metrics.render(), "text/plain; version=0.0.4; charset=utf-8")
            case "/healthz":
                return Response(200, b"ok", "text/plain; charset=utf-8")
            case "/proxyMode":
                return Response(200, mode.encode(), "text/plain; charset=utf-8")
            case "/configz":
                shown = {"kubeproxy.config.k8s.io": options.configuration or {}}
                return Response(200, json.dumps(shown).encode())
        return Response(404, b"404 page not found\n", "text/plain; charset=utf-8")

    servers = []
    for handler, address in ((healthz, options.health), (metered, options.metrics)):
        host, _, port = address.rpartition(":")
        servers.append(await listen(handler, host.strip("[]"), int(port)))
    try:
        await asyncio.Event().wait()
    finally:
        for server in servers:
            await server.close()
