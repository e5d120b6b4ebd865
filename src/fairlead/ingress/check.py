"""`fairlead ingress check`: Ingresses of files or of a cluster, and what of each would not be served as it says. Pure
but for reading files."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from fairlead.api.types.core import ConfigMap, Secret
from fairlead.api.types.discovery import EndpointSlice
from fairlead.api.types.meta import Object
from fairlead.api.types.networking import Ingress
from fairlead.api.types.service import Service
from fairlead.api.yaml import parse_all
from fairlead.ingress.plan.catalog import Catalog
from fairlead.ingress.plan.model import Problem

BETA = ("extensions/v1beta1", "networking.k8s.io/v1beta1")
MISSING = "there is no such"  # of what need not be in the same folder
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Checked:
    """`problems` empty: it is served as it says."""

    key: str
    problems: tuple[Problem, ...]


class Known:
    """What the files hold besides Ingresses."""

    def __init__(self) -> None:
        self.ingresses: dict[str, Ingress] = {}
        self.secrets: dict[str, Secret] = {}
        self.config_maps: dict[str, ConfigMap] = {}

    def service(self, key: str) -> Service | None:
        return None

    def slice_list(self, key: str) -> Iterable[EndpointSlice]:
        return ()

    def secret(self, key: str) -> Secret | None:
        return self.secrets.get(key)

    def config_map(self, key: str) -> ConfigMap | None:
        return self.config_maps.get(key)

    def addresses(self, name: str) -> tuple[str, ...]:
        return ()

    def add(self, obj: Json) -> None:
        """Lists are taken apart; kinds that say nothing here are skipped. Raises msgspec.ValidationError."""
        if obj.get("kind", "").endswith("List"):
            for each in obj.get("items") or ():
                self.add(each)
        elif obj.get("kind") == "Ingress":
            _put(self.ingresses, msgspec.convert(_as_v1(obj), Ingress))
        elif obj.get("kind") == "Secret":
            _put(self.secrets, msgspec.convert(obj, Secret))
        elif obj.get("kind") == "ConfigMap":
            _put(self.config_maps, msgspec.convert(obj, ConfigMap))


def read(paths: Iterable[Path]) -> Known:
    """Files, and all YAML and JSON beneath folders. Raises OSError, and ValueError with the file's name."""
    known = Known()
    for file in _files(paths):
        try:
            for document in parse_all(file.read_bytes()):
                if isinstance(document, dict):
                    known.add(document)
        except (ValueError, msgspec.ValidationError) as error:
            raise ValueError(f"{file}: {error}") from error
    return known


def check(known: Known, prefix: str, *, complete: bool) -> list[Checked]:
    """`complete`: what is not there does not exist; in files it may be elsewhere."""
    catalog = Catalog(known, prefix)
    for key, ingress in known.ingresses.items():
        catalog.put(key, ingress)
    catalog.plan()
    found = []
    for key in sorted(known.ingresses):
        problems = catalog.problems(key)
        kept = tuple(each for each in problems if complete or MISSING not in each.message)
        found.append(Checked(key, kept))
    return found


def _put(into: dict[str, Any], obj: Object) -> None:
    obj.metadata.namespace = obj.metadata.namespace or "default"
    into[f"{obj.metadata.namespace}/{obj.metadata.name}"] = obj


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(each for each in path.rglob("*") if each.suffix in (".yaml", ".yml", ".json"))
        else:
            yield path


def _as_v1(obj: Json) -> Json:
    """The retired versions name a backend's Service and port by one field each."""
    if obj.get("apiVersion") not in BETA:
        return obj
    spec = dict(obj.get("spec") or {})
    if "backend" in spec:
        spec["defaultBackend"] = _backend(spec.pop("backend"))
    rules = []
    for rule in spec.get("rules") or ():
        made = dict(rule)
        if rule.get("http"):
            paths = [
                {**each, "backend": _backend(each.get("backend") or {})} for each in rule["http"].get("paths") or ()
            ]
            made["http"] = {"paths": paths}
        rules.append(made)
    spec["rules"] = rules
    return {**obj, "spec": spec}


def _backend(old: Json) -> Json:
    if "serviceName" not in old:
        return old
    port = old.get("servicePort", 0)
    by = {"name": port} if isinstance(port, str) and not port.isdigit() else {"number": int(port)}
    return {"service": {"name": old["serviceName"], "port": by}}
