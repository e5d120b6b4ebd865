"""Golden bytes are put together by hand from the numbers in Kubernetes' .proto files, as Go would write them."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.api import protobuf
from fairlead.api.protobuf import ProtobufError
from fairlead.api.resources import RESOURCES
from tests.unit.api.schema.objects import objects

KINDS = sorted({(resource.group_version, resource.kind) for resource in RESOURCES} | {("v1", "Status")})


def varint(value: int) -> bytes:
    return bytes([value]) if value < 128 else bytes([value & 127 | 128]) + varint(value >> 7)


def ld(number: int, *parts: bytes | str) -> bytes:
    """A field that has a length."""
    data = b"".join(part.encode() if isinstance(part, str) else part for part in parts)
    return varint(number << 3 | 2) + varint(len(data)) + data


def vi(number: int, value: int) -> bytes:
    return varint(number << 3) + varint(value)


def enveloped(group_version: str, kind: str, *raw: bytes) -> bytes:
    return b"k8s\0" + ld(1, ld(1, group_version), ld(2, kind)) + ld(2, *raw) + ld(3, "") + ld(4, "")


def with_managed_fields(fields: bytes) -> bytes:
    return enveloped("v1", "Pod", ld(1, ld(17, ld(7, ld(1, fields)))))


PORT_IS_NAME = ld(4, vi(1, 1), vi(2, 0), ld(3, "http"))
PORT_IS_NUMBER = ld(4, vi(1, 0), vi(2, 80), ld(3, ""))
MINUS_ONE = varint((1 << 64) - 1)

GOLDEN: dict[str, tuple[bytes, dict[str, Any]]] = {
    "zeros that are no pointers are left out": (
        enveloped("v1", "ConfigMap", ld(1, ld(1, "a"), ld(2, ""), ld(5, ""), vi(7, 0), ld(8))),
        {"metadata": {"name": "a"}},
    ),
    "a pointer's zero is kept": (
        enveloped("v1", "Pod", ld(2, vi(4, 0), vi(11, 0))),
        {"spec": {"terminationGracePeriodSeconds": 0}},
    ),
    "maps are entries": (
        enveloped(
            "v1", "ConfigMap", ld(2, ld(1, "k"), ld(2, "v")), ld(2, ld(1, "empty")), ld(3, ld(1, "b"), ld(2, "\0"))
        ),
        {"data": {"k": "v", "empty": ""}, "binaryData": {"b": "AA=="}},
    ),
    "a target port is a number or a name": (
        enveloped("v1", "Service", ld(2, ld(1, vi(3, 80), PORT_IS_NUMBER), ld(1, vi(3, 81), PORT_IS_NAME))),
        {"spec": {"ports": [{"port": 80, "targetPort": 80}, {"port": 81, "targetPort": "http"}]}},
    ),
    "quantities are strings": (
        enveloped("v1", "Node", ld(3, ld(1, ld(1, "cpu"), ld(2, ld(1, "500m"))))),
        {"status": {"capacity": {"cpu": "500m"}}},
    ),
    "time is in seconds": (
        enveloped("v1", "Namespace", ld(1, ld(8, vi(1, 90), vi(2, 0)))),
        {"metadata": {"creationTimestamp": "1970-01-01T00:01:30Z"}},
    ),
    "a lease's time is in microseconds": (
        enveloped("coordination.k8s.io/v1", "Lease", ld(2, ld(4, vi(1, 90), vi(2, 1_999)))),
        {"spec": {"renewTime": "1970-01-01T00:01:30.000001Z"}},
    ),
    "a volume's source is inline": (
        enveloped("v1", "Pod", ld(2, ld(1, ld(1, "v"), ld(2, ld(1, ld(1, "/data")))))),
        {"spec": {"volumes": [{"name": "v", "hostPath": {"path": "/data"}}]}},
    ),
    "a negative number takes ten bytes": (
        enveloped("v1", "Event", varint(8 << 3) + MINUS_ONE),
        {"count": -1},
    ),
    "packed numbers": (
        enveloped("v1", "Pod", ld(2, ld(14, ld(4, b"\x01\x02")))),
        {"spec": {"securityContext": {"supplementalGroups": [1, 2]}}},
    ),
    "fields that nobody knows are skipped": (
        enveloped("v1", "ConfigMap", vi(14, 1), ld(15, "x"), b"\x71" + bytes(8), b"\x75" + bytes(4), ld(1, ld(1, "a"))),
        {"metadata": {"name": "a"}},
    ),
    "delete options are of every group": (
        enveloped("apps/v1", "DeleteOptions", ld(4, "Background")),
        {"propagationPolicy": "Background"},
    ),
}


@pytest.mark.parametrize(("data", "expected"), GOLDEN.values(), ids=GOLDEN)
def test_bytes_as_go_writes_them_are_read(data: bytes, expected: dict[str, Any]) -> None:
    decoded = protobuf.decode(data)
    del decoded["apiVersion"], decoded["kind"]
    assert decoded == expected


@pytest.mark.parametrize(("group_version", "kind"), KINDS)
@settings(max_examples=20)
@given(data=st.data())
def test_objects_come_back_as_they_were(data: st.DataObject, group_version: str, kind: str) -> None:
    obj = data.draw(objects(group_version, kind))
    assert protobuf.decode(protobuf.encode(obj)) == obj


def test_lists_hold_their_items_without_kinds() -> None:
    given = {"apiVersion": "v1", "kind": "NodeList", "items": [{"metadata": {"name": "n"}, "kind": "Node"}]}
    assert protobuf.decode(protobuf.encode(given))["items"] == [{"metadata": {"name": "n"}}]


WRONG = {
    "nothing": (b"", "expected prefix"),
    "JSON": (b'{"kind":"Pod"}', "expected prefix"),
    "no kind": (b"k8s\0", 'no kind "" is registered for version ""'),
    "an unknown kind": (enveloped("v2", "Pod"), 'no kind "Pod" is registered for version "v2"'),
    "too short": (enveloped("v1", "Pod", ld(1, ld(1, "name")))[:-6], "unexpected EOF"),
    "a length beyond the end": (enveloped("v1", "Pod", b"\x0a\x7f"), "unexpected EOF"),
    "a varint that does not end": (enveloped("v1", "Pod", b"\x80" * 9), "unexpected EOF"),
    "a varint too long": (enveloped("v1", "Pod", b"\x80" * 11), "integer overflow"),
    "a group": (enveloped("v1", "Pod", b"\x0b\x0c"), "illegal wireType 3"),
    "tag 0": (enveloped("v1", "Pod", ld(0, "")), "illegal tag 0"),
    "a number for a message": (enveloped("v1", "Pod", vi(1, 1)), "wrong wireType"),
    "a text for a number": (enveloped("v1", "Pod", ld(2, ld(4, ""))), "wrong wireType"),
    "a number for a quantity": (enveloped("v1", "Node", ld(3, ld(1, ld(1, "cpu"), vi(2, 1)))), "wrong wireType"),
    "eight bytes for a number": (enveloped("v1", "Pod", ld(2, b"\x21" + bytes(8))), "wrong wireType"),
    "an int32 too large": (enveloped("v1", "Event", vi(8, 1 << 31)), "is no int32"),
    "no UTF-8": (enveloped("v1", "Pod", ld(1, ld(1, b"\xff"))), "invalid UTF-8"),
    "a year beyond 9999": (enveloped("v1", "Pod", ld(1, ld(8, vi(1, 1 << 60)))), "no time"),
    "more than a second of nanoseconds": (
        enveloped("coordination.k8s.io/v1", "Lease", ld(2, ld(4, varint(2 << 3) + MINUS_ONE))),
        "-1 nanoseconds",
    ),
    "no JSON where JSON should be": (with_managed_fields(b"{"), "JSON within protobuf"),
    "JSON nested without end": (with_managed_fields(b"[" * 100_000), "JSON within protobuf"),
}


@pytest.mark.parametrize(("data", "message"), WRONG.values(), ids=WRONG)
def test_what_is_no_object_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(ProtobufError, match=message):
        protobuf.decode(data)


@given(st.data())
def test_damaged_bytes_are_read_or_refused_but_never_crash(data: st.DataObject) -> None:
    damaged = bytearray(protobuf.encode(data.draw(objects("v1", "Pod"))))
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        protobuf.decode(bytes(damaged[: data.draw(st.integers(0, len(damaged)))]))
    except ProtobufError:
        pass


@pytest.mark.parametrize(
    "obj",
    [
        {},
        {"apiVersion": "v1", "kind": ["Pod"]},
        {"apiVersion": "v1", "kind": "Nothing"},
        {"apiVersion": "v1", "kind": "Pod", "metadata": 5},
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"creationTimestamp": "yesterday"}},
        {"apiVersion": "v1", "kind": "Secret", "data": {"key": "no base64!"}},
    ],
)
def test_what_is_not_of_its_type_is_not_written(obj: dict[str, Any]) -> None:
    with pytest.raises(ProtobufError):
        protobuf.encode(obj)
