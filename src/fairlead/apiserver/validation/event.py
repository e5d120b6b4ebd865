"""Events (pkg/apis/core/validation/events.go). Fields are told by their names in core/v1, whatever was asked."""

from typing import Any

from fairlead.api.field import FieldError, invalid, required
from fairlead.apiserver.validation import names

Json = dict[str, Any]

LONGEST, LONGEST_NOTE = 128, 1024
TYPES = ("Normal", "Warning")
OLD_FIELDS = ("firstTimestamp", "lastTimestamp", "count")
KEPT = (
    "involvedObject", "reason", "message", "source", "firstTimestamp", "lastTimestamp", "count", "type", "eventTime",
    "action", "related", "reportingComponent", "reportingInstance",
)  # fmt: skip


def validate_event(event: Json) -> list[FieldError]:
    """An event that says when it happened says who tells of it, too."""
    namespace = event["metadata"].get("namespace", "")
    involved = (event.get("involvedObject") or {}).get("namespace", "")
    elsewhere = [invalid("involvedObject.namespace", involved, "does not match event.namespace")]
    if not event.get("eventTime"):
        return elsewhere if namespace != (involved or "default") else []
    errors = elsewhere if not involved and namespace not in ("default", "kube-system") else []
    reporter = event.get("reportingComponent", "")
    if not reporter:
        errors.append(required("reportingController"))
    errors += [invalid("reportingController", reporter, problem) for problem in names.qualified(reporter)]
    for field in ("reportingInstance", "action", "reason"):
        if not event.get(field):
            errors.append(required(field))
        errors += _too_long(event, field, LONGEST)
    return errors + _too_long(event, "message", LONGEST_NOTE)


def validate_new_event(event: Json) -> list[FieldError]:
    """What events.k8s.io/v1 asks of a new one beside that."""
    errors = _series(event)
    if not event.get("eventTime"):
        errors.append(required("eventTime"))
    if event.get("type") not in TYPES:
        errors.append(invalid("type", "", f"has invalid value: {event.get('type', '')}"))
    for field in OLD_FIELDS:
        if event.get(field):
            errors.append(invalid(field, "", "needs to be unset"))
    if any((event.get("source") or {}).values()):
        errors.append(invalid("source", "", "needs to be unset"))
    return errors


def validate_new_event_update(new: Json, old: Json) -> list[FieldError]:
    """Only its series goes on."""
    errors = _series(new) if new.get("series") != old.get("series") else []
    for field in KEPT:
        if (new.get(field) or None) != (old.get(field) or None):
            told = "reportingController" if field == "reportingComponent" else field
            errors.append(invalid(told, new.get(field), "field is immutable"))
    return errors


def _series(event: Json) -> list[FieldError]:
    series = event.get("series")
    if series is None:
        return []
    errors = [] if series.get("count", 0) >= 2 else [invalid("series.count", "", "should be at least 2")]
    if not series.get("lastObservedTime"):
        errors.append(required("series.lastObservedTime"))
    return errors


def _too_long(event: Json, field: str, limit: int) -> list[FieldError]:
    if len(event.get(field, "")) <= limit:
        return []
    return [invalid(field, "", f"can have at most {limit} characters")]
