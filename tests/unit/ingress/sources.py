"""Objects for the plan, as the informers would keep them."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from fairlead.api.types.core import ConfigMap, Secret
from fairlead.api.types.discovery import EndpointSlice
from fairlead.api.types.networking import Ingress
from fairlead.api.types.service import Service
from fairlead.ingress.plan.catalog import Catalog
from fairlead.ingress.plan.model import Backend, Site
from tests.ingress.objects import NGINX

Json = dict[str, Any]


@dataclass
class Sources:
    services: dict[str, Service] = field(default_factory=dict)
    slices: dict[str, list[EndpointSlice]] = field(default_factory=dict)
    secrets: dict[str, Secret] = field(default_factory=dict)
    config_maps: dict[str, ConfigMap] = field(default_factory=dict)
    names: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def service(self, key: str) -> Service | None:
        return self.services.get(key)

    def slice_list(self, key: str) -> Iterable[EndpointSlice]:
        return self.slices.get(key, [])

    def secret(self, key: str) -> Secret | None:
        return self.secrets.get(key)

    def config_map(self, key: str) -> ConfigMap | None:
        return self.config_maps.get(key)

    def addresses(self, name: str) -> tuple[str, ...]:
        return self.names.get(name, ())


def typed(obj: Json, *, created: str = "2026-01-01T00:00:00Z") -> Ingress:
    made = msgspec.convert(obj, Ingress)
    made.metadata.creation_timestamp = created
    return made


def catalog(sources: Sources | None = None) -> Catalog:
    return Catalog(sources or Sources(), NGINX)


def site(records: dict[str, bytes | None], host: str) -> Site | None:
    value = records.get(f"h:{host}")
    return None if value is None else msgspec.msgpack.decode(value, type=Site)


def backend(records: dict[str, bytes | None], key: str) -> Backend:
    value = records[f"b:{key}"]
    assert value is not None
    return msgspec.msgpack.decode(value, type=Backend)
