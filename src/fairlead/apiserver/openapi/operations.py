"""The paths of the resources and what may be done there, as OpenAPI 2.0 and 3.0 tell it.

kubectl looks here for whether a server validates fields and knows dry runs: a PATCH of the kind with those parameters.
"""

from typing import Any

from fairlead.api.resources import RESOURCES, Resource

Json = dict[str, Any]

_QUERY = {
    "create": ("dryRun", "fieldManager", "fieldValidation"),
    "update": ("dryRun", "fieldManager", "fieldValidation"),
    "patch": ("dryRun", "fieldManager", "fieldValidation", "force"),
    "delete": ("dryRun", "gracePeriodSeconds", "orphanDependents", "propagationPolicy"),
    "list": ("labelSelector", "fieldSelector", "limit", "continue", "resourceVersion", "watch"),
    "get": (),
    "deletecollection": ("dryRun", "labelSelector", "fieldSelector"),
}
_TYPES = {
    "force": "boolean",
    "orphanDependents": "boolean",
    "watch": "boolean",
    "gracePeriodSeconds": "integer",
    "limit": "integer",
}
_COLLECTION = {"get": "list", "post": "create", "delete": "deletecollection"}  # by HTTP method
_SINGLE = {"get": "get", "put": "update", "patch": "patch", "delete": "delete"}


def group_version_kind(resource: Resource) -> Json:
    return {"group": resource.group, "version": resource.version, "kind": resource.kind}


def paths(resources: tuple[Resource, ...] = RESOURCES, *, version: int) -> Json:
    """Path items by path. `version`: 2 or 3, which tell a parameter's type differently."""
    found: Json = {}
    for resource in resources:
        base = resource.path("{namespace}" if resource.namespaced else None)
        inside = ["namespace"] if resource.namespaced else []
        for path, variables, methods in (
            (base, inside, _COLLECTION),
            (f"{base}/{{name}}", [*inside, "name"], _SINGLE),
        ):
            item: Json = {
                method: _operation(resource, verb, version)
                for method, verb in methods.items()
                if verb in resource.verbs
            }
            if item:
                item["parameters"] = [_parameter(name, "path", version) for name in variables]
                found[path] = item
    return found


def _operation(resource: Resource, verb: str, version: int) -> Json:
    return {
        "operationId": _operation_id(resource, verb),
        "parameters": [_parameter(name, "query", version) for name in _QUERY[verb]],
        "responses": {"200": {"description": "OK"}},
        "x-kubernetes-action": verb,
        "x-kubernetes-group-version-kind": group_version_kind(resource),
    }


def _parameter(name: str, place: str, version: int) -> Json:
    type_ = {"type": _TYPES.get(name, "string")}
    required = {"required": True} if place == "path" else {}
    return {"name": name, "in": place, **required, **(type_ if version == 2 else {"schema": type_})}


def _operation_id(resource: Resource, verb: str) -> str:
    group = resource.group.split(".")[0].capitalize() or "Core"
    scope = "Namespaced" if resource.namespaced else ""
    return f"{verb}{group}{resource.version.capitalize()}{scope}{resource.kind}"
