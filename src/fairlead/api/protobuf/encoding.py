"""JSON objects to bytes."""

import base64
from datetime import datetime, timedelta
from typing import Any

import msgspec

from fairlead.api.protobuf.wire import MAGIC, ProtobufError, write_bytes, write_double, write_number
from fairlead.api.schema import FieldDef, TypeDef, type_named, type_of

Json = dict[str, Any]

_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00Z")


def encode(obj: Json) -> bytes:
    """The envelope of an object; its kind and apiVersion say which message. Fields that its type lacks are left out.

    Raises ProtobufError.
    """
    group_version, kind = obj.get("apiVersion"), obj.get("kind")
    if not isinstance(group_version, str) or not isinstance(kind, str):
        raise ProtobufError("kind and apiVersion must be strings")
    try:
        definition = type_of(group_version, kind)
    except KeyError:
        raise ProtobufError(f'no kind "{kind}" is registered for version "{group_version}"') from None
    try:
        raw = _message(obj, definition)
    except (AttributeError, TypeError, ValueError) as error:  # conform() is who checks types
        raise ProtobufError(f"not a {kind}: {error}") from error
    meta = write_bytes(1, group_version.encode()) + write_bytes(2, kind.encode())
    return MAGIC + write_bytes(1, meta) + write_bytes(2, raw) + write_bytes(3, b"") + write_bytes(4, b"")


def _message(obj: Json, definition: TypeDef) -> bytes:
    out = []
    for name, field in definition.fields.items():
        value = obj.get(name)
        if value is None or field.number is None:
            continue
        match field.shape:
            case "list":
                out += [_one(field.number, item, field) for item in value]
            case "map":
                for key in sorted(value):
                    out.append(write_bytes(field.number, write_bytes(1, key.encode()) + _one(2, value[key], field)))
            case _:
                out.append(_one(field.number, value, field))
    out += [write_bytes(number, _message(obj, type_named(inner))) for number, inner in definition.inline]
    return b"".join(out)


def _one(number: int, value: Any, field: FieldDef) -> bytes:
    if field.is_message:
        return write_bytes(number, _message(value, type_named(field.type)))
    match field.type:
        case "string":
            return write_bytes(number, value.encode())
        case "bytes":
            return write_bytes(number, base64.b64decode(value, validate=True))
        case "bool" | "int32" | "int64":
            return write_number(number, value)
        case "double":
            return write_double(number, value)
        case special:
            return write_bytes(number, _special(value, special))


def _special(value: Any, type_: str) -> bytes:
    match type_:
        case "quantity":
            return write_bytes(1, str(value).encode())
        case "intOrString":
            if isinstance(value, str):
                return write_number(1, 1) + write_number(2, 0) + write_bytes(3, value.encode())
            return write_number(1, 0) + write_number(2, value) + write_bytes(3, b"")
        case "time" | "microTime":
            since = datetime.fromisoformat(value) - _EPOCH
            seconds, rest = divmod(since, timedelta(seconds=1))
            return write_number(1, seconds) + write_number(2, rest.microseconds * 1000)
        case "stringList":
            return b"".join(write_bytes(1, item.encode()) for item in value)
        case "fieldsV1" | "rawExtension" | "json":
            return write_bytes(1, msgspec.json.encode(value))
    raise ProtobufError(f"no {type_} in protobuf")
