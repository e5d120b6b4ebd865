"""The entries of `metadata.managedFields`: who, by which operation, owns which fields.

Source: apimachinery `util/managedfields/internal/managedfields.go`, `capmanagers.go`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from fairlead.api import time as api_time
from fairlead.api.ownership.elements import MalformedError
from fairlead.api.ownership.fields import Fields

Json = dict[str, Any]

APPLY, UPDATE = "Apply", "Update"
FIELDS_V1 = "FieldsV1"
BEFORE_FIRST_APPLY = "before-first-apply"
ANCIENT = "ancient-changes"
MOST_UPDATERS = 10


@dataclass(frozen=True, slots=True)
class Manager:
    """What makes two entries one. `version` is empty for who applies: that entry is the same in every version."""

    name: str
    operation: str
    version: str
    subresource: str = ""

    @classmethod
    def who_applies(cls, name: str, subresource: str) -> "Manager":
        return cls(name, APPLY, "", subresource)

    @classmethod
    def who_updates(cls, name: str, version: str, subresource: str = "") -> "Manager":
        return cls(name or "unknown", UPDATE, version, subresource)

    @property
    def applies(self) -> bool:
        return self.operation == APPLY

    def __str__(self) -> str:
        """`"kubectl-client-side-apply" using v1`, as conflicts name it."""
        quoted = '"' + self.name.replace("\\", "\\\\").replace('"', '\\"') + '"'
        part = f' with subresource "{self.subresource}"' if self.subresource else ""
        return quoted + part + (f" using {self.version}" if self.operation == UPDATE else "")


@dataclass(frozen=True, slots=True)
class Owned:
    """Fields by their names in `version`; `time` as it is written (RFC 3339), empty where nobody knows."""

    fields: Fields
    version: str
    time: str = ""


Owners = Mapping[Manager, Owned]


def parse(entries: list[Json]) -> dict[Manager, Owned]:
    """Raises MalformedError for entries that Kubernetes could not have written."""
    owners = {}
    for index, entry in enumerate(entries):
        given, operation, version = entry.get("fieldsType"), entry.get("operation"), entry.get("apiVersion", "")
        if given != FIELDS_V1:
            raise MalformedError(f"invalid fieldsType {given!r} in managed fields entry {index}")
        if operation not in (APPLY, UPDATE):
            raise MalformedError(f"invalid operation {operation!r} in managed fields entry {index}")
        manager = Manager(
            entry.get("manager", ""), operation, "" if operation == APPLY else version, entry.get("subresource", "")
        )
        owners[manager] = Owned(Fields.from_wire(entry.get("fieldsV1") or {}), version, entry.get("time") or "")
    return owners


def render(owners: Owners) -> list[Json]:
    """Who applies first, then by time."""
    return [_entry(manager, owned) for manager, owned in sorted(owners.items(), key=_order)]


def _entry(manager: Manager, owned: Owned) -> Json:
    entry: Json = {
        "manager": manager.name,
        "operation": manager.operation,
        "apiVersion": owned.version,
        "time": owned.time,
        "fieldsType": FIELDS_V1,
        "fieldsV1": owned.fields.to_wire(),
        "subresource": manager.subresource,
    }
    return {key: value for key, value in entry.items() if value or key == "fieldsV1"}


def _order(item: tuple[Manager, Owned]) -> tuple[str, float, str, str, str]:
    manager, owned = item
    return manager.operation, _seconds(owned), manager.name, owned.version, manager.subresource


def _seconds(owned: Owned) -> float:
    return api_time.parse(owned.time) if owned.time else 0


def capped(owners: Owners) -> dict[Manager, Owned]:
    """The oldest of too many updates become one entry for each version."""
    kept = dict(owners)
    updaters = [item for item in owners.items() if not item[0].applies]
    excess = len(updaters) - MOST_UPDATERS
    if excess <= 0:
        return kept
    updaters.sort(key=lambda item: (_seconds(item[1]), item[0].name, item[0].version, item[0].subresource))
    first: dict[str, Manager] = {}
    for manager, owned in updaters:
        if excess <= 0:
            break
        if owned.version not in first:
            first[owned.version] = manager
            continue
        bucket = Manager.who_updates(ANCIENT, owned.version)
        if bucket not in kept:
            kept[bucket] = kept.pop(first[owned.version])
        if manager != bucket:
            before = kept.pop(manager)
            kept[bucket] = replace(before, fields=kept[bucket].fields | before.fields)
        excess -= 1
    return kept
