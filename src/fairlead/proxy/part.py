"""kube-proxy as a part: Services and EndpointSlices in, the kernel's rules out."""

import asyncio
import logging
import os
import time
from dataclasses import replace

from fairlead.api import time as api_time
from fairlead.api.types.core import Node
from fairlead.client.config import load
from fairlead.client.events import Recorder, reference
from fairlead.client.informer import Informer
from fairlead.client.rest import Client
from fairlead.host import sysctl
from fairlead.proxy import rules as node_rules
from fairlead.proxy import status
from fairlead.proxy.choosing import choose
from fairlead.proxy.claims import Claims
from fairlead.proxy.configuration import Options
from fairlead.proxy.flows import Flows
from fairlead.proxy.health_check import HealthChecks
from fairlead.proxy.kernel_settings import MAXIMUM, most_connections, settings
from fairlead.proxy.metrics import Metrics, Synced
from fairlead.proxy.mode import ModeError
from fairlead.proxy.rules import Changes, RefusedError
from fairlead.proxy.surroundings import complete
from fairlead.services.model import Locality, ServicePort, problems, service_ports
from fairlead.services.trimmed import TrimmedService, TrimmedSlice

log = logging.getLogger(__name__)

SERVICE_NAME = "kubernetes.io/service-name"
PROXY_NAME, HEADLESS = "service.kubernetes.io/service-proxy-name", "service.kubernetes.io/headless"
OURS = f"!{PROXY_NAME},!{HEADLESS}"
AUDIT = 1.0  # seconds between two looks at a little of what is believed to be in the kernel
REPAIR = 1.0  # seconds between two times that everything is made again
ZONE = "topology.kubernetes.io/zone"
EVERYWHERE = ("0.0.0.0/0", "::/0")
GOING = "ToBeDeletedByClusterAutoscaler"  # the taint of a node that load balancers shall leave (KEP-3836)
RETRY = 1.0  # seconds after a transaction that failed


def clean_up(options: Options) -> None:
    """Takes the rules of every mode away (`--cleanup`)."""
    anywhere = replace(options, cluster_cidr=",".join(EVERYWHERE), service_cidr=",".join(EVERYWHERE))
    node_rules.clean_up(anywhere.nodes().values())


async def serve(options: Options) -> None:
    """Runs until cancelled; the rules stay, so that Services go on while a proxy starts again."""
    client = Client(load(options.kubeconfig), user_agent="kube-proxy/fairlead")
    try:
        await Proxy(await complete(options, client), client).run()
    finally:
        await client.close()


class Proxy:
    def __init__(self, options: Options, client: Client) -> None:
        self.mode_name, self._fallback = choose(options.mode)
        nodes = options.nodes()
        self._families = tuple(nodes)
        self._rules = node_rules.rules(self.mode_name, nodes)
        self._repaired = 0.0
        self._options = options
        self._recorder = Recorder(client, "kube-proxy", options.node_name)
        self._services = Informer(client, "services", TrimmedService, label_selector=OURS)
        self._slices = Informer(client, "endpointslices.discovery.k8s.io", TrimmedSlice, label_selector=OURS)
        self._slices.add_index("service", _service_key)
        self._nodes = Informer(client, "nodes", Node, field_selector=f"metadata.name={options.node_name}")
        self._here = Locality(options.node_name)
        self._claims = Claims()
        self._told: dict[str, set[str]] = {}  # what each Service was told that it cannot have
        self._dirty: dict[str, float] = {}  # key → when its change was heard of
        self._wake = asyncio.Event()
        self._metrics = Metrics(self.mode_name, self._families, options.node_name, self._rules.packets)
        if self.mode_name == "ebpf":
            self._metrics.count_connections(self._rules.connections)
        self._flows = Flows(self._metrics.forgot_flows)
        self._health_checks = HealthChecks(self._healthy)
        self._last_sync = 0.0
        self._stays = True  # the node

    async def run(self) -> None:
        self._set_kernel()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._services.run())
            tasks.create_task(self._slices.run())
            tasks.create_task(self._nodes.run())
            tasks.create_task(self._recorder.run())
            tasks.create_task(status.serve(self._options, self.mode_name, self._metrics, self._health))
            self._tell_start()
            await self._services.synced()
            await self._slices.synced()
            await self._nodes.synced()
            self._nodes.add_handler(self._on_node)
            self._services.add_handler(self._on_service)
            self._slices.add_handler(self._on_slice)
            self._wake.set()
            asyncio.get_running_loop().add_reader(self._rules.watch, self._on_kernel)
            tasks.create_task(self._audit_for_ever())
            await self._sync_for_ever()

    def _set_kernel(self) -> None:
        configuration = self._options.configuration or {}
        wanted = settings(configuration)
        most = most_connections(configuration, os.cpu_count() or 1)
        if sysctl.read(MAXIMUM, most) < most:
            wanted[MAXIMUM] = str(most)
        for name in sysctl.write(wanted):
            log.info("this kernel does not let us set %s here", name)

    def _tell_start(self) -> None:
        involved = {"kind": "Node", "name": self._options.node_name, "uid": self._options.node_name}
        self._recorder.event(involved, "Normal", "Starting", "")
        log.info("Using %s Proxier", self.mode_name)  # kube-proxy's words, by which people learn the mode from a log
        if self._fallback:
            wanted, serving = self._options.mode, self.mode_name
            message = f'cannot use the proxy mode "{wanted}", falling back to "{serving}": {self._fallback}'
            log.warning("%s", message)
            self._recorder.event(involved, "Warning", "ProxyModeFallback", message)

    def _healthy(self) -> bool:
        return self._last_sync > 0 and (not self._dirty or time.monotonic() - min(self._dirty.values()) < 60)

    def _health(self) -> status.Health:
        return status.Health(self._healthy(), self._stays)

    def _mark(self, key: str) -> None:
        self._dirty.setdefault(key, time.monotonic())
        self._wake.set()

    def _on_node(self, _: str, __: Node | None, new: Node | None) -> None:
        """In another zone, other endpoints are near. A node that is going takes no new connections from outside."""
        self._stays = new is None or not (
            new.metadata.deletion_timestamp or any(each.key == GOING for each in new.spec.taints)
        )
        here = Locality(self._options.node_name, new.metadata.labels.get(ZONE, "") if new is not None else "")
        if here != self._here:
            self._here = here
            for key in self._services.items:
                self._mark(key)

    def _on_service(self, key: str, _: TrimmedService | None, __: TrimmedService | None) -> None:
        self._metrics.queued("service", key)
        self._mark(key)

    def _on_slice(self, _: str, old: TrimmedSlice | None, new: TrimmedSlice | None) -> None:
        for obj in (old, new):
            for key in _service_key(obj) if obj is not None else ():
                if obj is not None and (obj is new or new is None):
                    self._metrics.queued("endpoint", key, _triggered(obj) if obj is new else None)
                self._mark(key)
        for problem in problems(new) if new is not None else ():
            self._recorder.event(
                reference(new, "EndpointSlice", "discovery.k8s.io/v1"), "Warning", "InvalidEndpointSlice", problem
            )

    async def _sync_for_ever(self) -> None:
        """Events only name what is dirty; all that came meanwhile goes in one transaction."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            dirty, self._dirty = self._dirty, {}
            began = time.monotonic()
            changes = self._changes(dirty)
            try:
                done = self._program(changes)
            except ModeError as error:
                log.warning("cannot program %d services, starting over: %s", len(changes), error)
                self._rules.restart()
                for key in {*self._services.items, *dirty}:
                    self._dirty.setdefault(key, dirty.get(key, began))
                await asyncio.sleep(RETRY)
                self._wake.set()
                continue
            if not self._last_sync:
                self._rules.take_over()
                self._tend()
                log.info("all %d Services are programmed", len(changes))
            self._last_sync = time.monotonic()
            self._metrics.synced(done)
            self._metrics.services(changes)
            for family, counts in self._rules.counts():
                self._metrics.rules(family, counts.total, counts.last)
            self._flows.changed(changes)
            for key, ports in changes.items():
                await self._check_health(key, ports)

    def _program(self, changes: Changes) -> list[Synced]:
        """One Service that the kernel refuses does not keep the others from being served. Raises ModeError."""
        began = time.monotonic()
        try:
            return self._rules.apply(changes)
        except RefusedError as error:
            log.warning("cannot program %d services at once: %s", len(changes), error)
            self._metrics.failed(error.family, full=error.full)
        if self._last_sync and not self._rules.apply_what_can_be(changes):
            return [Synced(family, time.monotonic() - began, full=False) for family in self._families]
        self._rules.restart()  # maybe the kernel has not what we believe
        everything = self._changes(dict.fromkeys([*self._services.items, *changes], 0.0))
        for key, why in self._rules.apply_what_can_be(everything).items():
            log.warning("service %s cannot be programmed: %s", key, why)
            if (service := self._services.get(key)) is not None:
                involved = reference(service, "Service", "v1")
                self._recorder.event(involved, "Warning", "FailedToProgram", f"its rules are refused: {why}")
        return [Synced(family, time.monotonic() - began, full=True) for family in self._families]

    def _changes(self, dirty: dict[str, float]) -> Changes:
        """What is asked for, without what another Service has already; and those who get or lose such by it."""
        asked = {key: self._ports(key) for key in dirty}
        others: set[str] = set()
        for key, ports in asked.items():
            service = self._services.get(key)
            others |= self._claims.update(key, ports, (service and service.metadata.creation_timestamp) or "")
        for key in others - asked.keys():
            asked[key] = self._ports(key)
        changes = {key: self._claims.settled(key, ports) for key, ports in asked.items()}
        for key in changes:
            self._tell_claims(key)
        return changes

    def _tell_claims(self, key: str) -> None:
        lost = {
            f"{frontend} belongs to Service {holder}: not served here" for frontend, holder in self._claims.lost(key)
        }
        service = self._services.get(key)
        for message in lost - self._told.get(key, set()):
            if service is not None:
                self._recorder.event(reference(service, "Service", "v1"), "Warning", "PortAlreadyClaimed", message)
        if lost:
            self._told[key] = lost
        else:
            self._told.pop(key, None)

    async def _check_health(self, key: str, ports: tuple[ServicePort, ...]) -> None:
        """What a load balancer asks each node for: how many endpoints are here."""
        service = self._services.get(key)
        number = service.spec.health_check_node_port if service is not None else 0
        if service is not None and service.spec.external_traffic_policy != "Local":
            number = 0
        node = self._options.node_name
        here = {
            family: {
                e.address
                for port in ports
                for e in port.endpoints
                if e.ready and e.node == node and port.family == family
            }
            for family in self._families
        }
        await self._health_checks.update(key, number, max(map(len, here.values())))

    def _on_kernel(self) -> None:
        """Somebody has deleted rules. What is ours comes back, whole, at most once a second."""
        if not self._rules.damaged():
            return
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._rules.watch)
        loop.call_later(max(0.0, self._repaired + REPAIR - time.monotonic()), self._repair)

    async def _audit_for_ever(self) -> None:
        """Of what others delete not all is told: iptables-legacy tells nothing, and messages may be lost."""
        while True:
            await asyncio.sleep(AUDIT)
            if not self._rules.audit():
                self._repair()

    def _tend(self) -> None:
        """Again and again, in modes where something is to be done with time."""
        try:
            seconds = self._rules.tend()
        except ModeError as error:
            log.warning("cannot tend the rules: %s", error)
            self._repair()
            seconds = RETRY
        if seconds is not None:
            asyncio.get_running_loop().call_later(seconds, self._tend)

    def _repair(self) -> None:
        log.warning("rules of ours were deleted by somebody: making them again")
        self._repaired = time.monotonic()
        self._rules.damaged()  # until now, all of it
        asyncio.get_running_loop().add_reader(self._rules.watch, self._on_kernel)
        self._rules.restart()
        for key in self._services.items:
            self._dirty.setdefault(key, time.monotonic())
        self._wake.set()

    def _ports(self, key: str) -> tuple[ServicePort, ...]:
        """In every family."""
        service = self._services.get(key)
        if service is None:
            return ()
        slices = self._slices.by_index("service", key)
        return tuple(port for family in self._families for port in service_ports(service, slices, self._here, family))


def _service_key(obj: TrimmedSlice) -> list[str]:
    name = obj.metadata.labels.get(SERVICE_NAME)
    return [f"{obj.metadata.namespace}/{name}"] if name else []


def _triggered(slice_: TrimmedSlice) -> float | None:
    """When that was which its last change is about (seconds since 1970), as its controller says."""
    try:
        return api_time.parse(slice_.metadata.annotations.triggered)
    except ValueError:
        return None
