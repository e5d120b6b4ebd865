"""The managers of a workload's replicas, as its Scale shows them, and back (apimachinery `scalehandler.go`)."""

import dataclasses
from typing import Any

from fairlead.api.ownership import managers
from fairlead.api.ownership.changes import Versions, updated
from fairlead.api.ownership.fields import NONE, Fields
from fairlead.api.ownership.managers import Manager, Owned, Owners
from fairlead.api.ownership.shapes import Shape, shape_of
from fairlead.apiserver.call import Call
from fairlead.apiserver.ownership.tracking import manager_of, now

Json = dict[str, Any]

SCALE = "autoscaling/v1"
_PATH = ("f:spec", "f:replicas")
_REPLICAS = Fields.of([_PATH])


def _shape(version: str) -> Shape | None:
    return shape_of(SCALE, "Scale") if version == SCALE else None


VERSIONS = Versions(SCALE, NONE, _shape, lambda obj, _version, _other: obj)


def shown(entries: list[Json] | None) -> Json:
    """What a Scale's metadata has of its workload's entries: who owns the replicas."""
    owners = _of_scale(managers.parse(entries)) if entries else {}
    return {"managedFields": managers.render(owners)} if owners else {}


def follow(call: Call, obj: Json, before: Json, scale: Json, *, applies: bool) -> None:
    """The workload's entries after its Scale was `before` and is `scale`, which an apply has entered itself in."""
    metadata = obj["metadata"]
    parents = managers.parse(metadata.get("managedFields") or [])
    if applies:
        owners: Owners = managers.parse(scale["metadata"].get("managedFields") or [])
    else:
        owners = _of_scale(parents)
        if not owners:
            return
        manager = Manager.who_updates(manager_of(call.request), SCALE, "scale")
        owners = updated(before, scale, owners, manager, VERSIONS, now())
    entries = _of_parent(parents, owners, call.resource.group_version)
    metadata.pop("managedFields", None)
    if entries:
        metadata["managedFields"] = entries


def _of_scale(parents: Owners) -> dict[Manager, Owned]:
    return {
        _twin(manager): Owned(_REPLICAS, SCALE, owned.time)
        for manager, owned in parents.items()
        if _PATH in owned.fields
    }


def _of_parent(parents: Owners, scale: Owners, version: str) -> list[Json]:
    found: dict[Manager, Owned] = {}
    left = {manager: owned for manager, owned in scale.items() if _PATH in owned.fields}
    for manager, owned in parents.items():
        if _PATH not in owned.fields or left.pop(_twin(manager), None) is not None:
            found[manager] = owned
        elif fields := owned.fields - _REPLICAS:
            found[manager] = dataclasses.replace(owned, fields=fields)
    for manager, owned in left.items():
        own = manager if manager.applies else dataclasses.replace(manager, version=version)
        found[own] = Owned(_REPLICAS, version, owned.time)
    return managers.render(found)


def _twin(manager: Manager) -> Manager:
    """The same, as a Scale names its version."""
    return manager if manager.applies else dataclasses.replace(manager, version=SCALE)
