"""Objects of any kind of the schema table, drawn by hypothesis."""

import base64
from typing import Any

from hypothesis import strategies as st

from fairlead.api.schema import FieldDef, TypeDef, type_named, type_of

Json = dict[str, Any]

_DEEP = 7  # PodTemplate's way to a probe's port
_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
_INT32 = st.integers(-(1 << 31), (1 << 31) - 1)
_TIME = "{:04}-{:02}-28T{:02}:00:{:02}Z".format
_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "string": _TEXT,
    "bool": st.booleans(),
    "int32": _INT32,
    "int64": st.integers(-(1 << 63), (1 << 63) - 1),
    "bytes": st.binary(max_size=8).map(lambda data: base64.b64encode(data).decode()),
    "quantity": st.sampled_from(["0", "1", "500m", "128Mi", "1500", "-2k"]),
    "intOrString": _INT32 | _TEXT,
    "time": st.builds(_TIME, st.integers(1970, 9999), st.integers(1, 12), st.integers(0, 23), st.integers(0, 59)),
    "microTime": st.builds("2024-05-31T00:07:34.{:06}Z".format, st.integers(0, 999_999)),
    "fieldsV1": st.just({"f:metadata": {"f:labels": {".": {}, "f:app": {}}}}),
    "rawExtension": st.just({"kind": "Anything", "list": [1, "two", None, 3.5]}),
    "stringList": st.lists(_TEXT, max_size=3),
}


@st.composite
def objects(draw: st.DrawFn, group_version: str, kind: str) -> Json:
    """An object as Kubernetes stores it: nothing unknown, nothing empty that it leaves out, canonical values."""
    drawn = _message(draw, type_of(group_version, kind), _DEEP)
    return {**drawn, "apiVersion": group_version, "kind": kind}


def _message(draw: st.DrawFn, definition: TypeDef, deep: int) -> Json:
    inlined = {name for _, inner in definition.inline for name in type_named(inner).fields}
    candidates = [
        field
        for field in definition.fields.values()
        if (field.number is not None or field.name in inlined) and (deep or not field.is_message)
    ]
    if not candidates:
        return {}
    chosen = draw(st.lists(st.sampled_from(candidates), max_size=5, unique_by=lambda field: field.name))
    found = {field.name: _field(draw, field, deep) for field in chosen}
    return {field.name: found[field.name] for field in chosen if found[field.name] or _kept_when_empty(field)}


def _kept_when_empty(field: FieldDef) -> bool:
    return field.shape == "one" and (field.pointer or field.required or not field.omit_empty)


def _field(draw: st.DrawFn, field: FieldDef, deep: int) -> Any:
    match field.shape:
        case "list":
            return [_one(draw, field, deep) for _ in range(draw(st.integers(1, 3)))]
        case "map":
            return {key: _one(draw, field, deep) for key in draw(st.sets(_TEXT, min_size=1, max_size=3))}
    return _one(draw, field, deep)


def _one(draw: st.DrawFn, field: FieldDef, deep: int) -> Any:
    return _message(draw, type_named(field.type), deep - 1) if field.is_message else draw(_VALUES[field.type])
