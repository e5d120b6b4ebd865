"""The versions of a resource, as `api.ownership` asks for them, and what a request at a path cannot change."""

from functools import cache
from typing import Any

from fairlead.api.ownership.changes import Versions
from fairlead.api.ownership.fields import NONE, Fields
from fairlead.api.ownership.shapes import Shape, shape_of
from fairlead.api.resources import Resource
from fairlead.api.schema import type_of
from fairlead.apiserver.kinds import KINDS, Kind

Json = dict[str, Any]

_KEPT = ("apiVersion", "kind", "metadata", "status")


@cache
def versions_of(resource: Resource, subresource: str) -> Versions:
    served = _served(resource.prefix)

    def shape(version: str) -> Shape | None:
        return shape_of(version, served[version].resource.kind) if version in served else None

    def convert(obj: Json, version: str, other: str) -> Json:
        return obj if version == other else served[other].served(served[version].stored(obj))

    return Versions(resource.group_version, _ignored(resource, subresource), shape, convert)


@cache
def _served(prefix: str) -> dict[str, Kind]:
    return {resource.group_version: kind for resource, kind in KINDS.items() if resource.prefix == prefix}


def _ignored(resource: Resource, subresource: str) -> Fields:
    """A status is changed at `…/status`, which changes nothing else (GetResetFields of the strategies)."""
    if subresource == "status":
        names = type_of(resource.group_version, resource.kind).fields.keys() - set(_KEPT)
        return Fields({f"f:{name}" for name in names})
    return Fields({"f:status"}) if "status" in resource.subresources else NONE
