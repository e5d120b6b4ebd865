"""IngressClasses (pkg/apis/networking/validation)."""

import re
from typing import Any

from fairlead.api.field import FieldError, forbidden, invalid, not_supported, required, too_long
from fairlead.apiserver.validation import names
from fairlead.apiserver.validation.ingress import reference

Json = dict[str, Any]

LONGEST_CONTROLLER = 250
SCOPES = ("Cluster", "Namespace")
_HTTP_PATH = r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+"


def validate_ingress_class(obj: Json) -> list[FieldError]:
    spec: Json = obj.get("spec") or {}
    errors = _controller(spec.get("controller", ""), "spec.controller")
    if (parameters := spec.get("parameters")) is not None:
        errors += _parameters(parameters, "spec.parameters")
    return errors


def validate_ingress_class_update(new: Json, old: Json) -> list[FieldError]:
    controller = new["spec"].get("controller", "")
    if controller != (old.get("spec") or {}).get("controller", ""):
        return [invalid("spec.controller", controller, "field is immutable")]
    return []


def _controller(given: str, path: str) -> list[FieldError]:
    """A domain-prefixed path: `acme.io/foo`."""
    if not given:
        return [required(path)]
    errors = [too_long(path, LONGEST_CONTROLLER)] if len(given) > LONGEST_CONTROLLER else []
    host, _, rest = given.partition("/")
    if not host or not rest:
        return [*errors, invalid(path, given, 'must be a domain-prefixed path (such as "acme.io/foo")')]
    errors += [invalid(path, host, problem) for problem in names.subdomain(host)]
    if not re.fullmatch(_HTTP_PATH, rest):
        errors.append(invalid(path, rest, f"Invalid path (regex used for validation is '{_HTTP_PATH}')"))
    return errors


def _parameters(given: Json, path: str) -> list[FieldError]:
    errors = reference(given, path)
    scope, namespace = given.get("scope"), given.get("namespace")
    if scope is None:
        return [*errors, required(f"{path}.scope")]
    if scope not in SCOPES:
        return [*errors, not_supported(f"{path}.scope", scope, SCOPES)]
    if scope == "Cluster":
        if namespace is not None:
            errors.append(forbidden(f"{path}.namespace", "`parameters.scope` is set to 'Cluster'"))
    elif namespace is None:
        errors.append(required(f"{path}.namespace", "`parameters.scope` is set to 'Namespace'"))
    else:
        errors += [invalid(f"{path}.namespace", namespace, problem) for problem in names.label(namespace)]
    return errors
