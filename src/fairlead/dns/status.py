"""Health, readiness and metrics of the DNS part, on CoreDNS's ports and paths."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from fairlead.dns.config.settings import Settings
from fairlead.http.server import Request, Response, Server, listen

log = logging.getLogger(__name__)

TEXT = "text/plain; charset=utf-8"
EXPOSITION = "text/plain; version=0.0.4; charset=utf-8"
RETRY_SECONDS = 1.0

Address = tuple[str, int]


class Status:
    """Servers where the settings say; they move when the settings change."""

    def __init__(
        self,
        render: Callable[[], Awaitable[bytes]],
        is_healthy: Callable[[], Awaitable[bool]],
        is_ready: Callable[[], bool],
    ) -> None:
        self._render, self._is_healthy, self._is_ready = render, is_healthy, is_ready
        self._wanted: set[Address] = set()
        self._servers: dict[Address, Server] = {}
        self._changed = asyncio.Event()

    def settle(self, settings: Settings) -> None:
        wanted = {each for each in (settings.health, settings.ready, settings.metrics) if each is not None}
        if wanted != self._wanted:
            self._wanted = wanted
            self._changed.set()

    async def run(self) -> None:
        try:
            while True:
                await self._changed.wait()
                self._changed.clear()
                await self._move()
        finally:
            for server in self._servers.values():
                await server.close()

    async def _move(self) -> None:
        """An address that is taken is tried again, and costs the others nothing."""
        for address in [each for each in self._servers if each not in self._wanted]:
            await self._servers.pop(address).close()
        for address in self._wanted - set(self._servers):
            host, port = address
            try:
                self._servers[address] = await listen(self._handle, host, port)
            except OSError as error:
                log.warning("cannot listen on %s port %d: %s", host or "every address", port, error)
                asyncio.get_running_loop().call_later(RETRY_SECONDS, self._changed.set)

    async def _handle(self, request: Request) -> Response:
        """`/health` says that questions are answered, `/ready` that all Services are known."""
        match request.path:
            case "/metrics":
                return Response(200, await self._render(), EXPOSITION)
            case "/health":
                healthy = await self._is_healthy()
                return Response(200, b"OK", TEXT) if healthy else Response(503, b"the workers do not answer", TEXT)
            case "/ready":
                return Response(200, b"OK", TEXT) if self._is_ready() else Response(503, b"kubernetes", TEXT)
        return Response(404, b"404 page not found\n", TEXT)
