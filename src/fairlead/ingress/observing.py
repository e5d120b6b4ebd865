"""The objects that the controller reads, kept by informers, as far as its role allows."""

import asyncio
import logging
from collections.abc import Iterable
from typing import Any

from fairlead.api.status import ApiError
from fairlead.api.types.core import ConfigMap, Endpoints, Secret, Service
from fairlead.api.types.discovery import EndpointSlice
from fairlead.api.types.networking import Ingress, IngressClass
from fairlead.client.informer import Informer
from fairlead.client.rest import BY_QUALIFIED, Client
from fairlead.ingress.options import Options
from fairlead.ingress.plan.backends import slices_of

log = logging.getLogger(__name__)

SERVICE_NAME = "kubernetes.io/service-name"
SLICES, CLASSES = "endpointslices.discovery.k8s.io", "ingressclasses.networking.k8s.io"
NO_RELEASES = "type!=helm.sh/release.v1"  # large, and never a certificate


class Observed:
    """`classes` and `nodes` are None where they may not be listed; without slices there are Endpoints."""

    def __init__(self, client: Client, options: Options, allowed: set[str]) -> None:
        namespace = options.watch_namespace
        self.ingresses = Informer(client, "ingresses.networking.k8s.io", Ingress, namespace=namespace)
        self.services = Informer(client, "services", Service)
        self.secrets = Informer(client, "secrets", Secret, namespace=namespace, field_selector=NO_RELEASES)
        self.config_maps = Informer(client, "configmaps", ConfigMap, namespace=namespace)
        self.names: dict[str, tuple[str, ...]] = {}  # of hosts outside of the cluster → their addresses
        self.classes = Informer(client, CLASSES, IngressClass) if CLASSES in allowed else None
        self.slices: Informer[EndpointSlice] | None = None
        self.endpoints: Informer[Endpoints] | None = None
        if SLICES in allowed:
            self.slices = Informer(client, SLICES, EndpointSlice, label_selector=SERVICE_NAME)
            self.slices.add_index("service", service_keys)
        else:
            self.endpoints = Informer(client, "endpoints", Endpoints)

    @property
    def informers(self) -> list[Informer[Any]]:
        optional = (self.classes, self.slices, self.endpoints)
        present = [each for each in optional if each is not None]
        return [self.ingresses, self.services, self.secrets, self.config_maps, *present]

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
            return self.slices.by_index("service", key)
        found = self.endpoints.get(key) if self.endpoints is not None else None
        return slices_of(found) if found is not None else ()


async def observe(client: Client, options: Options) -> Observed:
    """Asks first what may be listed. Raises OSError while the API cannot be had."""
    allowed = {resource for resource in (SLICES, CLASSES) if await may_list(client, resource)}
    return Observed(client, options, allowed)


async def may_list(client: Client, resource: str) -> bool:
    """Whether the resource is served and our role lets us list it."""
    try:
        await client.send("GET", f"{BY_QUALIFIED[resource].path()}?limit=1")
    except ApiError as error:
        if error.code in (403, 404):
            log.info("%s are not read here: %s", resource, error)
            return False
        raise
    return True


def service_keys(obj: EndpointSlice) -> list[str]:
    name = obj.metadata.labels.get(SERVICE_NAME)
    return [f"{obj.metadata.namespace}/{name}"] if name else []
