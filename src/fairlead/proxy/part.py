"""kube-proxy as a part: Services and EndpointSlices in, the kernel's rules out."""

import asyncio
import logging
import time

from fairlead.api.types.core import Node, Service
from fairlead.api.types.discovery import EndpointSlice
from fairlead.client.config import load
from fairlead.client.events import Recorder
from fairlead.client.informer import Informer
from fairlead.client.rest import Client
from fairlead.host import conntrack
from fairlead.host.nft_watch import NftWatch
from fairlead.proxy import status
from fairlead.proxy.choosing import MAKE, choose, others
from fairlead.proxy.configuration import Options
from fairlead.proxy.health_check import HealthChecks
from fairlead.proxy.metrics import Metrics
from fairlead.proxy.mode import ModeError
from fairlead.proxy.mode import Node as Place
from fairlead.services.model import Locality, ServicePort, service_ports

log = logging.getLogger(__name__)

SERVICE_NAME = "kubernetes.io/service-name"
PROXY_NAME, HEADLESS = "service.kubernetes.io/service-proxy-name", "service.kubernetes.io/headless"
OURS = f"!{PROXY_NAME},!{HEADLESS}"
REPAIR = 1.0  # seconds between two times that everything is made again
ZONE = "topology.kubernetes.io/zone"
RETRY = 1.0  # seconds after a transaction that failed


def clean_up(options: Options) -> None:
    """Takes the rules of every mode away (`--cleanup`)."""
    for make in MAKE.values():
        make(_place(options)).clean_up()


async def serve(options: Options) -> None:
    """Runs until cancelled; the rules stay, so that Services go on while a proxy starts again."""
    client = Client(load(options.kubeconfig), user_agent="kube-proxy/fairlead")
    proxy = Proxy(options, client)
    try:
        await proxy.run()
    finally:
        await client.close()


class Proxy:
    def __init__(self, options: Options, client: Client) -> None:
        self._node = _place(options)
        self.mode_name, self._fallback = choose(options.mode)
        self._mode = MAKE[self.mode_name](self._node)
        self._watch = NftWatch()
        self._repaired = 0.0
        self._others = others(self.mode_name, self._node)
        self._options = options
        self._recorder = Recorder(client, "kube-proxy", options.node_name)
        self._services = Informer(client, "services", Service, label_selector=OURS)
        self._slices = Informer(client, "endpointslices.discovery.k8s.io", EndpointSlice, label_selector=OURS)
        self._slices.add_index("service", _service_key)
        self._nodes = Informer(client, "nodes", Node, field_selector=f"metadata.name={options.node_name}")
        self._here = Locality(options.node_name)
        self._dirty: dict[str, float] = {}  # key → when its change was heard of
        self._wake = asyncio.Event()
        self._known: dict[str, tuple[ServicePort, ...]] = {}
        self._metrics = Metrics()
        self._health_checks = HealthChecks(self._healthy)
        self._last_sync = 0.0
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._services.run())
            tasks.create_task(self._slices.run())
            tasks.create_task(self._nodes.run())
            tasks.create_task(self._recorder.run())
            tasks.create_task(status.serve(self._options, self.mode_name, self._metrics, self._healthy))
            self._tell_start()
            await self._services.synced()
            await self._slices.synced()
            await self._nodes.synced()
            self._nodes.add_handler(self._on_node)
            self._services.add_handler(lambda key, _old, _new: self._mark(key))
            self._slices.add_handler(self._on_slice)
            self._wake.set()
            asyncio.get_running_loop().add_reader(self._watch, self._on_kernel)
            await self._sync_for_ever()

    def _tell_start(self) -> None:
        involved = {"kind": "Node", "name": self._options.node_name, "uid": self._options.node_name}
        self._recorder.event(involved, "Normal", "Starting", "")
        if self._fallback:
            wanted, serving = self._options.mode, self.mode_name
            message = f'cannot use the proxy mode "{wanted}", falling back to "{serving}": {self._fallback}'
            log.warning("%s", message)
            self._recorder.event(involved, "Warning", "ProxyModeFallback", message)

    def _take_over(self) -> None:
        """Our rules are all there: those of another mode, which served until now, can go."""
        for mode in self._others:
            mode.clean_up()

    def _healthy(self) -> bool:
        return self._last_sync > 0 and (not self._dirty or time.monotonic() - min(self._dirty.values()) < 60)

    def _mark(self, key: str) -> None:
        self._dirty.setdefault(key, time.monotonic())
        self._wake.set()

    def _on_node(self, _: str, __: Node | None, new: Node | None) -> None:
        """In another zone, other endpoints are near."""
        here = Locality(self._node.name, new.metadata.labels.get(ZONE, "") if new is not None else "")
        if here != self._here:
            self._here = here
            for key in self._services.items:
                self._mark(key)

    def _on_slice(self, _: str, old: EndpointSlice | None, new: EndpointSlice | None) -> None:
        for obj in (old, new):
            for key in _service_key(obj) if obj is not None else ():
                self._mark(key)

    async def _sync_for_ever(self) -> None:
        """Events only name what is dirty; all that came meanwhile goes in one transaction."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            dirty, self._dirty = self._dirty, {}
            began = time.monotonic()
            changes = {key: self._ports(key) for key in dirty}
            try:
                with self._watch.quiet():
                    self._mode.apply(changes)
            except ModeError as error:
                log.warning("cannot program %d services, starting over: %s", len(changes), error)
                self._metrics.failures.inc()
                self._mode.restart()
                for key in {*self._services.items, *dirty}:
                    self._dirty.setdefault(key, dirty.get(key, began))
                await asyncio.sleep(RETRY)
                self._wake.set()
                continue
            if not self._last_sync:
                self._take_over()
            self._last_sync = time.monotonic()
            self._metrics.observe(self._last_sync - began, [self._last_sync - heard for heard in dirty.values()])
            self._forget_flows(changes)
            for key, ports in changes.items():
                await self._check_health(key, ports)

    async def _check_health(self, key: str, ports: tuple[ServicePort, ...]) -> None:
        """What a load balancer asks each node for: how many endpoints are here."""
        service = self._services.get(key)
        number = service.spec.health_check_node_port if service is not None else 0
        if service is not None and service.spec.external_traffic_policy != "Local":
            number = 0
        here = {e.address for port in ports for e in port.endpoints if e.ready and e.node == self._node.name}
        await self._health_checks.update(key, number, len(here))

    def _on_kernel(self) -> None:
        """Somebody has deleted rules. What is ours comes back, whole, at most once a second."""
        if not self._watch.damaged(self._mode.owns):
            return
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._watch)
        loop.call_later(max(0.0, self._repaired + REPAIR - time.monotonic()), self._repair)

    def _repair(self) -> None:
        log.warning("rules of ours were deleted by somebody: making them again")
        self._repaired = time.monotonic()
        self._watch.damaged(self._mode.owns)  # until now, all of it
        asyncio.get_running_loop().add_reader(self._watch, self._on_kernel)
        self._mode.restart()
        for key in self._services.items:
            self._dirty.setdefault(key, time.monotonic())
        self._wake.set()

    def _ports(self, key: str) -> tuple[ServicePort, ...]:
        service = self._services.get(key)
        return (
            () if service is None else tuple(service_ports(service, self._slices.by_index("service", key), self._here))
        )

    def _forget_flows(self, changes: dict[str, tuple[ServicePort, ...]]) -> None:
        """UDP flows to endpoints that are gone, or made while there was none."""
        for key, after in changes.items():
            before = {port.id: port for port in self._known.get(key, ())}
            now = {port.id: port for port in after}
            for name, port in before.items():
                if name.protocol != "UDP":
                    continue
                left = {each.address for each in now[name].endpoints if each.ready} if name in now else set()
                for endpoint in port.endpoints:
                    if endpoint.address not in left:
                        self._forget(port, endpoint.address)
            for name, port in now.items():
                if name.protocol == "UDP" and port.endpoints and name in before and not before[name].endpoints:
                    self._forget(port, None)
            if after:
                self._known[key] = after
            else:
                self._known.pop(key, None)

    def _forget(self, port: ServicePort, endpoint: str | None) -> None:
        """By each of its addresses."""
        ways: list[tuple[str | None, int]] = [(each, port.port) for each in (port.cluster_ip, *port.external)]
        if port.node_port is not None:
            ways.append((None, port.node_port))
        for address, number in ways:
            task = asyncio.get_running_loop().create_task(conntrack.forget_udp(address, number, endpoint))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)


def _place(options: Options) -> Place:
    return Place(
        options.node_name,
        options.cluster_cidr,
        options.service_cidr,
        options.node_ip,
        options.node_port_addresses,
    )


def _service_key(obj: EndpointSlice) -> list[str]:
    name = obj.metadata.labels.get(SERVICE_NAME)
    return [f"{obj.metadata.namespace}/{name}"] if name else []
