"""OpenAPI 3.0: a document for each group and version, and the index of them."""

import hashlib
from functools import cache

import msgspec

from fairlead.api.resources import RESOURCES, Resource
from fairlead.apiserver.openapi.operations import paths
from fairlead.apiserver.openapi.schemas import definitions
from fairlead.apiserver.version import GIT_VERSION


@cache
def index() -> bytes:
    """What there is, with a hash of each document in its URL: clients may keep what they have read under it."""
    found = {}
    for key in dict.fromkeys(map(_key, RESOURCES)):
        digest = hashlib.sha256(document(key) or b"").hexdigest().upper()
        found[key] = {"serverRelativeURL": f"/openapi/v3/{key}?hash={digest}"}
    return msgspec.json.encode({"paths": found})


@cache
def document(group_version_path: str) -> bytes | None:
    """`api/v1`, `apis/apps/v1`; None where nothing is served there."""
    resources = tuple(resource for resource in RESOURCES if _key(resource) == group_version_path)
    if not resources:
        return None
    return msgspec.json.encode(
        {
            "openapi": "3.0.0",
            "info": {"title": "Kubernetes", "version": GIT_VERSION},
            "paths": paths(resources, version=3),
            "components": {"schemas": definitions(resources, version=3)},
        }
    )


def _key(resource: Resource) -> str:
    return resource.path().removeprefix("/").rpartition("/")[0]
