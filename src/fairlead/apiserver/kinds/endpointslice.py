"""EndpointSlices."""

from dataclasses import replace
from typing import Any

from fairlead.api.conversion import endpointslice as conversion
from fairlead.api.field import FieldError, invalid
from fairlead.api.resources import ENDPOINT_SLICES, ENDPOINT_SLICES_BETA
from fairlead.apiserver.kinds.kind import Kind
from fairlead.apiserver.tables.endpointslice import COLUMNS
from fairlead.apiserver.validation.endpoints import validate_slice

Json = dict[str, Any]


def default(obj: Json) -> None:
    for port in obj.get("ports") or ():
        port.setdefault("name", "")
        port.setdefault("protocol", "TCP")


def prepare_create(obj: Json) -> None:
    obj["metadata"]["generation"] = 1


def prepare_update(new: Json, old: Json) -> None:
    generation = old["metadata"].get("generation", 1)
    same = all(new.get(key) == old.get(key) for key in ("endpoints", "ports"))
    new["metadata"]["generation"] = generation if same else generation + 1


def validate_update(new: Json, old: Json) -> list[FieldError]:
    if new.get("addressType") != old.get("addressType"):
        return [invalid("addressType", new.get("addressType"), "field is immutable")]
    return []


ENDPOINT_SLICE = Kind(
    ENDPOINT_SLICES,
    COLUMNS,
    default,
    validate_slice,
    validate_update,
    prepare_create=prepare_create,
    prepare_update=prepare_update,
)
ENDPOINT_SLICE_BETA = replace(ENDPOINT_SLICE, resource=ENDPOINT_SLICES_BETA, conversion=conversion.ENDPOINT_SLICE)
