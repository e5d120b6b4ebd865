"""Events: events.k8s.io/v1 beside the stored core/v1 (pkg/apis/events/v1/conversion.go)."""

from typing import Any

from fairlead.api.conversion import Conversion

Json = dict[str, Any]

# events.k8s.io → core; all other fields have the same name in both.
NAMES = {
    "regarding": "involvedObject",
    "note": "message",
    "reportingController": "reportingComponent",
    "deprecatedSource": "source",
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
    "deprecatedCount": "count",
}
_BACK = {core: new for new, core in NAMES.items()}


def to_core(event: Json) -> Json:
    return {NAMES.get(key, key): value for key, value in event.items()}


def to_new(event: Json) -> Json:
    return {_BACK.get(key, key): value for key, value in event.items()}


def new_field(path: str) -> str:
    """`involvedObject.name` → `regarding.name`."""
    first, dot, rest = path.partition(".")
    return _BACK.get(first, first) + dot + rest


EVENT = Conversion(to_core, to_new)
