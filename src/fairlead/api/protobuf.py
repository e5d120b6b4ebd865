"""Kubernetes' protobuf envelope (`application/vnd.kubernetes.protobuf`) to JSON objects and back.

Driven by the schema table: numbers and types of fields. What the table does not know is skipped, as protobuf wants it.
"""

import base64
import json
import struct
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from typing import Any

from fairlead.api.schema import FieldDef, TypeDef, type_named, type_of
from fairlead.api.time import render

Json = dict[str, Any]

MAGIC = b"k8s\0"
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
DEEPEST = 64


class ProtobufError(ValueError):
    """Bytes that are no Kubernetes protobuf, or of a kind that the table does not have."""


def decode(data: bytes) -> Json:
    """`k8s\\0` + runtime.Unknown → the object as JSON would have carried it, with kind and apiVersion."""
    if not data.startswith(MAGIC):
        raise ProtobufError("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")
    envelope = dict(_numbered(data[len(MAGIC) :]))
    meta = dict(_numbered(_bytes(envelope.get(1, b""))))
    group_version, kind = _text(meta.get(1, b"")), _text(meta.get(2, b""))
    try:
        definition = type_of(group_version, kind)
    except KeyError:
        raise ProtobufError(f'no kind "{kind}" is registered for version "{group_version}"') from None
    return {"apiVersion": group_version, "kind": kind, **_message(_bytes(envelope.get(2, b"")), definition, 0)}


def encode(obj: Json) -> bytes:
    """The envelope of an object; `kind` and `apiVersion` say which message. Lists and Status too."""
    try:
        definition = type_of(obj["apiVersion"], obj["kind"])
    except KeyError:
        raise ProtobufError(f"no message for {obj.get('apiVersion')} {obj.get('kind')}") from None
    meta = _field(1, obj["apiVersion"].encode()) + _field(2, obj["kind"].encode())
    return MAGIC + _field(1, meta) + _field(2, _encoded(obj, definition)) + _field(3, b"") + _field(4, b"")


# Decoding.


@cache
def _by_number(name: str) -> dict[int, FieldDef]:
    return {field.number: field for field in type_named(name).fields.values() if field.number is not None}


def _message(data: bytes, definition: TypeDef, depth: int) -> Json:
    if depth > DEEPEST:
        raise ProtobufError("nested too deeply")
    fields, inline = _by_number(definition.name), dict(definition.inline)
    found: Json = {}
    for number, value in _numbered(data):
        if number in inline:
            found |= _message(_bytes(value), type_named(inline[number]), depth + 1)
        elif (field := fields.get(number)) is not None:
            _take(found, field, value, depth)
    return found


def _take(found: Json, field: FieldDef, value: bytes | int, depth: int) -> None:
    match field.shape:
        case "list":
            items = found.setdefault(field.name, [])
            if isinstance(value, bytes) and field.type in ("int32", "int64", "bool"):  # packed
                position = 0
                while position < len(value):
                    number, position = _varint(value, position)
                    items.append(_scalar(number, field.type))
            else:
                items.append(_value(value, field, depth))
        case "map":
            pair = dict(_numbered(_bytes(value)))
            found.setdefault(field.name, {})[_text(pair.get(1, b""))] = _value(pair.get(2, b""), field, depth)
        case _:
            decoded = _value(value, field, depth)
            if decoded or field.pointer or field.required or not field.omit_empty:
                found[field.name] = decoded


def _value(value: bytes | int, field: FieldDef, depth: int) -> Any:
    if field.is_message:
        return _message(_bytes(value), type_named(field.type), depth + 1)
    if field.type in ("string", "bytes"):
        data = _bytes(value)
        return _text(data) if field.type == "string" else base64.b64encode(data).decode()
    if isinstance(value, int):
        return _scalar(value, field.type)
    if field.type == "double":
        return struct.unpack("<d", value)[0]
    return _special(value, field.type)


def _scalar(value: int, type_: str) -> Any:
    if type_ == "bool":
        return bool(value)
    signed = value - (1 << 64) if value >> 63 else value
    if type_ == "int32" and not -(1 << 31) <= signed < 1 << 31:
        raise ProtobufError(f"{signed} is no int32")
    return signed


def _special(data: bytes, type_: str) -> Any:
    parts = dict(_numbered(data))
    match type_:
        case "quantity":
            return _text(parts.get(1, b"0"))
        case "intOrString":
            return _text(parts.get(3, b"")) if parts.get(1) else _scalar(_number(parts.get(2, 0)), "int32")
        case "time":
            return render(_scalar(_number(parts.get(1, 0)), "int64")) if parts else None
        case "microTime":
            moment = datetime.fromtimestamp(_scalar(_number(parts.get(1, 0)), "int64"), UTC)
            return f"{moment:%Y-%m-%dT%H:%M:%S}.{_number(parts.get(2, 0)) // 1000:06d}Z" if parts else None
        case "duration":
            return f"{_scalar(_number(parts.get(1, 0)), 'int64') / 1e9:g}s"
        case "stringList":
            return [_text(value) for number, value in _numbered(data) if number == 1]
        case _:  # fieldsV1, rawExtension, json: JSON within
            raw = _bytes(parts.get(1, b""))
            try:
                return json.loads(raw) if raw else None
            except ValueError as error:
                raise ProtobufError(f"JSON within protobuf: {error}") from error


def _numbered(data: bytes) -> Iterator[tuple[int, bytes | int]]:
    """Field numbers and raw values. Fixed-size ones as bytes."""
    position = 0
    while position < len(data):
        key, position = _varint(data, position)
        number, wire = key >> 3, key & 7
        value: bytes | int
        match wire:
            case 0:
                value, position = _varint(data, position)
            case 1 | 2 | 5:
                size = {FIXED64: 8, FIXED32: 4}.get(wire, 0)
                if wire == BYTES:
                    size, position = _varint(data, position)
                value = data[position : position + size]
                position += size
                if position > len(data):
                    raise ProtobufError("unexpected EOF")
            case _:
                raise ProtobufError(f"illegal wireType {wire}")
        if not number:
            raise ProtobufError("illegal tag 0")
        yield number, value


def _varint(data: bytes, position: int) -> tuple[int, int]:
    result = shift = 0
    while True:
        if position >= len(data) or shift > 63:
            raise ProtobufError("unexpected EOF" if position >= len(data) else "integer overflow")
        byte = data[position]
        position += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result & (1 << 64) - 1, position
        shift += 7


def _bytes(value: bytes | int) -> bytes:
    if isinstance(value, int):
        raise ProtobufError("wrong wireType")
    return value


def _number(value: bytes | int) -> int:
    if isinstance(value, bytes):
        raise ProtobufError("wrong wireType")
    return value


def _text(value: bytes | int) -> str:
    try:
        return _bytes(value).decode()
    except UnicodeDecodeError as error:
        raise ProtobufError(f"invalid UTF-8: {error}") from error


# Encoding.


def _encoded(obj: Json, definition: TypeDef) -> bytes:
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
                    out.append(_field(field.number, _field(1, key.encode()) + _one(2, value[key], field)))
            case _:
                out.append(_one(field.number, value, field))
    for number, inner in definition.inline:
        out.append(_field(number, _encoded(obj, type_named(inner))))
    return b"".join(out)


def _one(number: int, value: Any, field: FieldDef) -> bytes:
    if field.is_message:
        return _field(number, _encoded(value, type_named(field.type)))
    match field.type:
        case "string":
            return _field(number, value.encode())
        case "bytes":
            return _field(number, base64.b64decode(value))
        case "bool" | "int32" | "int64":
            return _number_field(number, int(value))
        case "double":
            return _uvarint(number << 3 | FIXED64) + struct.pack("<d", value)
        case "quantity":
            return _field(number, _field(1, str(value).encode()))
        case "intOrString":
            if isinstance(value, str):
                return _field(number, _number_field(1, 1) + _field(3, value.encode()))
            return _field(number, _number_field(1, 0) + _number_field(2, value))
        case "time" | "microTime":
            moment = datetime.fromisoformat(value)
            seconds = int(moment.replace(microsecond=0).timestamp())
            return _field(number, _number_field(1, seconds) + _number_field(2, moment.microsecond * 1000))
        case "stringList":
            return _field(number, b"".join(_field(1, item.encode()) for item in value))
        case "duration":
            return _field(number, _number_field(1, int(float(value.removesuffix("s")) * 1e9)))
        case _:
            return _field(number, _field(1, json.dumps(value, separators=(",", ":")).encode()))


def _field(number: int, value: bytes) -> bytes:
    return _uvarint(number << 3 | BYTES) + _uvarint(len(value)) + value


def _number_field(number: int, value: int) -> bytes:
    return _uvarint(number << 3 | VARINT) + _uvarint(value & (1 << 64) - 1)


def _uvarint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
