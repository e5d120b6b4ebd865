"""Events."""

from typing import Any

from fairlead.apiserver.tables.column import NAME, Column, since, wide

Json = dict[str, Any]


def _first(event: Json) -> str | None:
    return event.get("firstTimestamp") or event.get("eventTime")


def _last_seen(event: Json, now: float) -> str:
    series = event.get("series") or {}
    return since(series.get("lastObservedTime") or event.get("lastTimestamp") or _first(event), now)


def _object(event: Json, _: float) -> str:
    involved = event.get("involvedObject") or {}
    name = involved.get("name", "")
    return f"{involved.get('kind', '').lower()}/{name}" if name else str(involved.get("kind", "")).lower()


def _source(event: Json, _: float) -> str:
    source = event.get("source") or {}
    component = source.get("component") or event.get("reportingComponent", "")
    host = source.get("host") or event.get("reportingInstance", "")
    return f"{component}, {host}" if host else str(component)


def _count(event: Json, _: float) -> int:
    return int((event.get("series") or {}).get("count") or event.get("count") or 1)


COLUMNS = (
    Column("Last Seen", _last_seen),
    Column("Type", lambda event, _: event.get("type", "")),
    Column("Reason", lambda event, _: event.get("reason", "")),
    Column("Object", _object),
    wide("Subobject", lambda event, _: (event.get("involvedObject") or {}).get("fieldPath", "")),
    wide("Source", _source),
    Column("Message", lambda event, _: event.get("message", "").strip()),
    wide("First Seen", lambda event, now: since(_first(event), now)),
    wide("Count", _count, "string"),
    Column(NAME.name, NAME.cell, format="name", priority=1),
)
