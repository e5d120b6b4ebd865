"""Ingresses, in the versions that there have been."""

from dataclasses import replace
from typing import Any

from fairlead.api.conversion import ingress as conversion
from fairlead.api.resources import INGRESSES, INGRESSES_BETA, INGRESSES_EXTENSIONS
from fairlead.apiserver.kinds.kind import Kind, first_generation, keep_status_and_count, only_status
from fairlead.apiserver.tables.ingress import COLUMNS, COLUMNS_WITHOUT_CLASS
from fairlead.apiserver.validation.ingress import (
    validate_ingress,
    validate_ingress_class_once,
    validate_ingress_status_update,
)

Json = dict[str, Any]


def prepare_create(ingress: Json) -> None:
    first_generation(ingress)
    ingress["status"] = {"loadBalancer": {}}


def prepare_status_update(new: Json, old: Json) -> None:
    only_status(new, old)
    new.setdefault("status", {}).setdefault("loadBalancer", {})


INGRESS = Kind(
    INGRESSES,
    COLUMNS,
    validate=validate_ingress,
    validate_create=validate_ingress_class_once,
    validate_status_update=validate_ingress_status_update,
    prepare_create=prepare_create,
    prepare_update=keep_status_and_count,
    prepare_status_update=prepare_status_update,
)
INGRESS_BETA = replace(INGRESS, resource=INGRESSES_BETA, conversion=conversion.INGRESS)
# Servers that preferred this version knew no classes: it is printed as it was then.
INGRESS_EXTENSIONS = replace(INGRESS_BETA, resource=INGRESSES_EXTENSIONS, columns=COLUMNS_WITHOUT_CLASS)
