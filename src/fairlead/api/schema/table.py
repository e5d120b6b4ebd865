"""The generated table as objects: types and their fields, looked up by name or by group, version and kind.

A name of a type is short: `core.v1.ServicePort`, `meta.v1.ObjectMeta`. Objects are made when a type is first asked for.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

SCALARS = frozenset({"string", "bool", "int32", "int64", "double", "bytes"})
# One JSON value of a form of its own; anything else is the name of a TypeDef.
SPECIALS = frozenset(
    {"intOrString", "quantity", "time", "microTime", "duration", "fieldsV1", "rawExtension", "json", "stringList"}
)

_GO_TYPES = {
    "double": "float64",
    "bytes": "[]uint8",
    "intOrString": "intstr.IntOrString",
    "quantity": "resource.Quantity",
    "time": "v1.Time",
    "microTime": "v1.MicroTime",
    "duration": "v1.Duration",
    "fieldsV1": "v1.FieldsV1",
    "rawExtension": "runtime.RawExtension",
    "stringList": "[]string",
}
_SHAPES = {"[]": "list", "{}": "map"}


@dataclass(frozen=True, slots=True)
class FieldDef:
    """One field of a type.

    `type` names what one value is: one of SCALARS or SPECIALS, or the name of a TypeDef. `shape` says how many: "one",
    "list" or "map" (of strings to `type`).
    """

    name: str  # as in JSON
    type: str
    shape: str = "one"
    number: int | None = None  # in protobuf; None where the message has no such field of its own
    required: bool = False
    pointer: bool = False  # absent differs from zero
    omit_empty: bool = True  # Kubernetes leaves it out when it is empty
    merge_key: str | None = None  # x-kubernetes-patch-merge-key
    strategy: tuple[str, ...] = ()  # x-kubernetes-patch-strategy: merge, replace, retainKeys
    list_type: str | None = None  # x-kubernetes-list-type: atomic, set, map
    list_map_keys: tuple[str, ...] = ()
    map_type: str | None = None  # x-kubernetes-map-type: atomic, granular
    go_type: str = ""  # of the whole field, as Kubernetes' error messages print it

    @property
    def is_message(self) -> bool:
        return self.type not in SCALARS and self.type not in SPECIALS


@dataclass(frozen=True, slots=True)
class TypeDef:
    """A message and its fields by JSON name.

    `inline` lists, by protobuf number, messages that JSON shows as fields of this one (VolumeSource in Volume).
    """

    name: str
    fields: dict[str, FieldDef]
    inline: tuple[tuple[int, str], ...] = ()
    map_type: str | None = None

    @property
    def openapi_name(self) -> str:
        """`io.k8s.api.core.v1.ServicePort`."""
        prefix = "io.k8s.apimachinery.pkg.apis." if self.name.startswith("meta.") else "io.k8s.api."
        return prefix + self.name

    @property
    def go_name(self) -> str:
        """`v1.ServicePort`."""
        return _go_name(self.name)

    def message(self, field: str) -> "TypeDef | None":
        """The type of a field's value, or of its elements; None where that is no message or there is no such field."""
        found = self.fields.get(field)
        return type_named(found.type) if found is not None and found.is_message else None


def type_of(group_version: str, kind: str) -> TypeDef:
    """The type of a kind as one group and version serves it; DeleteOptions, Status and their like are of every one.

    Raises KeyError for what is not in the table.
    """
    kinds = _table()["kinds"]
    name = kinds.get(group_version, {}).get(kind) or kinds["meta"].get(kind)
    if name is None:
        raise KeyError(f"{group_version}, Kind={kind}")
    return type_named(name)


@cache
def type_named(name: str) -> TypeDef:
    """A type by its short name. Raises KeyError."""
    rows = _table()["types"][name]
    about = rows.get("", {})
    return TypeDef(
        name=name,
        fields={field: _field(field, *row) for field, row in rows.items() if field},
        inline=tuple((number, inner) for number, inner in about.get("inline", ())),
        map_type=about.get("map"),
    )


def kinds_of(group_version: str) -> dict[str, str]:
    """The type's name of every kind, lists included, of one group and version; empty for one that is not known."""
    kinds: dict[str, str] = _table()["kinds"].get(group_version, {})
    return kinds


def reachable(names: Iterable[str]) -> dict[str, TypeDef]:
    """The types named and all that their fields lead to, by name."""
    found: dict[str, TypeDef] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = type_named(name)
            waiting += [field.type for field in found[name].fields.values() if field.is_message]
    return found


@cache
def _table() -> dict[str, Any]:
    data = Path(__file__).with_name("table.json").read_bytes()
    table: dict[str, Any] = msgspec.json.decode(data)
    return table


def _field(name: str, number: int | None, kind: str, flags: str = "", more: dict[str, Any] | None = None) -> FieldDef:
    more = more or {}
    shape = _SHAPES.get(kind[:2], "one")
    strategy = more.get("strategy", "")
    return FieldDef(
        name=name,
        type=kind if shape == "one" else kind[2:],
        shape=shape,
        number=number,
        required="r" in flags,
        pointer="p" in flags,
        omit_empty="z" not in flags,
        merge_key=more.get("key"),
        strategy=tuple(strategy.split(",")) if strategy else (),
        list_type=more.get("list"),
        list_map_keys=tuple(more.get("keys", ())),
        map_type=more.get("map"),
        go_type=more.get("go") or _go_type(kind),
    )


def _go_type(kind: str) -> str:
    if kind.startswith("[]"):
        return "[]" + _go_type(kind[2:])
    if kind.startswith("{}"):
        return "map[string]" + _go_type(kind[2:])
    return _GO_TYPES.get(kind) or (kind if kind in SCALARS else _go_name(kind))


def _go_name(name: str) -> str:
    return ".".join(name.split(".")[-2:])
