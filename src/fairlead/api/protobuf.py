"""Kubernetes' protobuf envelope (`application/vnd.kubernetes.protobuf`) to JSON objects and back."""

from typing import Any

Json = dict[str, Any]


class ProtobufError(ValueError):
    """Bytes that are no Kubernetes protobuf, or of a kind that the table does not have."""


def decode(data: bytes) -> Json:
    """`k8s\\0` + runtime.Unknown → the object as JSON would have carried it, with kind and apiVersion."""
    raise NotImplementedError


def encode(obj: Json) -> bytes:
    """The envelope of an object; `kind` and `apiVersion` say which message. Lists and Status too."""
    raise NotImplementedError
