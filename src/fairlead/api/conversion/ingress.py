"""Ingress: v1beta1 of networking.k8s.io and extensions, beside the stored networking.k8s.io/v1.

`spec.backend` became `spec.defaultBackend`, a backend's `serviceName` and `servicePort` a `service` with a port by name
or by number (pkg/apis/networking/v1beta1/conversion.go). A path's type, required in v1, is ImplementationSpecific where
none is said (defaults.go).
"""

import re
from collections.abc import Callable
from typing import Any

from fairlead.api.conversion import Conversion

Json = dict[str, Any]

PATH_TYPE = "ImplementationSpecific"


def to_v1(ingress: Json) -> Json:
    spec = ingress.get("spec")
    if not spec:
        return ingress
    spec = _with_backends(spec, _to_v1_backend)
    if (backend := spec.pop("backend", None)) is not None:
        spec["defaultBackend"] = _to_v1_backend(backend)
    for rule in spec.get("rules") or ():
        for path in (rule.get("http") or {}).get("paths") or ():
            path.setdefault("pathType", PATH_TYPE)
    return {**ingress, "spec": spec}


def to_v1beta1(ingress: Json) -> Json:
    spec = ingress.get("spec")
    if not spec:
        return ingress
    spec = _with_backends(spec, _to_v1beta1_backend)
    if (backend := spec.pop("defaultBackend", None)) is not None:
        spec["backend"] = _to_v1beta1_backend(backend)
    return {**ingress, "spec": spec}


def _with_backends(spec: Json, convert: Callable[[Json], Json]) -> Json:
    """A copy of the spec with the backends of all paths converted."""
    spec = dict(spec)
    if "rules" in spec:
        spec["rules"] = [_rule(rule, convert) for rule in spec["rules"]]
    return spec


def _rule(rule: Json, convert: Callable[[Json], Json]) -> Json:
    http = rule.get("http")
    if not http or "paths" not in http:
        return rule
    paths = [{**path, "backend": convert(path.get("backend") or {})} for path in http["paths"]]
    return {**rule, "http": {**http, "paths": paths}}


def _to_v1_backend(backend: Json) -> Json:
    rest = {key: value for key, value in backend.items() if key not in ("serviceName", "servicePort")}
    name, port = backend.get("serviceName", ""), backend.get("servicePort", 0)
    if not name and port == 0:
        return rest
    known: Json = {"name": port} if isinstance(port, str) else {"number": port}
    return {**rest, "service": {"name": name, "port": {key: value for key, value in known.items() if value}}}


def _to_v1beta1_backend(backend: Json) -> Json:
    rest = {key: value for key, value in backend.items() if key != "service"}
    service = backend.get("service")
    if service is None:
        return rest
    port = service.get("port") or {}
    return {**rest, "serviceName": service.get("name", ""), "servicePort": port.get("name") or port.get("number", 0)}


_RENAMED = (
    (re.compile(r"\bdefaultBackend\b"), "backend"),
    (re.compile(r"\bservice\.name$"), "serviceName"),
    (re.compile(r"\bservice\.port\.(name|number)$"), "servicePort"),
)


def v1beta1_field(path: str) -> str:
    """`spec.defaultBackend.service.name` → `spec.backend.serviceName`."""
    for pattern, name in _RENAMED:
        path = pattern.sub(name, path)
    return path


INGRESS = Conversion(to_v1, to_v1beta1, v1beta1_field)
