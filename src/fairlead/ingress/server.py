"""The controller's own port: `/healthz`, `/metrics`, `/build` (10254, as ingress-nginx)."""

import asyncio
import json
from collections.abc import Callable

import fairlead
from fairlead.http.server import Request, Response, listen
from fairlead.ingress.metrics import Metrics
from fairlead.ingress.nginx.process import Nginx
from fairlead.ingress.options import Options

TEXT = "text/plain; charset=utf-8"


async def serve(options: Options, metrics: Metrics, nginx: Nginx, synced: Callable[[], bool]) -> None:
    async def handle(request: Request) -> Response:
        match request.path:
            case options.health_path:
                return await _health(nginx, synced)
            case "/metrics":
                try:
                    counted = (await nginx.control.metrics()).decode(errors="replace")
                except OSError:
                    counted = ""
                return Response(200, metrics.render(counted), "text/plain; version=0.0.4; charset=utf-8")
            case "/build":
                return Response(200, json.dumps({"repository": "fairlead", "release": fairlead.__version__}).encode())
        return Response(404, b"404 page not found\n", TEXT)

    server = await listen(handle, "0.0.0.0", options.health_port)
    try:
        await asyncio.Event().wait()
    finally:
        await server.close()


async def _health(nginx: Nginx, synced: Callable[[], bool]) -> Response:
    """Well: nginx answers, and knows all that the API said."""
    try:
        await nginx.control.generation()
    except OSError as error:
        return Response(500, f"nginx does not answer: {error}\n".encode(), TEXT)
    if not synced():
        return Response(500, b"the Ingresses are not all read yet\n", TEXT)
    return Response(200, b"ok", TEXT)
