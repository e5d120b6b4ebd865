"""Cluster DNS as a part: an ordinary client of the Kubernetes API that keeps the zone and answers from it."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from fairlead.api.types.core import Namespace, Service
from fairlead.api.types.discovery import EndpointSlice
from fairlead.api.types.meta import Object
from fairlead.client.config import load
from fairlead.client.informer import Informer
from fairlead.client.rest import Client
from fairlead.dns.metrics import Metrics
from fairlead.dns.server import Listening, Responder, listen
from fairlead.dns.status import serve_health, serve_metrics
from fairlead.dns.wire import Rcode, Reply
from fairlead.dns.zone import ServiceEntry, SliceEntry, Zone

log = logging.getLogger(__name__)

T = TypeVar("T", bound=Object)
NOT_YET = Reply(Rcode.SERVFAIL, authoritative=False)


@dataclass(frozen=True, slots=True)
class Options:
    """`listen`: addresses to answer on; ports 0 are chosen by the kernel. `ttl` in seconds.

    `kubeconfig` None: the service account of the pod that this process is.
    """

    kubeconfig: str | None = None
    listen: tuple[str, ...] = ("0.0.0.0",)
    port: int = 53
    domain: str = "cluster.local"
    ttl: int = 30
    metrics_port: int = 9153
    health_port: int = 8080
    ready_port: int = 8181


async def serve(options: Options) -> None:
    """Runs until cancelled. Raises OSError where an address is taken."""
    client = Client(load(options.kubeconfig), user_agent="kube-dns/fairlead")
    zone = Zone(options.domain, options.ttl)
    informers = _follow(client, zone)
    synced = asyncio.gather(*(informer.synced() for informer in informers))
    metrics = Metrics()

    def answer(name: str, qtype: int, klass: int) -> Reply:
        """SERVFAIL only until the first full list: a name must not be denied that we have not heard of yet."""
        return zone.answer(name, qtype, klass) if synced.done() else NOT_YET

    responder = Responder(answer, metrics.observe)
    sockets: list[Listening] = []
    try:
        async with asyncio.TaskGroup() as tasks:
            for informer in informers:
                tasks.create_task(informer.run())
            tasks.create_task(serve_metrics(metrics, options.metrics_port))
            tasks.create_task(serve_health(options.health_port, options.ready_port, synced.done))
            sockets += [await listen(responder, host, options.port) for host in options.listen]
            log.info("answering for %s on %s port %d", options.domain, ", ".join(options.listen), options.port)
    finally:
        synced.cancel()
        for listening in sockets:
            listening.close()
        await client.close()


def _follow(client: Client, zone: Zone) -> tuple[Informer[Namespace], Informer[Service], Informer[EndpointSlice]]:
    """Informers whose events go straight into the zone."""
    namespaces = Informer(client, "namespaces", Namespace)
    services = Informer(client, "services", Service)
    slices = Informer(client, "endpointslices.discovery.k8s.io", EndpointSlice)

    def on_namespace(key: str, _: Namespace | None, new: Namespace | None) -> None:
        if new is None:
            zone.remove_namespace(key)
        else:
            zone.put_namespace(key)

    def on_service(key: str, _: Service | None, new: Service | None) -> None:
        if new is None:
            zone.remove_service(_split(key))
        else:
            zone.put_service(ServiceEntry.from_api(new))

    def on_slice(key: str, _: EndpointSlice | None, new: EndpointSlice | None) -> None:
        zone.put_slice(*_split(key), SliceEntry.from_api(new) if new is not None else None)

    namespaces.add_handler(on_namespace)
    services.add_handler(_tolerant(on_service))
    slices.add_handler(_tolerant(on_slice))
    return namespaces, services, slices


def _tolerant(
    handler: Callable[[str, T | None, T | None], None],
) -> Callable[[str, T | None, T | None], None]:
    """One malformed object (an address that is none) must not take the others' answers away."""

    def handle(key: str, old: T | None, new: T | None) -> None:
        try:
            handler(key, old, new)
        except ValueError as error:
            log.warning("%s left out of DNS: %s", key, error)

    return handle


def _split(key: str) -> tuple[str, str]:
    namespace, _, name = key.partition("/")
    return namespace, name
