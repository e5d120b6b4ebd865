"""Deployments, ReplicaSets, ReplicationControllers, DaemonSets: selector, template, strategy (pkg/apis)."""

import re
from typing import Any

from fairlead.api.field import FieldError, forbidden, invalid, not_supported, required
from fairlead.apiserver.validation import names
from fairlead.apiserver.validation.metadata import annotations, labels
from fairlead.apiserver.validation.pod_spec import validate_pod_spec

Json = dict[str, Any]

NOT_NEGATIVE = "must be greater than or equal to 0"
_PERCENT = re.compile(r"[0-9]+%")


def validate_deployment(obj: Json) -> list[FieldError]:
    spec = obj["spec"]
    errors = [*not_negative(spec, "replicas"), *_workload(spec)]
    errors += _strategy(spec["strategy"], "spec.strategy", ("Recreate", "RollingUpdate"))
    errors += [*not_negative(spec, "minReadySeconds"), *not_negative(spec, "revisionHistoryLimit")]
    deadline, ready = spec.get("progressDeadlineSeconds"), spec.get("minReadySeconds", 0)
    if deadline is not None:
        errors += not_negative(spec, "progressDeadlineSeconds")
        if deadline <= ready:
            errors.append(invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds"))
    return errors


def validate_replica_set(obj: Json) -> list[FieldError]:
    spec = obj["spec"]
    return [*not_negative(spec, "replicas"), *not_negative(spec, "minReadySeconds"), *_workload(spec)]


def validate_replication_controller(obj: Json) -> list[FieldError]:
    """pkg/apis/core/validation, ValidateReplicationControllerSpec; the selector may change."""
    spec = obj["spec"]
    errors = [*not_negative(spec, "replicas"), *not_negative(spec, "minReadySeconds")]
    if not spec.get("selector"):
        errors.append(required("spec.selector"))
    elif not selects({"matchLabels": spec["selector"]}, spec["template"]["metadata"].get("labels") or {}):
        given = spec["template"]["metadata"].get("labels") or {}
        errors.append(invalid("spec.template.metadata.labels", given, "`selector` does not match template `labels`"))
    return [*errors, *_template(spec["template"])]


def validate_daemon_set(obj: Json) -> list[FieldError]:
    spec = obj["spec"]
    strategy = spec["updateStrategy"]
    return [*_workload(spec), *_strategy(strategy, "spec.updateStrategy", ("OnDelete", "RollingUpdate"))]


def validate_selector_update(new: Json, old: Json) -> list[FieldError]:
    if new["spec"].get("selector") == old["spec"].get("selector"):
        return []
    return [invalid("spec.selector", new["spec"].get("selector"), "field is immutable")]


def label_selector(selector: Json, path: str) -> list[FieldError]:
    errors = labels(selector.get("matchLabels"), f"{path}.matchLabels")
    for index, term in enumerate(selector.get("matchExpressions") or ()):
        where = f"{path}.matchExpressions[{index}]"
        operator, values = term.get("operator", ""), term.get("values") or ()
        match operator:
            case "In" | "NotIn" if not values:
                why = "must be specified when `operator` is 'In' or 'NotIn'"
                errors.append(required(f"{where}.values", why))
            case "Exists" | "DoesNotExist" if values:
                why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
                errors.append(forbidden(f"{where}.values", why))
            case "In" | "NotIn" | "Exists" | "DoesNotExist":
                pass
            case _:
                errors.append(invalid(f"{where}.operator", operator, "not a valid selector operator"))
        errors += [invalid(f"{where}.key", term.get("key", ""), p) for p in names.qualified(term.get("key", ""))]
    return errors


def _workload(spec: Json) -> list[FieldError]:
    errors: list[FieldError] = []
    selector = spec.get("selector")
    template = spec["template"]
    template_labels = template["metadata"].get("labels") or {}
    if selector is None:
        errors.append(required("spec.selector"))
    else:
        errors += label_selector(selector, "spec.selector")
        if not selector.get("matchLabels") and not selector.get("matchExpressions"):
            why = "empty selector is invalid for deployment"
            errors.append(invalid("spec.selector", selector, why))
        elif not errors and not selects(selector, template_labels):
            why = "`selector` does not match template `labels`"
            errors.append(invalid("spec.template.metadata.labels", template_labels, why))
    return errors + _template(template)


def validate_pod_template(obj: Json) -> list[FieldError]:
    return _pods(obj["template"], "template")


def _pods(template: Json, path: str) -> list[FieldError]:
    errors = labels(template["metadata"].get("labels"), f"{path}.metadata.labels")
    errors += annotations(template["metadata"].get("annotations"), f"{path}.metadata.annotations")
    return errors + validate_pod_spec(template["spec"], f"{path}.spec")


def _template(template: Json) -> list[FieldError]:
    errors = _pods(template, "spec.template")
    policy = template["spec"]["restartPolicy"]
    if policy != "Always":
        errors.append(not_supported("spec.template.spec.restartPolicy", policy, ("Always",)))
    return errors


def selects(selector: Json, given: Json) -> bool:
    if any(given.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    for term in selector.get("matchExpressions") or ():
        value = given.get(term["key"])
        matched = {
            "In": value in (term.get("values") or ()),
            "NotIn": value not in (term.get("values") or ()),
            "Exists": value is not None,
            "DoesNotExist": value is None,
        }[term["operator"]]
        if not matched:
            return False
    return True


def _strategy(strategy: Json, path: str, types: tuple[str, ...]) -> list[FieldError]:
    kind, rolling = strategy["type"], strategy.get("rollingUpdate")
    if kind not in types:
        return [not_supported(f"{path}.type", kind, types)]
    if kind != "RollingUpdate":
        if rolling is not None:
            why = f"may not be specified when strategy `type` is '{kind}'"
            return [forbidden(f"{path}.rollingUpdate", why)]
        return []
    assert rolling is not None
    errors: list[FieldError] = []
    for field in ("maxUnavailable", "maxSurge"):
        errors += _amount(rolling[field], f"{path}.rollingUpdate.{field}")
    if not errors and all(rolling[field] in (0, "0%") for field in ("maxUnavailable", "maxSurge")):
        why = "may not be 0 when `maxSurge` is 0"
        errors.append(invalid(f"{path}.rollingUpdate.maxUnavailable", rolling["maxUnavailable"], why))
    return errors


def _amount(value: Any, path: str) -> list[FieldError]:
    if isinstance(value, int):
        return [] if value >= 0 else [invalid(path, value, NOT_NEGATIVE)]
    if not _PERCENT.fullmatch(value):
        why = "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')"  # noqa: E501
        return [invalid(path, value, why)]
    if path.endswith("maxUnavailable") and int(value[:-1]) > 100:
        return [invalid(path, value, "must not be greater than 100%")]
    return []


def not_negative(spec: Json, field: str) -> list[FieldError]:
    value = spec.get(field) or 0
    return [invalid(f"spec.{field}", value, NOT_NEGATIVE)] if value < 0 else []
