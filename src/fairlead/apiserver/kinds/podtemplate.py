"""PodTemplates: kept and given back, no more; upstream's tests of paging fill their pages with them."""

from typing import Any

from fairlead.api.resources import POD_TEMPLATES
from fairlead.apiserver.kinds.deployment import default_template
from fairlead.apiserver.kinds.kind import Kind
from fairlead.apiserver.tables.podtemplate import COLUMNS
from fairlead.apiserver.validation.workload import validate_pod_template

Json = dict[str, Any]


def default(obj: Json) -> None:
    default_template(obj)


def prepare_create(obj: Json) -> None:
    obj["metadata"]["generation"] = 1


def prepare_update(new: Json, old: Json) -> None:
    generation = old["metadata"].get("generation", 1)
    new["metadata"]["generation"] = generation if new.get("template") == old.get("template") else generation + 1


POD_TEMPLATE = Kind(
    POD_TEMPLATES,
    COLUMNS,
    default,
    validate_pod_template,
    prepare_create=prepare_create,
    prepare_update=prepare_update,
)
