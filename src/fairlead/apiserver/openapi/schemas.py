"""The types of the schema table as OpenAPI schemas, and the operations on resources. The table has no prose."""

from functools import cache
from typing import Any

from fairlead.api.resources import RESOURCES, Resource
from fairlead.api.schema import FieldDef, TypeDef, reachable, type_of

Json = dict[str, Any]

META = "io.k8s.apimachinery.pkg.apis.meta.v1."
_SCALARS: dict[str, Json] = {
    "string": {"type": "string"},
    "bool": {"type": "boolean"},
    "int32": {"type": "integer", "format": "int32"},
    "int64": {"type": "integer", "format": "int64"},
    "double": {"type": "number", "format": "double"},
    "bytes": {"type": "string", "format": "byte"},
    "time": {"type": "string", "format": "date-time"},
    "microTime": {"type": "string", "format": "date-time"},
    "duration": {"type": "string"},
    "quantity": {"type": "string"},
    "intOrString": {"type": "string", "format": "int-or-string"},
    "fieldsV1": {"type": "object"},
    "rawExtension": {"type": "object"},
    "json": {},
    "stringList": {"type": "array", "items": {"type": "string"}},
}
QUERY = {
    "create": ("dryRun", "fieldManager", "fieldValidation"),
    "update": ("dryRun", "fieldManager", "fieldValidation"),
    "patch": ("dryRun", "fieldManager", "fieldValidation", "force"),
    "delete": ("dryRun", "gracePeriodSeconds", "orphanDependents", "propagationPolicy"),
    "list": ("labelSelector", "fieldSelector", "limit", "continue", "resourceVersion", "watch"),
    "get": (),
    "deletecollection": ("dryRun", "labelSelector", "fieldSelector"),
}
METHODS = {
    "get": "get",
    "list": "get",
    "create": "post",
    "update": "put",
    "patch": "patch",
    "delete": "delete",
    "deletecollection": "delete",
}


def group_version_kind(resource: Resource) -> Json:
    return {"group": resource.group, "version": resource.version, "kind": resource.kind}


@cache
def kinds() -> dict[str, list[Json]]:
    """The kinds that a type is, by the type's name."""
    found: dict[str, list[Json]] = {}
    for resource in RESOURCES:
        for kind in (resource.kind, f"{resource.kind}List"):
            try:
                definition = type_of(resource.group_version, kind)
            except KeyError:
                continue
            found.setdefault(definition.name, []).append({**group_version_kind(resource), "kind": kind})
    options = type_of("v1", "DeleteOptions")
    versions = {(resource.group, resource.version) for resource in RESOURCES}
    found[options.name] = [{"group": g, "version": v, "kind": "DeleteOptions"} for g, v in sorted(versions)]
    return found


def types_of(resources: tuple[Resource, ...]) -> dict[str, TypeDef]:
    """Every type that these resources lead to, by name."""
    names = [type_of("v1", "DeleteOptions").name, type_of("v1", "Status").name]
    for resource in resources:
        for kind in (resource.kind, f"{resource.kind}List"):
            try:
                names.append(type_of(resource.group_version, kind).name)
            except KeyError:
                continue
    return reachable(names)


def schema_of(definition: TypeDef, reference: str) -> Json:
    """`reference`: what comes before a type's name in a `$ref`."""
    schema: Json = {
        "type": "object",
        "properties": {field.name: _property(field, reference) for field in definition.fields.values()},
    }
    required = [field.name for field in definition.fields.values() if field.required]
    if required:
        schema["required"] = required
    if not definition.fields:
        del schema["properties"]
    if found := kinds().get(definition.name):
        schema["x-kubernetes-group-version-kind"] = found
    if definition.map_type:
        schema["x-kubernetes-map-type"] = definition.map_type
    return schema


def _property(field: FieldDef, reference: str) -> Json:
    one: Json = {"$ref": reference + openapi_name(field.type)} if field.is_message else dict(_SCALARS[field.type])
    match field.shape:
        case "list":
            one = {"type": "array", "items": one}
        case "map":
            one = {"type": "object", "additionalProperties": one}
    if field.merge_key:
        one["x-kubernetes-patch-merge-key"] = field.merge_key
    if field.strategy:
        one["x-kubernetes-patch-strategy"] = ",".join(field.strategy)
    if field.list_type:
        one["x-kubernetes-list-type"] = field.list_type
    if field.list_map_keys:
        one["x-kubernetes-list-map-keys"] = list(field.list_map_keys)
    return one


@cache
def openapi_name(type_name: str) -> str:
    from fairlead.api.schema import type_named

    return type_named(type_name).openapi_name


def operations(resource: Resource) -> dict[str, dict[str, str]]:
    """Path → HTTP method → verb."""
    collection, single = ("list", "create", "deletecollection"), ("get", "update", "patch", "delete")
    namespace = "{namespace}" if resource.namespaced else None
    base = resource.path(namespace)
    paths = {base: _methods(resource, collection), f"{base}/{{name}}": _methods(resource, single)}
    return {path: methods for path, methods in paths.items() if methods}


def _methods(resource: Resource, verbs: tuple[str, ...]) -> dict[str, str]:
    return {METHODS[verb]: verb for verb in verbs if verb in resource.verbs}


def operation_id(resource: Resource, verb: str) -> str:
    group = resource.group.split(".")[0].capitalize() or "Core"
    scope = "Namespaced" if resource.namespaced else ""
    return f"{verb}{group}{resource.version.capitalize()}{scope}{resource.kind}"
