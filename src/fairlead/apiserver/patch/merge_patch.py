"""JSON Merge Patch (RFC 7386)."""

from typing import Any

Json = dict[str, Any]


def apply(obj: Json, patch: Json) -> Json:
    """A new object; parts that the patch does not touch are shared with `obj`."""
    merged = dict(obj)
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict):
            known = merged.get(key)
            merged[key] = apply(known if isinstance(known, dict) else {}, value)
        else:
            merged[key] = value
    return merged
