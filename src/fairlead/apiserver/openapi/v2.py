"""OpenAPI 2.0: one document of everything, as JSON and as protobuf."""

from functools import cache
from typing import Any

import msgspec

from fairlead.apiserver.openapi import gnostic
from fairlead.apiserver.openapi.operations import paths
from fairlead.apiserver.openapi.schemas import definitions
from fairlead.apiserver.version import GIT_VERSION


def document() -> dict[str, Any]:
    return {
        "swagger": "2.0",
        "info": {"title": "Kubernetes", "version": GIT_VERSION},
        "paths": paths(version=2),
        "definitions": definitions(version=2),
    }


@cache
def as_json() -> bytes:
    return msgspec.json.encode(document())


@cache
def as_protobuf() -> bytes:
    return gnostic.document(document())
