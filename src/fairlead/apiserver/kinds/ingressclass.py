"""IngressClasses."""

from dataclasses import replace
from typing import Any

from fairlead.api.resources import INGRESS_CLASSES, INGRESS_CLASSES_BETA
from fairlead.apiserver.kinds.kind import Kind
from fairlead.apiserver.tables.ingressclass import COLUMNS
from fairlead.apiserver.validation.ingressclass import validate_ingress_class, validate_ingress_class_update

Json = dict[str, Any]


def default(obj: Json) -> None:
    if parameters := obj.setdefault("spec", {}).get("parameters"):
        parameters.setdefault("scope", "Cluster")


def prepare_create(obj: Json) -> None:
    obj["metadata"]["generation"] = 1


def prepare_update(new: Json, old: Json) -> None:
    generation = old["metadata"].get("generation", 1)
    new["metadata"]["generation"] = generation + (new["spec"] != old.get("spec"))


INGRESS_CLASS = Kind(
    INGRESS_CLASSES,
    COLUMNS,
    default,
    validate_ingress_class,
    validate_ingress_class_update,
    prepare_create=prepare_create,
    prepare_update=prepare_update,
)
INGRESS_CLASS_BETA = replace(INGRESS_CLASS, resource=INGRESS_CLASSES_BETA)
