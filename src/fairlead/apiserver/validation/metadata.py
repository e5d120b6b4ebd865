"""ObjectMeta (apimachinery `api/validation`)."""

from collections.abc import Callable
from typing import Any

from fairlead.api.field import FieldError, forbidden, invalid, required, too_long
from fairlead.api.resources import ENDPOINTS, NAMESPACES, SERVICES, Resource
from fairlead.apiserver.validation import names

Json = dict[str, Any]
NameRule = Callable[[str], list[str]]

MOST_ANNOTATION_BYTES = 256 << 10

_NAME_RULES: dict[Resource, NameRule] = {
    SERVICES: names.label_1035,
    NAMESPACES: names.label,
    ENDPOINTS: names.subdomain,
}


def validate_metadata(obj: Json, resource: Resource) -> list[FieldError]:
    metadata: Json = obj["metadata"]
    errors: list[FieldError] = []
    name = metadata.get("name", "")
    rule = _rule(resource)
    if not name:
        detail = "name or generateName is required"
        errors.append(required("metadata.name", detail))
    else:
        errors += [invalid("metadata.name", name, problem) for problem in rule(name)]
    if prefix := metadata.get("generateName"):
        problems = rule(prefix.rstrip("-") or prefix)
        errors += [invalid("metadata.generateName", prefix, problem) for problem in problems]
    errors += labels(metadata.get("labels"), "metadata.labels")
    errors += annotations(metadata.get("annotations"), "metadata.annotations")
    for index, finalizer in enumerate(metadata.get("finalizers", ())):
        problems = names.qualified(finalizer)
        errors += [invalid(f"metadata.finalizers[{index}]", finalizer, problem) for problem in problems]
    errors += _owners(metadata.get("ownerReferences", ()))
    return errors


def validate_metadata_update(new: Json, old: Json) -> list[FieldError]:
    errors: list[FieldError] = []
    for field in ("name", "namespace", "uid", "creationTimestamp"):
        if new["metadata"].get(field) != old["metadata"].get(field):
            errors.append(invalid(f"metadata.{field}", new["metadata"].get(field), "field is immutable"))
    if old["metadata"].get("deletionTimestamp"):
        added = set(new["metadata"].get("finalizers", ())) - set(old["metadata"].get("finalizers", ()))
        if added:
            names_ = ", ".join(f'"{name}"' for name in sorted(added))
            why = "no new finalizers can be added if the object is being deleted, found new finalizers "
            why += f"[]string{{{names_}}}"
            errors.append(forbidden("metadata.finalizers", why))
    return errors


def labels(given: Json | None, path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    for key, value in (given or {}).items():
        errors += [invalid(path, key, problem) for problem in names.qualified(key)]
        errors += [invalid(path, value, problem) for problem in names.label_value(value)]
    return errors


def annotations(given: Json | None, path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    size = 0
    for key, value in (given or {}).items():
        errors += [invalid(path, key, problem) for problem in names.qualified(key.lower())]
        size += len(key) + len(value)
    if size > MOST_ANNOTATION_BYTES:
        errors.append(too_long(path, MOST_ANNOTATION_BYTES))
    return errors


def _owners(references: Any) -> list[FieldError]:
    errors: list[FieldError] = []
    controllers = []
    for index, owner in enumerate(references):
        path = f"metadata.ownerReferences[{index}]"
        for field in ("apiVersion", "kind", "name", "uid"):
            if not owner.get(field):
                errors.append(invalid(f"{path}.{field}", "", f"{field} must not be empty"))
        if owner.get("controller"):
            controllers.append(owner)
    if len(controllers) > 1:
        first, second = controllers[0], controllers[1]
        why = (
            'Only one reference can have Controller set to true. Found "true" in references for '
            f"{first['kind']}/{first['name']} and {second['kind']}/{second['name']}"
        )
        errors.append(invalid("metadata.ownerReferences", references, why))
    return errors


def _rule(resource: Resource) -> NameRule:
    if resource.group == "rbac.authorization.k8s.io":
        return names.path_segment
    return _NAME_RULES.get(resource, names.subdomain)
