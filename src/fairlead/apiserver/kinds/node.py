"""Nodes."""

from typing import Any

from fairlead.api.field import FieldError, forbidden
from fairlead.api.resources import NODES
from fairlead.apiserver.kinds.kind import IDENTITY, Kind, identity, keep_status
from fairlead.apiserver.tables.node import COLUMNS

Json = dict[str, Any]


def default(node: Json) -> None:
    """`podCIDR` is the first of `podCIDRs`; who says one has said the other."""
    spec = node.setdefault("spec", {})
    first, ranges = spec.get("podCIDR"), spec.get("podCIDRs") or []
    if first and ranges[:1] != [first]:
        spec["podCIDRs"] = [first]
    elif ranges and not first:
        spec["podCIDR"] = ranges[0]


def prepare_create(node: Json) -> None:
    """A node tells its own status when it registers."""
    node.setdefault("spec", {})
    node.setdefault("status", {})


def prepare_update(new: Json, old: Json) -> None:
    keep_status(new, old)
    new.setdefault("spec", {})


def validate_update(new: Json, old: Json) -> list[FieldError]:
    errors = []
    for field, what in (("podCIDRs", "podCIDR"), ("providerID", "providerID")):
        known = old.get("spec", {}).get(field)
        if known and new["spec"].get(field) != known:
            why = f'node updates may not change {what} except from "" to valid'
            errors.append(forbidden(f"spec.{field}", why))
    return errors


def selectable_fields(node: Json) -> dict[str, str]:
    unschedulable = "true" if node.get("spec", {}).get("unschedulable") else "false"
    return identity(node) | {"spec.unschedulable": unschedulable}


NODE = Kind(
    NODES,
    COLUMNS,
    default,
    validate_update=validate_update,
    prepare_create=prepare_create,
    prepare_update=prepare_update,
    selectable_fields=selectable_fields,
    selectable_field_names=IDENTITY | {"spec.unschedulable"},
)
