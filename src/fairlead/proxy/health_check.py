"""`healthCheckNodePort`: tells a load balancer whether this node has endpoints of a Service with the policy Local
(pkg/proxy/healthcheck)."""

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass

from fairlead.http.server import Response, Server, listen

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Check:
    port: int
    endpoints: int
    server: Server | None = None


class HealthChecks:
    """`healthy`: whether this proxy is. Services are keyed "namespace/name"."""

    def __init__(self, healthy: Callable[[], bool], address: str = "0.0.0.0") -> None:
        self._healthy = healthy
        self._address = address
        self._checks: dict[str, _Check] = {}
        self._turn = asyncio.Lock()

    async def update(self, key: str, port: int, endpoints: int) -> None:
        """`port` 0: the Service has none (any more). One that cannot be had is told, and tried at the next change."""
        async with self._turn:
            known = self._checks.get(key)
            if known is not None and known.port == port and known.server is not None:
                known.endpoints = endpoints
                return
            if known is not None:
                del self._checks[key]
                if known.server is not None:
                    await known.server.close()
            if not port:
                return
            check = self._checks[key] = _Check(port, endpoints)
            try:
                check.server = await listen(lambda _: self._answer(key), self._address, port)
            except OSError as error:
                log.warning("cannot serve the health check of %s on port %d: %s", key, port, error)

    async def close(self) -> None:
        for key in list(self._checks):
            await self.update(key, 0, 0)

    async def _answer(self, key: str) -> Response:
        check = self._checks.get(key)
        endpoints = 0 if check is None else check.endpoints
        namespace, _, name = key.partition("/")
        healthy = self._healthy()
        body = {
            "service": {"namespace": namespace, "name": name},
            "localEndpoints": endpoints,
            "serviceProxyHealthy": healthy,
        }
        headers = [("X-Content-Type-Options", "nosniff"), ("X-Load-Balancing-Endpoint-Weight", str(endpoints))]
        return Response(200 if endpoints and healthy else 503, json.dumps(body, indent="\t").encode(), headers=headers)
