"""The types of the schema table as OpenAPI schemas, named as Kubernetes names them. The table has no prose."""

from functools import cache
from typing import Any

from fairlead.api.resources import RESOURCES, Resource
from fairlead.api.schema import FieldDef, TypeDef, reachable, type_named, type_of
from fairlead.apiserver.openapi.operations import group_version_kind

Json = dict[str, Any]

_SCALARS: dict[str, Json] = {
    "string": {"type": "string"},
    "bool": {"type": "boolean"},
    "int32": {"type": "integer", "format": "int32"},
    "int64": {"type": "integer", "format": "int64"},
    "double": {"type": "number", "format": "double"},
    "bytes": {"type": "string", "format": "byte"},
    "stringList": {"type": "array", "items": {"type": "string"}},
}
_MACHINERY = "io.k8s.apimachinery.pkg."
_EITHER = [{"type": "string"}, {"type": "number"}]
# Specials are definitions of their own: the name, the schema in 2.0, and that in 3.0 where it can say more.
_SPECIALS: dict[str, tuple[str, Json, Json]] = {
    "time": (_MACHINERY + "apis.meta.v1.Time", {"type": "string", "format": "date-time"}, {}),
    "microTime": (_MACHINERY + "apis.meta.v1.MicroTime", {"type": "string", "format": "date-time"}, {}),
    "duration": (_MACHINERY + "apis.meta.v1.Duration", {"type": "string"}, {}),
    "fieldsV1": (_MACHINERY + "apis.meta.v1.FieldsV1", {"type": "object"}, {}),
    "rawExtension": (_MACHINERY + "runtime.RawExtension", {"type": "object"}, {}),
    "json": ("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSON", {}, {}),
    "quantity": (_MACHINERY + "api.resource.Quantity", {"type": "string"}, {"oneOf": _EITHER}),
    "intOrString": (
        _MACHINERY + "util.intstr.IntOrString",
        {"type": "string", "format": "int-or-string"},
        {"format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]},
    ),
}


def definitions(resources: tuple[Resource, ...] = RESOURCES, *, version: int) -> Json:
    """The schema of every type that these resources lead to, by name. `version` of OpenAPI: 2 or 3."""
    names = [type_of("v1", "DeleteOptions").name, type_of("v1", "Status").name]
    names += [name for resource in resources for name, _ in _kinds_of(resource)]
    types = reachable(names)
    specials = {field.type for definition in types.values() for field in definition.fields.values()} & _SPECIALS.keys()
    found = {definition.openapi_name: _schema(definition, version) for definition in types.values()}
    for name, in_2, in_3 in (_SPECIALS[special] for special in sorted(specials)):
        found[name] = in_3 or in_2 if version == 3 else in_2
    return found


def _kinds_of(resource: Resource) -> list[tuple[str, str]]:
    """The type's name and the kind, of the resource and of its list, which reviews do not have."""
    found = []
    for kind in (resource.kind, f"{resource.kind}List"):
        try:
            found.append((type_of(resource.group_version, kind).name, kind))
        except KeyError:
            continue
    return found


@cache
def _group_version_kinds() -> dict[str, list[Json]]:
    """The kinds that a type is, by the type's name."""
    found: dict[str, list[Json]] = {}
    for resource in RESOURCES:
        for name, kind in _kinds_of(resource):
            found.setdefault(name, []).append({**group_version_kind(resource), "kind": kind})
    versions = sorted({(resource.group, resource.version) for resource in RESOURCES})
    found[type_of("v1", "DeleteOptions").name] = [
        {"group": group, "version": version, "kind": "DeleteOptions"} for group, version in versions
    ]
    return found


def _schema(definition: TypeDef, version: int) -> Json:
    schema: Json = {"type": "object"}
    if definition.fields:
        schema["properties"] = {field.name: _property(field, version) for field in definition.fields.values()}
    if required := [field.name for field in definition.fields.values() if field.required]:
        schema["required"] = required
    if found := _group_version_kinds().get(definition.name):
        schema["x-kubernetes-group-version-kind"] = found
    if definition.map_type:
        schema["x-kubernetes-map-type"] = definition.map_type
    return schema


def _property(field: FieldDef, version: int) -> Json:
    one = _value(field.type, version)
    match field.shape:
        case "list":
            one = {"type": "array", "items": one}
        case "map":
            one = {"type": "object", "additionalProperties": one}
    extensions = _extensions(field)
    if extensions and version == 3 and "$ref" in one:  # beside which nothing may stand
        one = {"allOf": [one]}
    return {**one, **extensions}


def _value(type_: str, version: int) -> Json:
    if type_ in _SCALARS:
        return _SCALARS[type_]
    name = _SPECIALS[type_][0] if type_ in _SPECIALS else type_named(type_).openapi_name
    return {"$ref": ("#/components/schemas/" if version == 3 else "#/definitions/") + name}


def _extensions(field: FieldDef) -> Json:
    """What patches and server-side apply go by."""
    given = {
        "x-kubernetes-patch-merge-key": field.merge_key,
        "x-kubernetes-patch-strategy": ",".join(field.strategy),
        "x-kubernetes-list-type": field.list_type,
        "x-kubernetes-list-map-keys": list(field.list_map_keys),
        "x-kubernetes-map-type": field.map_type,
    }
    return {name: value for name, value in given.items() if value}
