"""Bytes to JSON objects."""

import base64
from datetime import UTC, datetime
from functools import cache
from typing import Any

import msgspec

from fairlead.api.protobuf.wire import (
    MAGIC,
    ProtobufError,
    Raw,
    as_bytes,
    as_number,
    as_text,
    fields,
    read_varint,
    signed,
)
from fairlead.api.schema import FieldDef, TypeDef, type_named, type_of
from fairlead.api.time import render

Json = dict[str, Any]

_DEEPEST = 64
_NUMBERS = ("bool", "int32", "int64")


def decode(data: bytes) -> Json:
    """The object as JSON would have carried it, with kind and apiVersion; empty values are left out as Go leaves them.

    Raises ProtobufError.
    """
    if not data.startswith(MAGIC):
        raise ProtobufError("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")
    unknown = dict(fields(data[len(MAGIC) :]))
    meta = dict(fields(as_bytes(unknown.get(1, b""))))
    group_version, kind = as_text(meta.get(1, b"")), as_text(meta.get(2, b""))
    try:
        definition = type_of(group_version, kind)
    except KeyError:
        raise ProtobufError(f'no kind "{kind}" is registered for version "{group_version}"') from None
    return {"apiVersion": group_version, "kind": kind, **_message(as_bytes(unknown.get(2, b"")), definition, 0)}


@cache
def _by_number(name: str) -> dict[int, FieldDef]:
    return {field.number: field for field in type_named(name).fields.values() if field.number is not None}


def _message(data: bytes, definition: TypeDef, depth: int) -> Json:
    if depth > _DEEPEST:
        raise ProtobufError("nested too deeply")
    known, inline = _by_number(definition.name), dict(definition.inline)
    found: Json = {}
    for number, value in fields(data):
        if number in inline:
            found |= _message(as_bytes(value), type_named(inline[number]), depth + 1)
        elif (field := known.get(number)) is not None:
            _take(found, field, value, depth)
    return found


def _take(found: Json, field: FieldDef, value: Raw, depth: int) -> None:
    match field.shape:
        case "list":
            found.setdefault(field.name, []).extend(_items(value, field, depth))
        case "map":
            pair = dict(fields(as_bytes(value)))
            found.setdefault(field.name, {})[as_text(pair.get(1, b""))] = _value(pair.get(2, b""), field, depth)
        case _:
            one = _value(value, field, depth)
            # Go writes zeros too, where its struct has no pointer.
            if one or field.pointer or field.required or not field.omit_empty:
                found[field.name] = one


def _items(value: Raw, field: FieldDef, depth: int) -> list[Any]:
    if field.type not in _NUMBERS or not isinstance(value, bytes):
        return [_value(value, field, depth)]
    items, position = [], 0  # packed
    while position < len(value):
        number, position = read_varint(value, position)
        items.append(_value(number, field, depth))
    return items


def _value(value: Raw, field: FieldDef, depth: int) -> Any:
    if field.is_message:
        return _message(as_bytes(value), type_named(field.type), depth + 1)
    match field.type:
        case "string":
            return as_text(value)
        case "bytes":
            return base64.b64encode(as_bytes(value)).decode()
        case "bool":
            return bool(as_number(value))
        case "int32":
            return signed(as_number(value), 32)
        case "int64":
            return signed(as_number(value))
        case "double":
            if not isinstance(value, float):
                raise ProtobufError("wrong wireType")
            return value
        case special:
            return _special(as_bytes(value), special)


def _special(data: bytes, type_: str) -> Any:
    parts = list(fields(data))
    last = dict(parts)
    match type_:
        case "quantity":
            return as_text(last.get(1, b"0"))
        case "intOrString":
            if as_number(last.get(1, 0)):
                return as_text(last.get(3, b""))
            return signed(as_number(last.get(2, 0)), 32)
        case "time" | "microTime":
            return _time(last, micro=type_ == "microTime") if parts else None  # Go's zero time has no parts
        case "stringList":
            return [as_text(value) for number, value in parts if number == 1]
        case "fieldsV1" | "rawExtension" | "json":
            return _json(as_bytes(last.get(1, b"")))
    raise ProtobufError(f"no {type_} in protobuf")


def _time(parts: dict[int, Raw], *, micro: bool) -> str:
    seconds, nanos = signed(as_number(parts.get(1, 0))), signed(as_number(parts.get(2, 0)))
    if not 0 <= nanos < 1_000_000_000:
        raise ProtobufError(f"{nanos} nanoseconds")
    try:
        if not micro:
            return render(seconds)
        moment = datetime.fromtimestamp(seconds, UTC).replace(microsecond=nanos // 1000, tzinfo=None)
        return moment.isoformat(timespec="microseconds") + "Z"
    except (OSError, OverflowError, ValueError) as error:  # which of them is the platform's choice
        raise ProtobufError(f"no time {seconds} seconds from 1970") from error


def _json(data: bytes) -> Any:
    try:
        return msgspec.json.decode(data) if data else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProtobufError(f"JSON within protobuf: {error}") from error
