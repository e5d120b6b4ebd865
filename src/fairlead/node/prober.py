"""Probes of one running container: tried in their time, counted, judged (kubelet `prober`)."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable

from fairlead.api.types.core import Container, HTTPGetAction, Probe, TCPSocketAction
from fairlead.node import probe as counting
from fairlead.node.http_get import http_get, joined, port_of
from fairlead.node.observed import Health

# Runs a command in the container: exit code and output.
Execute = Callable[[list[str], float], Awaitable[tuple[int, str]]]
Told = Callable[[Health], None]
Unhealthy = Callable[[str, str], None]  # the probe's kind, what went wrong


class Prober:
    """Runs until cancelled."""

    def __init__(
        self, container: Container, address: str, started_at: float, execute: Execute, told: Told, unhealthy: Unhealthy
    ) -> None:
        self._container = container
        self._address = address
        self._started_at = started_at
        self._execute = execute
        self._told = told
        self._unhealthy = unhealthy
        self._probes = counting.probes_of(container)
        self._tallies = {kind: counting.untried(kind) for kind in self._probes}
        self._changed = asyncio.Event()

    @property
    def health(self) -> Health:
        return counting.health_of(self._container, self._tallies)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for kind, probe in self._probes.items():
                tasks.create_task(self._repeat(kind, probe))

    async def _repeat(self, kind: str, probe: Probe) -> None:
        """Not before its delay, and then at its own pace; readiness is also tried as soon as startup has succeeded."""
        await asyncio.sleep(max(0.0, self._started_at + probe.initial_delay_seconds - time.time()))
        while True:
            if counting.is_due(kind, probe, self._tallies, time.time() - self._started_at):
                if kind != counting.LIVENESS and time.time() - self._started_at < probe.period_seconds:
                    await self._eagerly(probe)
                await self._once(kind, probe)
            elif kind == counting.STARTUP:
                return
            self._changed.clear()
            try:
                async with asyncio.timeout(max(probe.period_seconds, 1) * random.uniform(0.98, 1.0)):
                    if kind == counting.STARTUP or self._tallies[kind].result is not None:
                        await asyncio.sleep(3600)
                    await self._changed.wait()
            except TimeoutError:
                pass

    async def _eagerly(self, probe: Probe) -> None:
        """A container that was just started is often ready long before its first period is over: looks, without
        counting or telling, until it is or that is over."""
        wait = 0.02
        deadline = self._started_at + probe.period_seconds
        while time.time() + wait < deadline:
            try:
                async with asyncio.timeout(min(probe.timeout_seconds, 1.0)):
                    if await self._attempt(probe) is None:
                        return
            except (TimeoutError, OSError):
                pass
            await asyncio.sleep(wait)
            wait = min(wait * 1.5, 1.0)

    async def _once(self, kind: str, probe: Probe) -> None:
        try:
            async with asyncio.timeout(probe.timeout_seconds):
                wrong = await self._attempt(probe)
        except TimeoutError:
            wrong = f"probe timed out after {probe.timeout_seconds}s"
        except OSError as error:
            wrong = f"{error.strerror or error or type(error).__name__}".lower()
        if wrong is not None:
            self._unhealthy(kind, wrong)
        before = self.health
        self._tallies[kind] = counting.count(self._tallies[kind], probe, wrong is None)
        if self.health != before:
            self._changed.set()
            self._told(self.health)

    async def _attempt(self, probe: Probe) -> str | None:
        """What went wrong; None: it succeeded."""
        if probe.exec is not None:
            code, output = await self._execute(probe.exec.command, probe.timeout_seconds)
            return None if code == 0 else output.strip() or f"command exited with {code}"
        if probe.http_get is not None:
            return await self._http(probe.http_get)
        if probe.tcp_socket is not None:
            return await self._tcp(probe.tcp_socket)
        return None

    async def _http(self, action: HTTPGetAction) -> str | None:
        try:
            status = await http_get(action, self._container, self._address, "kube-probe")
        except OSError as error:
            return str(error)
        return None if 200 <= status < 400 else f"HTTP probe failed with statuscode: {status}"

    async def _tcp(self, action: TCPSocketAction) -> str | None:
        host, port = action.host or self._address, port_of(self._container, action.port)
        try:
            _, writer = await asyncio.open_connection(host, port)
        except OSError as error:
            return f"dial tcp {joined(host, port)}: connect: {(error.strerror or str(error)).lower()}"
        writer.close()
        return None
