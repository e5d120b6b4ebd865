"""ConfigMaps."""

from typing import Any

from fairlead.api.field import FieldError, forbidden
from fairlead.api.resources import CONFIGMAPS
from fairlead.apiserver.kinds.kind import Kind
from fairlead.apiserver.tables.configmap import COLUMNS
from fairlead.apiserver.validation.payload import validate_config_map

Json = dict[str, Any]

IMMUTABLE = "field is immutable when `immutable` is set"


def validate_update(new: Json, old: Json) -> list[FieldError]:
    return frozen(new, old, ("data", "binaryData"))


def frozen(new: Json, old: Json, fields: tuple[str, ...]) -> list[FieldError]:
    """What an immutable object does not let go of."""
    if not old.get("immutable"):
        return []
    errors = [] if new.get("immutable") else [forbidden("immutable", IMMUTABLE)]
    return errors + [forbidden(field, IMMUTABLE) for field in fields if new.get(field) != old.get(field)]


CONFIG_MAP = Kind(CONFIGMAPS, COLUMNS, validate=validate_config_map, validate_update=validate_update)
