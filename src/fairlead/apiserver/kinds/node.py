"""Nodes."""

from typing import Any

from fairlead.api.field import FieldError, forbidden
from fairlead.api.resources import NODES
from fairlead.apiserver.kinds.kind import IDENTITY, Kind, identity, keep_status
from fairlead.apiserver.tables.node import COLUMNS

Json = dict[str, Any]


def prepare_create(node: Json) -> None:
    """A node tells its own status when it registers."""
    node.setdefault("spec", {})
    node.setdefault("status", {})


def prepare_update(new: Json, old: Json) -> None:
    keep_status(new, old)
    new.setdefault("spec", {})


def validate_update(new: Json, old: Json) -> list[FieldError]:
    errors = []
    for field in ("podCIDR", "providerID"):
        known = old.get("spec", {}).get(field)
        if known and new["spec"].get(field) != known:
            errors.append(forbidden(f"spec.{field}", "node updates may not change it except from empty to valid"))
    return errors


def selectable_fields(node: Json) -> dict[str, str]:
    unschedulable = "true" if node.get("spec", {}).get("unschedulable") else "false"
    return identity(node) | {"spec.unschedulable": unschedulable}


NODE = Kind(
    NODES,
    COLUMNS,
    validate_update=validate_update,
    prepare_create=prepare_create,
    prepare_update=prepare_update,
    selectable_fields=selectable_fields,
    selectable_field_names=IDENTITY | {"spec.unschedulable"},
)
