"""ControllerRevisions: the templates that a DaemonSet had, numbered; what `kubectl rollout history` and `undo` read."""

from typing import Any

from fairlead.api.field import FieldError, invalid, required
from fairlead.api.resources import CONTROLLER_REVISIONS
from fairlead.apiserver.kinds.kind import Kind
from fairlead.apiserver.tables.controllerrevision import COLUMNS

Json = dict[str, Any]


def validate(obj: Json) -> list[FieldError]:
    errors = [] if obj.get("data") is not None else [required("data", "data is mandatory")]
    if (revision := obj.get("revision", 0)) < 0:
        errors.append(invalid("revision", revision, "must be greater than or equal to 0"))
    return errors


def validate_update(new: Json, old: Json) -> list[FieldError]:
    return [] if new.get("data") == old.get("data") else [invalid("data", new.get("data"), "field is immutable")]


CONTROLLER_REVISION = Kind(CONTROLLER_REVISIONS, COLUMNS, validate=validate, validate_update=validate_update)
