"""How the values of a type may be owned: which lists and maps are one value, and what tells a list's elements apart.

Source: kube-openapi `util/proto` → `schemaconv` (x-kubernetes-list-type, list-map-keys, map-type), with what it does
where they are missing: a list merges as its patch strategy says, and is else one value; a map's entries are apart.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

from fairlead.api.ownership import elements
from fairlead.api.schema import FieldDef, TypeDef, type_named, type_of
from fairlead.api.schema.table import SCALARS

_SCALAR_NAMES = {"bool": "boolean", "int32": "numeric", "int64": "numeric", "double": "numeric"}
_ANYTHING = frozenset({"fieldsV1", "rawExtension", "json"})  # one value, of whatever form
_UNTYPED = frozenset({"intOrString", "quantity"})  # a scalar of several forms
# What a key is that an element leaves out; other texts are empty then, and numbers zero.
_KEY_DEFAULTS = {"protocol": "TCP"}


class Shape:
    """`kind`: string, numeric, boolean or untyped (scalars), list, map (structs too) or anything. `atomic`: owned and
    replaced as one. `keys`: of a list of objects; a list that is not atomic and has none is a set of scalars."""

    __slots__ = ("_children", "_fields", "atomic", "defaults", "element", "keys", "kind")

    def __init__(
        self,
        kind: str,
        *,
        atomic: bool = True,
        element: "Shape | None" = None,
        keys: tuple[str, ...] = (),
        defaults: Mapping[str, Any] | None = None,
        fields: Mapping[str, FieldDef] | None = None,
    ) -> None:
        self.kind = kind
        self.atomic = atomic
        self.element = element
        self.keys = keys
        self.defaults = defaults or {}
        self._fields = fields or {}
        self._children: dict[str, Shape] = {}

    def declares(self, name: str) -> bool:
        """Is it a field of a struct, and not just a key of a map?"""
        return name in self._fields

    def child(self, name: str) -> "Shape | None":
        """Of a field, or of a map's entry; None where there is no such field."""
        found = self._children.get(name)
        if found is None and name in self._fields:
            found = self._children[name] = _shape_of(self._fields[name])
        return found or (self.element if self.kind == "map" else None)

    def beneath(self, element: str) -> "Shape | None":
        if element[0] == "f":
            return self.child(element[2:])
        return self.element

    def element_of(self, item: Any) -> str:
        """The path element of a list's item. Raises MalformedError where it has none."""
        if not self.keys:
            return _valued(item)
        if item is None:
            raise elements.MalformedError("associative list with keys may not have a null element")
        if not isinstance(item, dict):
            raise elements.MalformedError("associative list with keys may not have non-map elements")
        keys = {}
        for key in self.keys:
            value = item.get(key, self.defaults.get(key))
            if key in item or value is not None:
                keys[key] = value
        if not keys:
            quoted = " ".join(f'"{key}"' for key in self.keys)
            raise elements.MalformedError(
                f"associative list with keys has an element that omits all key fields [{quoted}] "
                "(and doesn't have default values for any key fields)"
            )
        return elements.keyed(keys)


def _valued(item: Any) -> str:
    match item:
        case None:
            raise elements.MalformedError("associative list without keys has an element that's an explicit null")
        case dict():
            raise elements.MalformedError("associative list without keys has an element that's a map type")
        case list():
            raise elements.MalformedError("not supported: associative list with lists as elements")
    return elements.valued(item)


def shape_of(group_version: str, kind: str) -> Shape:
    """Raises KeyError for a kind that the schema table does not have."""
    return _struct(type_of(group_version, kind).name)


@cache
def _struct(name: str) -> Shape:
    definition = type_named(name)
    return Shape("map", atomic=definition.map_type == "atomic", fields=definition.fields)


def _shape_of(field: FieldDef) -> Shape:
    one = _one(field.type)
    if field.shape == "one":
        if field.map_type == "atomic" and one.kind == "map":
            return Shape("map", fields=type_named(field.type).fields)
        return one
    if field.shape == "map":
        return Shape("map", atomic=field.map_type == "atomic", element=one)
    keys: tuple[str, ...] = ()
    if field.list_type == "map":
        keys = field.list_map_keys
    elif field.list_type is None and "merge" in field.strategy:
        keys = (field.merge_key,) if field.merge_key else ()
    elif field.list_type != "set":
        return Shape("list", element=one)
    definition = type_named(field.type) if field.is_message else None
    return Shape("list", atomic=False, element=one, keys=keys, defaults=_defaults(definition, keys))


def _one(kind: str) -> Shape:
    if kind in _ANYTHING:
        return Shape("anything")
    if kind == "stringList":
        return Shape("list", element=Shape("string"))
    if kind in _UNTYPED:
        return Shape("untyped")
    if kind in SCALARS or "." not in kind:
        return Shape(_SCALAR_NAMES.get(kind, "string"))
    return _struct(kind)


def _defaults(definition: TypeDef | None, keys: tuple[str, ...]) -> dict[str, Any]:
    """Keys that a Go struct always has are empty where an element leaves them out."""
    found: dict[str, Any] = {}
    for key in keys:
        field = definition.fields.get(key) if definition is not None else None
        if key in _KEY_DEFAULTS:
            found[key] = _KEY_DEFAULTS[key]
        elif field is not None and field.required:
            found[key] = "" if field.type == "string" else 0
    return found
