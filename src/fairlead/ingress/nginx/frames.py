"""Batches of records as nginx's Lua reads them, on the socket and in the snapshot. Pure.

A frame is "FLB1", the length and the CRC-32 of its body, and the body: records of one letter (S sets, D deletes), key
and value, each behind its length. Numbers are 32 bits, big-endian.
"""

import struct
import zlib
from collections.abc import Iterable, Iterator

MAGIC = b"FLB1"
HEAD = struct.Struct(">4sII")
LENGTH = struct.Struct(">I")
MOST = 4 << 20  # bytes of a frame, unless one record alone is longer

Record = tuple[str, bytes | None]  # key, value; None deletes it


class FrameError(ValueError):
    """Bytes that are no frame: torn, or damaged."""


def encode(records: Iterable[Record]) -> bytes:
    pieces = []
    for key, value in records:
        name = key.encode()
        pieces += [b"D" if value is None else b"S", LENGTH.pack(len(name)), name]
        pieces += [LENGTH.pack(len(value or b"")), value or b""]
    body = b"".join(pieces)
    return HEAD.pack(MAGIC, len(body), zlib.crc32(body)) + body


def batches(records: Iterable[Record]) -> Iterator[list[Record]]:
    """Cut where a frame would become too long."""
    batch: list[Record] = []
    size = 0
    for record in records:
        length = len(record[0]) + len(record[1] or b"") + 9
        if batch and size + length > MOST:
            yield batch
            batch, size = [], 0
        batch.append(record)
        size += length
    if batch:
        yield batch


def decode(data: bytes) -> Iterator[list[Record]]:
    """The frames of a snapshot; raises FrameError at one that is torn."""
    at = 0
    while at < len(data):
        if at + HEAD.size > len(data):
            raise FrameError("the head is torn")
        magic, size, checksum = HEAD.unpack_from(data, at)
        body = data[at + HEAD.size : at + HEAD.size + size]
        if magic != MAGIC or len(body) != size or zlib.crc32(body) != checksum:
            raise FrameError("the body is torn or damaged")
        yield list(_records(body))
        at += HEAD.size + size


def _records(body: bytes) -> Iterator[Record]:
    at = 0
    while at < len(body):
        op = body[at : at + 1]
        (length,) = LENGTH.unpack_from(body, at + 1)
        at += 1 + LENGTH.size
        key = body[at : at + length].decode()
        at += length
        (length,) = LENGTH.unpack_from(body, at)
        at += LENGTH.size
        yield key, body[at : at + length] if op == b"S" else None
        at += length
