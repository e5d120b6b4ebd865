"""Secrets."""

import base64
from typing import Any

from fairlead.api.field import FieldError, invalid
from fairlead.api.resources import SECRETS
from fairlead.apiserver.kinds.configmap import frozen
from fairlead.apiserver.kinds.kind import IDENTITY, Kind, identity
from fairlead.apiserver.tables.secret import COLUMNS
from fairlead.apiserver.validation.payload import validate_secret

Json = dict[str, Any]


def default(secret: Json) -> None:
    secret.setdefault("type", "Opaque")
    if text := secret.pop("stringData", None):
        data = secret.setdefault("data", {})
        data |= {key: base64.b64encode(value.encode()).decode() for key, value in text.items()}


def validate_update(new: Json, old: Json) -> list[FieldError]:
    errors = frozen(new, old, ("data",))
    if new["type"] != old["type"]:
        errors.append(invalid("type", new["type"], "field is immutable"))
    return errors


def selectable_fields(secret: Json) -> dict[str, str]:
    return identity(secret) | {"type": secret["type"]}


SECRET = Kind(
    SECRETS,
    COLUMNS,
    default,
    validate_secret,
    validate_update,
    selectable_fields=selectable_fields,
    selectable_field_names=IDENTITY | {"type"},
)
