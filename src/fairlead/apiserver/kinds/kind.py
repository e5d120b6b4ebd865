"""What a kind brings: defaults, rules, and what changes of it may touch. One value a kind."""

import dataclasses
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from fairlead.api.conversion import SAME, Conversion
from fairlead.api.field import FieldError
from fairlead.api.resources import Resource
from fairlead.apiserver.tables.column import Column

Json = dict[str, Any]

IDENTITY = frozenset({"metadata.name", "metadata.namespace"})


def nothing(_: Json) -> None:
    """No defaults."""


def no_rules(_: Json) -> list[FieldError]:
    return []


def no_update_rules(_new: Json, _old: Json) -> list[FieldError]:
    return []


def identity(obj: Json) -> dict[str, str]:
    metadata = obj["metadata"]
    return {"metadata.name": metadata["name"], "metadata.namespace": metadata.get("namespace", "")}


def drop_status(obj: Json) -> None:
    """A status is never taken from whoever creates an object."""
    obj.pop("status", None)


def first_generation(obj: Json) -> None:
    obj["metadata"]["generation"] = 1
    obj["status"] = {}


def replace(_new: Json, _old: Json) -> None:
    """An update replaces everything."""


def keep_status(new: Json, old: Json) -> None:
    """An update of what has a status leaves that alone."""
    new.pop("status", None)
    if "status" in old:
        new["status"] = old["status"]


def keep_status_and_count(new: Json, old: Json) -> None:
    """As `keep_status`; a changed spec is a new generation."""
    keep_status(new, old)
    generation = old["metadata"].get("generation", 1)
    new["metadata"]["generation"] = generation + 1 if new.get("spec") != old.get("spec") else generation


def only_status(new: Json, old: Json) -> None:
    """`…/status`: the status is new; the metadata may change where metadata may; all else is as it was."""
    for key in [key for key in new if key not in ("metadata", "status", "kind", "apiVersion")]:
        del new[key]
    for key, value in old.items():
        if key not in ("metadata", "status"):
            new[key] = value
    for field in ("labels", "ownerReferences", "finalizers"):
        if field in old["metadata"]:
            new["metadata"].setdefault(field, old["metadata"][field])


@dataclass(frozen=True, slots=True)
class Kind:
    """Objects are JSON already held against the schema, in the form in which they are stored; `conversion` leads there
    from the version that `resource` serves. `default`, `prepare_*` work in place; `validate*` see defaulted objects,
    and `*_update` (new, old)."""

    resource: Resource
    columns: tuple[Column, ...]
    default: Callable[[Json], None] = nothing
    validate: Callable[[Json], list[FieldError]] = no_rules
    validate_update: Callable[[Json, Json], list[FieldError]] = no_update_rules
    validate_status_update: Callable[[Json, Json], list[FieldError]] = no_update_rules
    prepare_create: Callable[[Json], None] = nothing
    prepare_update: Callable[[Json, Json], None] = replace
    prepare_status_update: Callable[[Json, Json], None] = only_status
    selectable_fields: Callable[[Json], dict[str, str]] = identity
    selectable_field_names: frozenset[str] = IDENTITY
    validate_create: Callable[[Json], list[FieldError]] = no_rules  # what only new objects must keep to
    conversion: Conversion = SAME

    def stored(self, obj: Json) -> Json:
        """An object of the version served as it is kept."""
        if self.resource.storage is None:
            return obj
        return {**self.conversion.to_stored(obj), "apiVersion": self.resource.storage}

    def served(self, obj: Json) -> Json:
        """A stored object as this version shows it."""
        if self.resource.storage is None:
            return obj
        return {**self.conversion.to_served(obj), "apiVersion": self.resource.group_version}

    def told(self, errors: Iterable[FieldError]) -> list[FieldError]:
        """Errors of the stored form by the names of the version served."""
        field = self.conversion.field
        return [dataclasses.replace(each, field=field(each.field), detail=field(each.detail)) for each in errors]
