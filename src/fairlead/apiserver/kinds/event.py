"""Events."""

from typing import Any

from fairlead.api.field import FieldError, invalid
from fairlead.api.resources import EVENTS
from fairlead.apiserver.kinds.kind import IDENTITY, Kind, identity
from fairlead.apiserver.tables.event import COLUMNS

Json = dict[str, Any]

INVOLVED = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
OWN = ("reason", "type", "reportingComponent")


def validate(event: Json) -> list[FieldError]:
    involved = event.get("involvedObject", {}).get("namespace", "")
    if event["metadata"].get("namespace") != (involved or "default"):
        return [invalid("involvedObject.namespace", involved, "does not match event.namespace")]
    return []


def selectable_fields(event: Json) -> dict[str, str]:
    fields = identity(event)
    fields |= {f"involvedObject.{name}": event.get("involvedObject", {}).get(name, "") for name in INVOLVED}
    fields |= {name: event.get(name, "") for name in OWN}
    fields["source"] = event.get("source", {}).get("component", "") or event.get("reportingComponent", "")
    return fields


EVENT = Kind(
    EVENTS,
    COLUMNS,
    validate=validate,
    selectable_fields=selectable_fields,
    selectable_field_names=IDENTITY | {f"involvedObject.{name}" for name in INVOLVED} | {*OWN, "source"},
)
