"""LimitRanges (pkg/apis/core/validation ValidateLimitRange)."""

from fractions import Fraction
from typing import Any

from fairlead.api.field import FieldError, duplicate, forbidden, invalid, required
from fairlead.api.quantity import canonical, parse
from fairlead.apiserver.validation import names

Json = dict[str, Any]

TYPES = ("Pod", "Container", "PersistentVolumeClaim")
OF_CONTAINERS = ("cpu", "memory", "ephemeral-storage")
HUGE_PAGES = "hugepages-"
STANDARD = (
    *OF_CONTAINERS, "storage", "requests.cpu", "requests.memory", "requests.storage", "requests.ephemeral-storage",
    "limits.cpu", "limits.memory", "limits.ephemeral-storage", "pods", "resourcequotas", "services",
    "replicationcontrollers", "secrets", "persistentvolumeclaims", "configmaps", "services.nodeports",
    "services.loadbalancers",
)  # fmt: skip


def validate_limit_range(obj: Json) -> list[FieldError]:
    errors: list[FieldError] = []
    taken: set[str] = set()
    for index, item in enumerate(obj["spec"].get("limits") or ()):
        path, kind = f"spec.limits[{index}]", item.get("type", "")
        errors += _type(kind, f"{path}.type")
        if kind in taken:
            errors.append(duplicate(f"{path}.type", kind))
        taken.add(kind)
        errors += _item(item, kind, path)
    return errors


def _type(kind: str, path: str) -> list[FieldError]:
    if problems := names.qualified(kind):
        return [invalid(path, kind, problem) for problem in problems]
    if "/" not in kind and kind not in TYPES:
        return [invalid(path, kind, "must be a standard limit type or fully qualified")]
    return []


def _item(item: Json, kind: str, path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    fields = ["max", "min", "default", "defaultRequest", "maxLimitRequestRatio"]
    if kind == "Pod":
        for field in ("default", "defaultRequest"):
            fields.remove(field)
            if item.get(field):
                errors.append(forbidden(f"{path}.{field}", "may not be specified when `type` is 'Pod'"))
    known: dict[str, dict[str, Fraction]] = {}  # by resource, then by field
    for field in fields:
        for name, amount in (item.get(field) or {}).items():
            errors += _resource(kind, name, f"{path}.{field}[{name}]")
            known.setdefault(name, {})[field] = parse(amount)
    storage = [field for field in ("min", "max") if "storage" in (item.get(field) or {})]
    if kind == "PersistentVolumeClaim" and not storage:
        why = "either minimum or maximum storage value is required, but neither was provided"
        errors.append(required(f"{path}.limits", why))
    for name, amounts in known.items():
        texts = {field: canonical(item[field][name]) for field in amounts}
        errors += _order(name, amounts, texts, path) + _ratio(name, amounts, texts, path)
    return errors


# (the lesser, its name, the greater, its name, the field that is blamed, whose value is told)
_ORDER = (
    ("min", "min value", "max", "max value", "min", "min"),
    ("min", "min value", "defaultRequest", "default request value", "defaultRequest", "defaultRequest"),
    ("defaultRequest", "default request value", "max", "max value", "defaultRequest", "defaultRequest"),
    (
        "defaultRequest", "default request value", "default", "default limit value",
        "defaultRequest", "defaultRequest",
    ),
    ("min", "min value", "default", "default value", "default", "min"),
    ("default", "default value", "max", "max value", "default", "max"),
)  # fmt: skip


def _order(name: str, amounts: dict[str, Fraction], texts: dict[str, str], path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    for less, less_name, more, more_name, blamed, told in _ORDER:
        if less in amounts and more in amounts and amounts[less] > amounts[more]:
            why = f"{less_name} {texts[less]} is greater than {more_name} {texts[more]}"
            errors.append(invalid(f"{path}.{blamed}[{name}]", texts[told], why))
    given = [amounts[field] for field in ("default", "defaultRequest") if field in amounts]
    if len(set(given)) == 2 and not _may_overcommit(name):
        request = texts["defaultRequest"]
        why = f"default value {texts['default']} must equal to defaultRequest value {request} in {name}"
        errors.append(invalid(f"{path}.defaultRequest[{name}]", request, why))
    return errors


def _ratio(name: str, amounts: dict[str, Fraction], texts: dict[str, str], path: str) -> list[FieldError]:
    ratio = amounts.get("maxLimitRequestRatio")
    if ratio is None:
        return []
    errors: list[FieldError] = []
    where, text = f"{path}.maxLimitRequestRatio[{name}]", texts["maxLimitRequestRatio"]
    if ratio < 1:
        errors.append(invalid(where, text, f"ratio {text} is less than 1"))
    if amounts.get("min") and "max" in amounts and ratio > (most := amounts["max"] / amounts["min"]):
        errors.append(invalid(where, text, f"ratio {text} is greater than max/min = {float(most):f}"))
    return errors


def _resource(kind: str, name: str, path: str) -> list[FieldError]:
    if problems := names.qualified(name):
        return [invalid(path, name, problem) for problem in problems]
    if "/" in name or name.startswith(HUGE_PAGES):
        return []
    errors: list[FieldError] = []
    if name not in STANDARD and not name.startswith(f"requests.{HUGE_PAGES}"):
        errors.append(invalid(path, name, "must be a standard resource type or fully qualified"))
    if kind in ("Pod", "Container") and name not in OF_CONTAINERS:
        errors.append(invalid(path, name, "must be a standard resource for containers"))
    return errors


def _may_overcommit(name: str) -> bool:
    """Resources of Kubernetes' own, except huge pages."""
    native = "/" not in name or "kubernetes.io/" in name
    return native and not name.startswith(HUGE_PAGES)
