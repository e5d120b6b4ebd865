"""The device at work: Services and the health of nodes in, the table out. What came meanwhile goes in one change."""

import asyncio
import logging

from fairlead.loadbalancer.device.apply import Device, DeviceError
from fairlead.loadbalancer.device.checking import Checking, Target
from fairlead.loadbalancer.device.eligible import eligible
from fairlead.loadbalancer.device.health import PATIENCE, State
from fairlead.loadbalancer.device.plan import Changes, Planner
from fairlead.loadbalancer.model import Balanced

log = logging.getLogger(__name__)

RETRY = 1.0  # seconds after a change that failed
PROXY = ""  # the owner of the checks of the nodes' service proxies


class DeviceServing:
    """`health_port`: of each node's service proxy."""

    def __init__(self, device: Device, health_port: int) -> None:
        self._device = device
        self._health_port = health_port
        self._planner = Planner()
        self._services: dict[str, Balanced] = {}
        self._nodes: dict[str, tuple[str, ...]] = {}
        self._leaving: frozenset[str] = frozenset()
        self._checking = Checking(self._on_health)
        self._dirty: set[str] = set()
        self._nodes_dirty = True
        self._applied = asyncio.Event()
        self._wake = asyncio.Event()
        self._ready = asyncio.Event()
        self._active = False  # from the first Service on: until then nobody is asked and nothing is made

    def serve(self, key: str, balanced: Balanced) -> None:
        before = self._services.get(key)
        if before == balanced:
            return
        self._services[key] = balanced
        if balanced.check_port != (before.check_port if before is not None else 0):
            self._want_checks(key)
        self._mark(key)

    async def let_go(self, key: str) -> None:
        if self._services.pop(key, None) is not None:
            self._want_checks(key)
            self._mark(key)
        while key in self._dirty:
            self._applied.clear()
            await self._applied.wait()

    def set_nodes(self, nodes: dict[str, tuple[str, ...]], leaving: frozenset[str]) -> None:
        if (nodes, leaving) == (self._nodes, self._leaving):
            return
        self._nodes, self._leaving = nodes, leaving
        if self._active:
            self._want_all_checks()
            self._all_dirty()

    def start(self) -> None:
        """All that is there has been told."""
        self._ready.set()

    async def run(self) -> None:
        await self._ready.wait()
        while not self._services and not self._device.is_there:
            await self._wake.wait()
            self._wake.clear()
        self._active = True
        self._want_all_checks()
        await self._first_answers()
        known = self._device.numbers()
        for name, addresses in self._nodes.items():
            numbers = {known[each] for each in addresses if each in known}
            if numbers and not numbers & set(self._planner.numbers.values()):
                self._planner.numbers[name] = min(numbers)
        self._all_dirty()
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                await self._sync()
        finally:
            self._checking.close()
            self._device.close()

    async def _first_answers(self) -> None:
        """What an earlier process left serves meanwhile: it is not changed for what is only not known yet."""
        deadline = asyncio.get_running_loop().time() + PATIENCE + 0.1
        while asyncio.get_running_loop().time() < deadline:
            if all(self._checking.state(PROXY, name) is not State.UNKNOWN for name in self._nodes):
                return
            await asyncio.sleep(0.005)

    async def _sync(self) -> None:
        dirty, nodes_dirty = set(self._dirty), self._nodes_dirty
        self._nodes_dirty = False
        try:
            changes = self._plan(dirty, nodes_dirty)
            addresses = {each.address for balanced in self._services.values() for each in balanced.frontends}
            self._device.apply(changes)
            self._device.own(addresses)
        except DeviceError as error:
            log.warning("cannot change the device, starting over: %s", error)
            self._device.restart()
            self._planner = Planner(dict(self._planner.numbers))
            self._all_dirty()
            await asyncio.sleep(RETRY)
            return
        self._dirty -= dirty
        self._applied.set()

    def _plan(self, dirty: set[str], nodes_dirty: bool) -> Changes:
        changes: Changes = {}
        if nodes_dirty:
            dead = [name for name in self._nodes if self._checking.state(PROXY, name) is State.DEAD]
            changes |= self._planner.nodes(self._nodes, dead)
            changes |= self._planner.everywhere(self._serving())
        for key in dirty:
            balanced = self._services.get(key)
            nodes = self._serving(key) if balanced is not None and balanced.local else ()
            changes |= self._planner.service(key, balanced, nodes)
        return changes

    def _serving(self, key: str = PROXY) -> list[str]:
        """Nodes that may have new connections, to a Service with the policy Local or else to any."""

        def states(check: str) -> dict[str, State]:
            return {name: self._checking.state(check, name) for name in self._nodes}

        staying = [name for name in self._nodes if name not in self._leaving]
        return eligible(staying, states(PROXY), states(key), {} if key == PROXY else self._checking.fell(key))

    def _want_all_checks(self) -> None:
        self._checking.want(PROXY, self._targets(self._health_port))
        for key, balanced in self._services.items():
            if balanced.check_port:
                self._want_checks(key)

    def _want_checks(self, key: str) -> None:
        if not self._active:
            return
        balanced = self._services.get(key)
        port = balanced.check_port if balanced is not None else 0
        self._checking.want(key, self._targets(port) if port else {})

    def _targets(self, port: int) -> dict[str, Target]:
        return {name: Target(addresses[0], port) for name, addresses in self._nodes.items()}

    def _on_health(self, owner: str, node: str, state: State) -> None:
        log.info("%s on %s is %s", owner or "the service proxy", node, state.value)
        if owner != PROXY:
            self._mark(owner)
            return
        self._nodes_dirty = True
        self._dirty |= {key for key, balanced in self._services.items() if balanced.local}
        self._wake.set()

    def _all_dirty(self) -> None:
        self._nodes_dirty = True
        self._dirty |= self._services.keys()
        self._wake.set()

    def _mark(self, key: str) -> None:
        self._dirty.add(key)
        self._wake.set()
