"""Roles and bindings."""

from dataclasses import replace
from typing import Any

from fairlead.api.field import FieldError, invalid, required
from fairlead.api.resources import CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, RBAC_BETA, ROLE_BINDINGS, ROLES
from fairlead.apiserver.kinds.kind import Kind
from fairlead.apiserver.tables.rbac import BINDING_COLUMNS, ROLE_COLUMNS

Json = dict[str, Any]

GROUP = "rbac.authorization.k8s.io"


def default_binding(obj: Json) -> None:
    obj.setdefault("roleRef", {}).setdefault("apiGroup", GROUP)
    for subject in obj.get("subjects") or ():
        if subject.get("kind") in ("User", "Group"):
            subject.setdefault("apiGroup", GROUP)


def validate_role(obj: Json) -> list[FieldError]:
    errors = []
    for index, rule in enumerate(obj.get("rules") or ()):
        path = f"rules[{index}]"
        if not rule.get("verbs"):
            errors.append(required(f"{path}.verbs", "verbs must contain at least one value"))
        if rule.get("nonResourceURLs"):
            continue
        if not rule.get("apiGroups"):
            errors.append(required(f"{path}.apiGroups", "resource rules must supply at least one api group"))
        if not rule.get("resources"):
            errors.append(required(f"{path}.resources", "resource rules must supply at least one resource"))
    return errors


def validate_binding(obj: Json) -> list[FieldError]:
    errors = []
    if not obj["roleRef"].get("name"):
        errors.append(required("roleRef.name"))
    for index, subject in enumerate(obj.get("subjects") or ()):
        if not subject.get("name"):
            errors.append(required(f"subjects[{index}].name"))
        if subject.get("kind") == "ServiceAccount" and not subject.get("namespace"):
            errors.append(required(f"subjects[{index}].namespace"))
    return errors


def validate_binding_update(new: Json, old: Json) -> list[FieldError]:
    if new["roleRef"] != old["roleRef"]:
        return [invalid("roleRef", new["roleRef"], "cannot change roleRef")]
    return []


ROLE = Kind(ROLES, ROLE_COLUMNS, validate=validate_role)
CLUSTER_ROLE = Kind(CLUSTER_ROLES, ROLE_COLUMNS, validate=validate_role)
ROLE_BINDING = Kind(ROLE_BINDINGS, BINDING_COLUMNS, default_binding, validate_binding, validate_binding_update)
CLUSTER_ROLE_BINDING = Kind(
    CLUSTER_ROLE_BINDINGS, BINDING_COLUMNS, default_binding, validate_binding, validate_binding_update
)
# v1beta1 is v1 by another name.
BETA = tuple(
    replace(kind, resource=resource)
    for kind, resource in zip((ROLE, ROLE_BINDING, CLUSTER_ROLE, CLUSTER_ROLE_BINDING), RBAC_BETA, strict=True)
)
