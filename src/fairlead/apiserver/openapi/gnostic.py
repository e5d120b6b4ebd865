"""An OpenAPI 2.0 document as gnostic's protobuf, openapi.v2.Document: the one form that kubectl before 1.24 takes.

Numbers are those of gnostic's openapiv2/OpenAPIv2.proto; what our documents do not use is not here.
"""

from typing import Any

import msgspec

from fairlead.api.protobuf.wire import write_bytes, write_number

Json = dict[str, Any]

_METHODS = {"get": 2, "put": 3, "post": 4, "delete": 5, "patch": 8}
_PLACES = {"query": (3, 6), "path": (4, 5)}  # numbers in NonBodyParameter, and of `type` in what is there


def document(given: Json) -> bytes:
    """openapi.v2.Document"""
    info = _text(1, given["info"]["title"]) + _text(2, given["info"]["version"])
    paths = b"".join(write_bytes(2, _named(path, _path_item(item))) for path, item in given["paths"].items())
    schemas = b"".join(write_bytes(1, _named(name, _schema(each))) for name, each in given["definitions"].items())
    return _text(1, given["swagger"]) + write_bytes(2, info) + write_bytes(8, paths) + write_bytes(9, schemas)


def _path_item(item: Json) -> bytes:
    operations = [write_bytes(number, _operation(item[name])) for name, number in _METHODS.items() if name in item]
    return b"".join([*operations, *(write_bytes(9, _parameter(each)) for each in item["parameters"])])


def _operation(operation: Json) -> bytes:
    parameters = b"".join(write_bytes(8, _parameter(each)) for each in operation["parameters"])
    responses = b"".join(
        write_bytes(1, _named(code, write_bytes(1, _text(1, response["description"]))))
        for code, response in operation["responses"].items()
    )
    return _text(5, operation["operationId"]) + parameters + write_bytes(9, responses) + _extensions(13, operation)


def _parameter(parameter: Json) -> bytes:
    """ParametersItem.parameter, Parameter.non_body_parameter, and the sub-schema of its place."""
    place, type_number = _PLACES[parameter["in"]]
    required = write_number(1, 1) if parameter.get("required") else b""
    inner = required + _text(2, parameter["in"]) + _text(4, parameter["name"]) + _text(type_number, parameter["type"])
    return write_bytes(1, write_bytes(2, write_bytes(place, inner)))


def _schema(schema: Json) -> bytes:
    out = []
    if "$ref" in schema:
        out.append(_text(1, schema["$ref"]))
    if "format" in schema:
        out.append(_text(2, schema["format"]))
    out += [_text(19, name) for name in schema.get("required", ())]
    if "additionalProperties" in schema:
        out.append(write_bytes(21, write_bytes(1, _schema(schema["additionalProperties"]))))
    if "type" in schema:
        out.append(write_bytes(22, _text(1, schema["type"])))
    if "items" in schema:
        out.append(write_bytes(23, write_bytes(1, _schema(schema["items"]))))
    if "properties" in schema:
        properties = (write_bytes(1, _named(name, _schema(each))) for name, each in schema["properties"].items())
        out.append(write_bytes(25, b"".join(properties)))
    out.append(_extensions(31, schema))
    return b"".join(out)


def _extensions(number: int, given: Json) -> bytes:
    """NamedAny: the name, and an Any whose `yaml` is the value (JSON is YAML)."""
    return b"".join(
        write_bytes(number, _named(key, write_bytes(2, msgspec.json.encode(value) + b"\n")))
        for key, value in given.items()
        if key.startswith("x-")
    )


def _named(name: str, value: bytes) -> bytes:
    return _text(1, name) + write_bytes(2, value)


def _text(number: int, value: str) -> bytes:
    return write_bytes(number, value.encode())
