"""Protobuf's wire format: tags, varints and lengths. https://protobuf.dev/programming-guides/encoding

The type of a raw value tells its wire type: int of a varint, bytes of what has a length, float of fixed-size ones (the
API has no fixed-size integers).
"""

import struct
from collections.abc import Iterator

MAGIC = b"k8s\0"
Raw = bytes | int | float

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED = {_FIXED64: ("<d", 8), _FIXED32: ("<f", 4)}
_MASK = (1 << 64) - 1


class ProtobufError(ValueError):
    """Bytes that are no Kubernetes protobuf, an object that is not of its type, or a kind that the table lacks."""


def fields(data: bytes) -> Iterator[tuple[int, Raw]]:
    """The numbers and raw values of a message's fields, in their order. Raises ProtobufError."""
    position, end = 0, len(data)
    while position < end:
        key, position = read_varint(data, position)
        number, wire = key >> 3, key & 7
        if not number:
            raise ProtobufError("illegal tag 0")
        if wire == _VARINT:
            value, position = read_varint(data, position)
            yield number, value
            continue
        if wire == _BYTES:
            size, position = read_varint(data, position)
        elif wire in _FIXED:
            size = _FIXED[wire][1]
        else:
            raise ProtobufError(f"illegal wireType {wire}")
        piece = data[position : position + size]
        position += size
        if position > end:
            raise ProtobufError("unexpected EOF")
        yield number, piece if wire == _BYTES else struct.unpack(_FIXED[wire][0], piece)[0]


def read_varint(data: bytes, position: int) -> tuple[int, int]:
    """The number there, 64 bits without sign, and the position behind it. Raises ProtobufError."""
    result = shift = 0
    while True:
        if position >= len(data):
            raise ProtobufError("unexpected EOF")
        if shift > 63:
            raise ProtobufError("integer overflow")
        byte = data[position]
        position += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result & _MASK, position
        shift += 7


def signed(value: int, bits: int = 64) -> int:
    """A varint as int64 or int32. Raises ProtobufError where it does not fit."""
    number = value - (1 << 64) if value >> 63 else value
    if not -(1 << bits - 1) <= number < 1 << bits - 1:
        raise ProtobufError(f"{number} is no int{bits}")
    return number


def as_bytes(value: Raw) -> bytes:
    if not isinstance(value, bytes):
        raise ProtobufError("wrong wireType")
    return value


def as_number(value: Raw) -> int:
    if not isinstance(value, int):
        raise ProtobufError("wrong wireType")
    return value


def as_text(value: Raw) -> str:
    try:
        return as_bytes(value).decode()
    except UnicodeDecodeError as error:
        raise ProtobufError(f"invalid UTF-8: {error}") from error


def write_bytes(number: int, value: bytes) -> bytes:
    return write_varint(number << 3 | _BYTES) + write_varint(len(value)) + value


def write_number(number: int, value: int) -> bytes:
    return write_varint(number << 3 | _VARINT) + write_varint(value & _MASK)


def write_double(number: int, value: float) -> bytes:
    return write_varint(number << 3 | _FIXED64) + struct.pack("<d", value)


def write_varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
