"""OpenAPI 2.0, as JSON and as gnostic's protobuf (openapi.v2.Document): kubectl 1.20 takes nothing but that."""

from functools import cache
from typing import Any

import msgspec

from fairlead.api.resources import RESOURCES
from fairlead.apiserver.openapi import schemas
from fairlead.apiserver.version import GIT_VERSION

Json = dict[str, Any]

REFERENCE = "#/definitions/"


@cache
def document() -> Json:
    definitions = {
        definition.openapi_name: schemas.schema_of(definition, REFERENCE)
        for definition in schemas.types_of(RESOURCES).values()
    }
    return {
        "swagger": "2.0",
        "info": {"title": "Kubernetes", "version": GIT_VERSION},
        "paths": _paths(),
        "definitions": definitions,
    }


def _paths() -> Json:
    paths: Json = {}
    for resource in RESOURCES:
        for path, methods in schemas.operations(resource).items():
            paths[path] = {
                method: {
                    "operationId": schemas.operation_id(resource, verb),
                    "parameters": [
                        {"name": name, "in": "query", "type": "string", "uniqueItems": True}
                        for name in schemas.QUERY[verb]
                    ],
                    "responses": {"200": {"description": "OK"}},
                    "x-kubernetes-action": verb,
                    "x-kubernetes-group-version-kind": schemas.group_version_kind(resource),
                }
                for method, verb in methods.items()
            }
    return paths


@cache
def as_json() -> bytes:
    return msgspec.json.encode(document())


# Protobuf, field numbers of gnostic's OpenAPIv2.proto.


@cache
def as_protobuf() -> bytes:
    doc = document()
    info = _text(1, doc["info"]["title"]) + _text(2, doc["info"]["version"])
    paths = b"".join(_bytes(2, _named(path, _path_item(item))) for path, item in doc["paths"].items())
    definitions = b"".join(_bytes(1, _named(name, _schema(each))) for name, each in doc["definitions"].items())
    return _text(1, "2.0") + _bytes(2, info) + _bytes(8, paths) + _bytes(9, definitions)


_METHODS = {"get": 2, "put": 3, "post": 4, "delete": 5, "patch": 8}


def _path_item(item: Json) -> bytes:
    return b"".join(_bytes(_METHODS[method], _operation(each)) for method, each in item.items())


def _operation(operation: Json) -> bytes:
    parameters = b"".join(_bytes(8, _parameter(each)) for each in operation["parameters"])
    response = _bytes(1, _text(1, "OK"))  # ResponseValue.response, Response.description
    responses = _bytes(1, _named("200", response))
    return _text(5, operation["operationId"]) + parameters + _bytes(9, responses) + _extensions(13, operation)


def _parameter(parameter: Json) -> bytes:
    """ParametersItem.parameter → Parameter.non_body_parameter → query_parameter_sub_schema."""
    sub = _text(2, "query") + _text(4, parameter["name"]) + _text(6, parameter["type"])
    return _bytes(1, _bytes(2, _bytes(3, sub)))


def _schema(schema: Json) -> bytes:
    out = []
    if "$ref" in schema:
        out.append(_text(1, schema["$ref"]))
    if "format" in schema:
        out.append(_text(2, schema["format"]))
    out += [_text(19, name) for name in schema.get("required", ())]
    additional = schema.get("additionalProperties")
    if additional is not None:
        out.append(_bytes(21, _bytes(1, _schema(additional))))
    if "type" in schema:
        out.append(_bytes(22, _text(1, schema["type"])))
    if "items" in schema:
        out.append(_bytes(23, _bytes(1, _schema(schema["items"]))))
    if properties := schema.get("properties"):
        out.append(_bytes(25, b"".join(_bytes(1, _named(name, _schema(each))) for name, each in properties.items())))
    out.append(_extensions(31, schema))
    return b"".join(out)


def _extensions(number: int, given: Json) -> bytes:
    """NamedAny: name, and an Any whose yaml is the value as YAML (JSON is YAML)."""
    found = []
    for key, value in given.items():
        if key.startswith("x-"):
            found.append(_bytes(number, _named(key, _bytes(2, msgspec.json.encode(value) + b"\n"))))
    return b"".join(found)


def _named(name: str, value: bytes) -> bytes:
    return _text(1, name) + _bytes(2, value)


def _text(number: int, value: str) -> bytes:
    return _bytes(number, value.encode())


def _bytes(number: int, value: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
