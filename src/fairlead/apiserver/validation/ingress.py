"""Ingresses (pkg/apis/networking/validation)."""

import ipaddress
from typing import Any

from fairlead.api.field import FieldError, Printed, invalid, not_supported, required
from fairlead.apiserver.validation import names

Json = dict[str, Any]

PATH_TYPES = ("Exact", "ImplementationSpecific", "Prefix")
CLASS_ANNOTATION = "kubernetes.io/ingress.class"
BAD_SEQUENCES = ("//", "/./", "/../", "%2f", "%2F")
BAD_ENDS = ("/..", "/.")
ABSOLUTE = "must be an absolute path"
NO_RULES = Printed("[]networking.IngressRule(nil)")
NO_ADDRESS = "must be a DNS name, not an IP address"


def validate_ingress(ingress: Json) -> list[FieldError]:
    spec: Json = ingress.get("spec") or {}
    errors: list[FieldError] = []
    rules, backend = spec.get("rules") or (), spec.get("defaultBackend")
    if not rules and backend is None:
        errors.append(invalid("spec", NO_RULES, "either `defaultBackend` or `rules` must be specified"))
    if backend is not None:
        errors += _backend(backend, "spec.defaultBackend")
    for index, rule in enumerate(rules):
        errors += _rule(rule, f"spec.rules[{index}]")
    for index, tls in enumerate(spec.get("tls") or ()):
        errors += _tls(tls, f"spec.tls[{index}]")
    name = spec.get("ingressClassName")
    if name is not None:
        errors += [invalid("spec.ingressClassName", name, problem) for problem in names.subdomain(name)]
    return errors


def validate_ingress_class_once(ingress: Json) -> list[FieldError]:
    """The annotation of old and the field that took its place, on a new Ingress."""
    annotated = (ingress["metadata"].get("annotations") or {}).get(CLASS_ANNOTATION)
    name = ingress.get("spec", {}).get("ingressClassName")
    if annotated is None or name is None or annotated == name:
        return []
    why = "must match `ingressClassName` when both are specified"
    return [invalid(f"annotations.{CLASS_ANNOTATION}", annotated, why)]


def validate_ingress_status_update(new: Json, _old: Json) -> list[FieldError]:
    errors: list[FieldError] = []
    for index, each in enumerate(new["status"]["loadBalancer"].get("ingress") or ()):
        path = f"status.loadBalancer.ingress[{index}]"
        if ip := each.get("ip"):
            errors += [invalid(f"{path}.ip", ip, problem) for problem in names.ip_address(ip)]
        if host := each.get("hostname"):
            errors += [invalid(f"{path}.hostname", host, problem) for problem in names.subdomain(host)]
            if _is_address(host):
                errors.append(invalid(f"{path}.hostname", host, NO_ADDRESS))
    return errors


def _rule(rule: Json, path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    if host := rule.get("host"):
        if _is_address(host):
            errors.append(invalid(f"{path}.host", host, NO_ADDRESS))
        errors += [invalid(f"{path}.host", host, problem) for problem in _host(host)]
    http = rule.get("http")
    if http is None:
        return errors
    paths = http.get("paths") or ()
    if not paths:
        errors.append(required(f"{path}.http.paths"))
    for index, each in enumerate(paths):
        errors += _path(each, f"{path}.http.paths[{index}]")
    return errors


def _path(given: Json, path: str) -> list[FieldError]:
    kind, text = given.get("pathType"), given.get("path", "")
    if kind is None:
        return [required(f"{path}.pathType", "pathType must be specified")]
    errors: list[FieldError] = []
    where = f"{path}.path"
    if kind in ("Exact", "Prefix"):
        if not text.startswith("/"):
            errors.append(invalid(where, text, ABSOLUTE))
        errors += [invalid(where, text, f"must not contain '{bad}'") for bad in BAD_SEQUENCES if bad in text]
        errors += [invalid(where, text, f"cannot end with '{bad}'") for bad in BAD_ENDS if text.endswith(bad)]
    elif kind != "ImplementationSpecific":
        errors.append(not_supported(f"{path}.pathType", kind, PATH_TYPES))
    elif text and not text.startswith("/"):
        errors.append(invalid(where, text, ABSOLUTE))
    return errors + _backend(given.get("backend") or {}, f"{path}.backend")


def _backend(backend: Json, path: str) -> list[FieldError]:
    service, resource = backend.get("service"), backend.get("resource")
    if service is not None and resource is not None:
        return [invalid(path, "", "cannot set both resource and service backends")]
    if resource is not None:
        return reference(resource, f"{path}.resource")
    if service is None:
        return [invalid(path, "", "resource or service backend is required")]
    errors: list[FieldError] = []
    name = service.get("name", "")
    if not name:
        errors.append(required(f"{path}.service.name"))
    else:
        errors += [invalid(f"{path}.service.name", name, problem) for problem in names.label_1035(name)]
    port = service.get("port") or {}
    port_name, number = port.get("name", ""), port.get("number", 0)
    if port_name and number:
        errors.append(invalid(path, "", "cannot set both port name & port number"))
    elif port_name:
        errors += [invalid(f"{path}.service.port.name", port_name, problem) for problem in names.port_name(port_name)]
    elif number:
        errors += [invalid(f"{path}.service.port.number", number, problem) for problem in names.port_number(number)]
    else:
        errors.append(required(path, "port name or number is required"))
    return errors


def reference(given: Json, path: str) -> list[FieldError]:
    """A TypedLocalObjectReference."""
    errors: list[FieldError] = []
    group = given.get("apiGroup")
    if group is not None:
        errors += [invalid(f"{path}.apiGroup", group, problem) for problem in names.subdomain(group)]
    for field in ("kind", "name"):
        if not (value := given.get(field, "")):
            errors.append(required(f"{path}.{field}", f"{field} is required"))
        else:
            errors += [invalid(f"{path}.{field}", value, problem) for problem in names.path_segment(value)]
    return errors


def _tls(tls: Json, path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    for index, host in enumerate(tls.get("hosts") or ()):
        errors += [invalid(f"{path}.hosts[{index}]", host, problem) for problem in _host(host)]
    if secret := tls.get("secretName"):
        errors += [invalid(f"{path}.secretName", secret, problem) for problem in names.subdomain(secret)]
    return errors


def _host(host: str) -> list[str]:
    return names.wildcard_subdomain(host) if "*" in host else names.subdomain(host)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
