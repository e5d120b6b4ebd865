"""A node's part of it: which addresses are its to answer for, by the Services, the other nodes and the leases."""

import asyncio
import logging
import time

from fairlead.api.status import ApiError
from fairlead.api.types.discovery import Lease
from fairlead.client.informer import Informer
from fairlead.client.rest import Client
from fairlead.loadbalancer.asking import Service
from fairlead.loadbalancer.configuration import L2
from fairlead.loadbalancer.device.checking import Target, ask
from fairlead.loadbalancer.device.health import FALL, Outcome
from fairlead.loadbalancer.l2.choice import BEAT, FENCED, SILENT, Members, holder, lease_name, with_endpoints
from fairlead.loadbalancer.l2.leases import LEASES, SELECTOR, SPEAKER, Leases
from fairlead.loadbalancer.l2.responding import Responder
from fairlead.services.trimmed import TrimmedSlice

log = logging.getLogger(__name__)

SERVICE_NAME = "kubernetes.io/service-name"
SLICES = "endpointslices.discovery.k8s.io"
REMIND = 10.0  # seconds between two times that addresses are announced again


class Speaker:
    """`namespace` is the leases'; `services` is filled by somebody else; `default_class` is of Services that name
    none."""

    def __init__(
        self,
        client: Client,
        namespace: str,
        node: str,
        services: Informer[Service],
        responder: Responder,
        health_port: int,
    ) -> None:
        self.default_class = ""
        self._node = node
        self._services = services
        self._slices = Informer(client, SLICES, TrimmedSlice, label_selector=SERVICE_NAME)
        self._slices.add_index("service", _service_keys)
        self._leases = Informer(client, LEASES, Lease, namespace=namespace, label_selector=SELECTOR)
        self._writing = Leases(client, namespace, node)
        self._namespace = namespace
        self._responder = responder
        self._health = Target("127.0.0.1", health_port)
        self._members = Members()
        self._heard = 0.0  # when our own sign of life was last written
        self._proxy_failures = FALL
        self._wake = asyncio.Event()
        self._ahead: dict[str, Lease] = {}  # what we took, until the watch has it

    async def run(self) -> None:
        """Until cancelled. Then nobody is answered any more, and the others take over."""
        loop = asyncio.get_running_loop()
        for each in self._responder.sockets:
            loop.add_reader(each, self._responder.respond, each)
        try:
            async with asyncio.TaskGroup() as tasks:
                for informer in (self._slices, self._leases):
                    tasks.create_task(informer.run())
                tasks.create_task(self._beat())
                tasks.create_task(self._check_proxy())
                tasks.create_task(self._remind())
                await self._services.synced()
                await self._slices.synced()
                await self._leases.synced()
                self._leases.add_handler(self._on_lease)
                self._services.add_handler(lambda *_: self._wake.set())
                self._slices.add_handler(lambda *_: self._wake.set())
                await self._follow()
        finally:
            for each in self._responder.sockets:
                loop.remove_reader(each)
            self._responder.close()

    def _on_lease(self, key: str, _: Lease | None, new: Lease | None) -> None:
        name = key.partition("/")[2]
        if name.startswith(SPEAKER):
            node = name.removeprefix(SPEAKER)
            if new is None or not new.spec.holder_identity:
                self._members.forget(node)
            else:
                known = self._members.alive(time.monotonic())
                self._members.saw(node, new.spec.renew_time or "", time.monotonic())
                if node in known:
                    return  # nothing new but its time
        self._wake.set()

    # Signs of life.

    async def _beat(self) -> None:
        while True:
            began = time.monotonic()
            try:
                async with asyncio.timeout(FENCED):
                    await self._writing.beat(SILENT)
                self._heard = began
            except (ApiError, OSError, EOFError, TimeoutError) as error:
                log.warning("the API does not hear us: %s", error)
            if not self._heard_lately():
                self._responder.own(())  # the others take over
                self._wake.set()
            await asyncio.sleep(max(0.02, BEAT - (time.monotonic() - began)))

    def _heard_lately(self) -> bool:
        return time.monotonic() - self._heard < FENCED

    async def _check_proxy(self) -> None:
        """A node whose service proxy does not serve is no place to send packets to."""
        while True:
            well = await ask(self._health) is Outcome.WELL
            before = self._proxy_failures >= FALL
            self._proxy_failures = 0 if well else min(self._proxy_failures + 1, FALL)
            if before != (self._proxy_failures >= FALL):
                self._wake.set()
            await asyncio.sleep(BEAT)

    async def _remind(self) -> None:
        while True:
            await asyncio.sleep(REMIND)
            self._responder.announce_again()

    # Addresses.

    async def _follow(self) -> None:
        while True:
            try:
                async with asyncio.timeout(self._members.next_death(time.monotonic()) or BEAT):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()
            try:
                await self._settle()
            except (ApiError, OSError, EOFError) as error:
                log.warning("cannot settle who answers: %s", error)
                await asyncio.sleep(BEAT / 2)
                self._wake.set()

    async def _settle(self) -> None:
        now = time.monotonic()
        alive = self._members.alive(now)
        wanted = self._wanted()
        mine: set[str] = set()
        for address, eligible in sorted(wanted.items()):
            lease = self._lease(lease_name(address))
            held_by = (lease.spec.holder_identity or "") if lease is not None else ""
            candidates = alive if eligible is None else alive & eligible
            if self._proxy_failures >= FALL:
                candidates = candidates - {self._node}
            chosen = holder(address, held_by, candidates)
            if chosen == self._node and self._heard_lately():
                if held_by == self._node or await self._take(address, lease):
                    mine.add(address)
            elif held_by == self._node and lease is not None:
                self._responder.own(self._responder.owned - {address})
                self._ahead.pop(lease_name(address), None)
                await self._writing.release(lease)
        self._responder.own(mine)
        await self._forget(wanted)

    def _lease(self, name: str) -> Lease | None:
        """As we know it: the watch may be behind what we wrote ourselves."""
        seen, ahead = self._leases.get(f"{self._namespace}/{name}"), self._ahead.get(name)
        if ahead is None or (seen is not None and _version(seen) >= _version(ahead)):
            self._ahead.pop(name, None)
            return seen
        return ahead

    async def _take(self, address: str, lease: Lease | None) -> bool:
        taken = await self._writing.take(lease_name(address), lease)
        if taken is not None:
            self._ahead[lease_name(address)] = taken
            log.info("%s is ours to answer for", address)
        return taken is not None

    async def _forget(self, wanted: dict[str, frozenset[str] | None]) -> None:
        """Leases of addresses that nobody has any more; whoever held them."""
        names = {lease_name(address) for address in wanted}
        for key, lease in list(self._leases.items.items()):
            name = key.partition("/")[2]
            ours = lease.spec.holder_identity == self._node and not name.startswith(SPEAKER)
            if ours and name not in names:
                await self._writing.remove(name)

    def _wanted(self) -> dict[str, frozenset[str] | None]:
        """Address → the nodes that may answer; None: any."""
        found: dict[str, frozenset[str] | None] = {}
        for service in self._services.items.values():
            if not service.is_wanted or (service.spec.load_balancer_class or self.default_class) != L2:
                continue
            nodes = self._nodes_of(service)
            for address in service.addresses:
                others = found.get(address)
                found[address] = nodes if others is None else others & nodes if nodes is not None else others
        return found

    def _nodes_of(self, service: Service) -> frozenset[str] | None:
        if service.spec.external_traffic_policy != "Local":
            return None
        slices = self._slices.by_index("service", service.key)
        return with_endpoints(each for slice_ in slices for each in slice_.endpoints)


def _version(lease: Lease) -> int:
    version = lease.metadata.resource_version
    return int(version) if version.isdigit() else 0


def _service_keys(slice_: TrimmedSlice) -> list[str]:
    name = slice_.metadata.labels.get(SERVICE_NAME)
    return [f"{slice_.metadata.namespace}/{name}"] if name else []
