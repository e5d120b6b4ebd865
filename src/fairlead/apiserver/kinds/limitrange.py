"""LimitRanges. What they do to pods is in `admission.limit_ranger`."""

from typing import Any

from fairlead.api.resources import LIMIT_RANGES
from fairlead.apiserver.kinds.kind import Kind
from fairlead.apiserver.tables.limitrange import COLUMNS
from fairlead.apiserver.validation.limitrange import validate_limit_range

Json = dict[str, Any]


def default(obj: Json) -> None:
    """Of containers: no default limit is the largest, no default request the default limit, else the least."""
    for item in obj.setdefault("spec", {}).get("limits") or ():
        if item.get("type") != "Container":
            continue
        limits = {**(item.get("max") or {}), **(item.get("default") or {})}
        requests = {**(item.get("min") or {}), **limits, **(item.get("defaultRequest") or {})}
        for field, amounts in (("default", limits), ("defaultRequest", requests)):
            if amounts:
                item[field] = amounts


LIMIT_RANGE = Kind(LIMIT_RANGES, COLUMNS, default, validate_limit_range)
