"""OpenAPI 3.0: a document for each group and version, and the index of them."""

import hashlib
from functools import cache
from typing import Any

import msgspec

from fairlead.api.resources import RESOURCES
from fairlead.apiserver.openapi import schemas
from fairlead.apiserver.version import GIT_VERSION

Json = dict[str, Any]

REFERENCE = "#/components/schemas/"


def _key(group: str, version: str) -> str:
    return f"apis/{group}/{version}" if group else f"api/{version}"


@cache
def index() -> bytes:
    keys = dict.fromkeys(_key(resource.group, resource.version) for resource in RESOURCES)
    digest = hashlib.sha256(GIT_VERSION.encode()).hexdigest()[:32].upper()
    return msgspec.json.encode(
        {"paths": {key: {"serverRelativeURL": f"/openapi/v3/{key}?hash={digest}"} for key in keys}}
    )


@cache
def document(key: str) -> bytes | None:
    resources = tuple(resource for resource in RESOURCES if _key(resource.group, resource.version) == key)
    if not resources:
        return None
    found = {
        definition.openapi_name: _version_3(schemas.schema_of(definition, REFERENCE))
        for definition in schemas.types_of(resources).values()
    }
    paths = {}
    for resource in resources:
        for path, methods in schemas.operations(resource).items():
            paths[path] = {
                method: {
                    "operationId": schemas.operation_id(resource, verb),
                    "parameters": [
                        {"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": True}}
                        for name in schemas.QUERY[verb]
                    ],
                    "responses": {"200": {"description": "OK"}},
                    "x-kubernetes-action": verb,
                    "x-kubernetes-group-version-kind": schemas.group_version_kind(resource),
                }
                for method, verb in methods.items()
            }
    return msgspec.json.encode(
        {
            "openapi": "3.0.0",
            "info": {"title": "Kubernetes", "version": GIT_VERSION},
            "paths": paths,
            "components": {"schemas": found},
        }
    )


def _version_3(schema: Json) -> Json:
    """In 3.0 nothing may stand beside a `$ref`, and a value may be of two types."""
    for name, each in schema.get("properties", {}).items():
        if "$ref" in each and len(each) > 1:
            schema["properties"][name] = {"allOf": [{"$ref": each.pop("$ref")}], **each}
        elif each.get("format") == "int-or-string":
            schema["properties"][name] = {"oneOf": [{"type": "integer"}, {"type": "string"}], "format": "int-or-string"}
    return schema
