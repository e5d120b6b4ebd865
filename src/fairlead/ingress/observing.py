"""The objects that the controller reads, kept by informers, as far as its role allows."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

from fairlead.api.status import ApiError
from fairlead.api.types.core import ConfigMap, Secret
from fairlead.api.types.discovery import EndpointSlice
from fairlead.api.types.networking import Ingress, IngressClass
from fairlead.api.types.service import Endpoints, Service
from fairlead.client.informer import Informer
from fairlead.client.rest import BY_QUALIFIED, Client
from fairlead.ingress.options import Options
from fairlead.ingress.plan.backends import slices_of

log = logging.getLogger(__name__)

T = TypeVar("T")

SERVICE_NAME = "kubernetes.io/service-name"
SLICES, CLASSES = "endpointslices.discovery.k8s.io", "ingressclasses.networking.k8s.io"
NO_RELEASES = "type!=helm.sh/release.v1"  # large, and never a certificate


class Scattered(Generic[T]):
    """One resource of all namespaces, or, where only one is watched, of that and of those that the flags name."""

    def __init__(
        self,
        client: Client,
        resource: str,
        kind: type[T],
        namespaces: Iterable[str] | None,
        *,
        label_selector: str = "",
        field_selector: str = "",
    ) -> None:
        self._places: dict[str | None, Informer[T]] = {
            each: Informer(
                client, resource, kind, namespace=each, label_selector=label_selector, field_selector=field_selector
            )
            for each in (sorted(namespaces) if namespaces is not None else [None])
        }

    @property
    def informers(self) -> list[Informer[T]]:
        return list(self._places.values())

    def of(self, key: str) -> Informer[T] | None:
        """Where the objects of a key's namespace are."""
        return self._places.get(None) or self._places.get(key.partition("/")[0])

    def get(self, key: str) -> T | None:
        place = self.of(key)
        return place.get(key) if place is not None else None

    def add_handler(self, handler: Callable[[str, T | None, T | None], None]) -> None:
        for each in self._places.values():
            each.add_handler(handler)


class Observed:
    """`classes` and `nodes` are None where they may not be listed; without slices there are Endpoints."""

    def __init__(self, client: Client, options: Options, allowed: set[str]) -> None:
        namespace = options.watch_namespace
        self.ingresses = Informer(client, "ingresses.networking.k8s.io", Ingress, namespace=namespace)
        backend = options.default_backend.service_key if options.default_backend is not None else None
        settings = _places(options, options.configmap, options.tcp_services, options.udp_services)
        self.services = Scattered(client, "services", Service, _places(options, backend, options.publish_service))
        certificate = _places(options, options.default_certificate)
        self.secrets = Scattered(client, "secrets", Secret, certificate, field_selector=NO_RELEASES)
        self.config_maps = Scattered(client, "configmaps", ConfigMap, settings)
        self.names: dict[str, tuple[str, ...]] = {}  # of hosts outside of the cluster → their addresses
        self.classes = Informer(client, CLASSES, IngressClass) if CLASSES in allowed else None
        self.slices: Scattered[EndpointSlice] | None = None
        self.endpoints: Scattered[Endpoints] | None = None
        if SLICES in allowed:
            places = _places(options, backend)
            self.slices = Scattered(client, SLICES, EndpointSlice, places, label_selector=SERVICE_NAME)
            for each in self.slices.informers:
                each.add_index("service", service_keys)
        else:
            self.endpoints = Scattered(client, "endpoints", Endpoints, _places(options, backend))

    @property
    def informers(self) -> list[Informer[Any]]:
        scattered = (self.services, self.secrets, self.config_maps, self.slices, self.endpoints)
        found: list[Informer[Any]] = [self.ingresses, *((self.classes,) if self.classes is not None else ())]
        for each in scattered:
            found += each.informers if each is not None else []
        return found

    async def synced(self) -> None:
        await asyncio.gather(*(each.synced() for each in self.informers))

    # What the plan reads.

    def service(self, key: str) -> Service | None:
        return self.services.get(key)

    def secret(self, key: str) -> Secret | None:
        return self.secrets.get(key)

    def config_map(self, key: str) -> ConfigMap | None:
        return self.config_maps.get(key)

    def addresses(self, name: str) -> tuple[str, ...]:
        return self.names.get(name, ())

    def slice_list(self, key: str) -> Iterable[EndpointSlice]:
        if self.slices is not None:
            place = self.slices.of(key)
            return place.by_index("service", key) if place is not None else ()
        found = self.endpoints.get(key) if self.endpoints is not None else None
        return slices_of(found) if found is not None else ()


async def observe(client: Client, options: Options) -> Observed:
    """Asks first what may be listed. Raises OSError while the API cannot be had."""
    namespace = options.watch_namespace
    allowed = {each for each in (SLICES, CLASSES) if await may_list(client, each, namespace)}
    return Observed(client, options, allowed)


async def may_list(client: Client, resource: str, namespace: str | None) -> bool:
    """Whether the resource is served and our role lets us list it."""
    try:
        await client.send("GET", f"{BY_QUALIFIED[resource].path(namespace)}?limit=1")
    except ApiError as error:
        if error.code in (403, 404):
            log.info("%s are not read here: %s", resource, error)
            return False
        raise
    return True


def _places(options: Options, *keys: str | None) -> set[str] | None:
    """Namespaces to look at: all, or the one that is watched and those of objects that the flags name."""
    if options.watch_namespace is None:
        return None
    return {options.watch_namespace, *(key.partition("/")[0] for key in keys if key)}


def service_keys(obj: EndpointSlice) -> list[str]:
    name = obj.metadata.labels.get(SERVICE_NAME)
    return [f"{obj.metadata.namespace}/{name}"] if name else []
