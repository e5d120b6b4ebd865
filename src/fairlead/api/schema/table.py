"""The generated table as objects: types and their fields, looked up by name or by group, version and kind."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FieldDef:
    """One field of a type.

    `type` names what one value is: a scalar ("string", "bool", "int32", "int64", "double", "bytes"), a special type
    ("intOrString", "quantity", "time", "microTime", "duration", "fieldsV1", "rawExtension", "json") or the name of a
    TypeDef. `shape` says how many: "one", "list" or "map" (of strings to `type`).
    """

    name: str  # as in JSON
    type: str
    shape: str = "one"
    number: int | None = None  # in protobuf; None where the message has no such field
    required: bool = False
    merge_key: str | None = None  # x-kubernetes-patch-merge-key
    strategy: tuple[str, ...] = ()  # x-kubernetes-patch-strategy: merge, replace, retainKeys
    list_type: str | None = None  # x-kubernetes-list-type: atomic, set, map
    list_map_keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TypeDef:
    """A message: its OpenAPI name (`io.k8s.api.core.v1.ServicePort`) and its fields by JSON name."""

    name: str
    fields: dict[str, FieldDef]

    def definition(self, field: str) -> "TypeDef | None":
        """The type of a field's elements, None where that is no message."""
        raise NotImplementedError


def type_of(group_version: str, kind: str) -> TypeDef:
    """The type of a kind as one group and version serves it. Raises KeyError for what is not in the table."""
    raise NotImplementedError


field_of = type_of


def type_named(name: str) -> TypeDef:
    """A type by its OpenAPI name. Raises KeyError."""
    raise NotImplementedError
