"""Leases."""

from typing import Any

from fairlead.api.field import FieldError, invalid
from fairlead.api.resources import LEASES
from fairlead.apiserver.kinds.kind import Kind
from fairlead.apiserver.tables.lease import COLUMNS

Json = dict[str, Any]


def validate(lease: Json) -> list[FieldError]:
    spec = lease.get("spec") or {}
    errors = []
    if (seconds := spec.get("leaseDurationSeconds")) is not None and seconds <= 0:
        errors.append(invalid("spec.leaseDurationSeconds", seconds, "must be greater than 0"))
    if (transitions := spec.get("leaseTransitions")) is not None and transitions < 0:
        errors.append(invalid("spec.leaseTransitions", transitions, "must be greater than or equal to 0"))
    return errors


LEASE = Kind(LEASES, COLUMNS, validate=validate)
