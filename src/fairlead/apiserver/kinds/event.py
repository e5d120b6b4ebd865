"""Events."""

from dataclasses import replace
from typing import Any

from fairlead.api.conversion import event as conversion
from fairlead.api.resources import EVENTS, NEW_EVENTS
from fairlead.apiserver.kinds.kind import IDENTITY, Kind, identity
from fairlead.apiserver.tables.event import COLUMNS
from fairlead.apiserver.validation.event import validate_event, validate_new_event, validate_new_event_update

Json = dict[str, Any]

INVOLVED = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
OWN = ("reason", "type", "reportingComponent")


def selectable_fields(event: Json) -> dict[str, str]:
    fields = identity(event)
    fields |= {f"involvedObject.{name}": event.get("involvedObject", {}).get(name, "") for name in INVOLVED}
    fields |= {name: event.get(name, "") for name in OWN}
    fields["source"] = event.get("source", {}).get("component", "") or event.get("reportingComponent", "")
    return fields


EVENT = Kind(
    EVENTS,
    COLUMNS,
    validate=validate_event,
    selectable_fields=selectable_fields,
    selectable_field_names=IDENTITY | {f"involvedObject.{name}" for name in INVOLVED} | {*OWN, "source"},
)


def selectable_new_fields(event: Json) -> dict[str, str]:
    return {conversion.new_field(name): value for name, value in selectable_fields(event).items()}


NEW_EVENT = replace(
    EVENT,
    resource=NEW_EVENTS,
    conversion=conversion.EVENT,
    validate_create=validate_new_event,
    validate_update=validate_new_event_update,
    selectable_fields=selectable_new_fields,
    selectable_field_names=frozenset(map(conversion.new_field, EVENT.selectable_field_names - {"source"})),
)
