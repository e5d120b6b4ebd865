"""ReplicaSets."""

from typing import Any

from fairlead.api.resources import REPLICA_SETS
from fairlead.apiserver.kinds.deployment import default_template
from fairlead.apiserver.kinds.kind import IDENTITY, Kind, first_generation, identity, keep_status_and_count
from fairlead.apiserver.tables.workload import REPLICA_SET_COLUMNS
from fairlead.apiserver.validation.workload import validate_replica_set, validate_selector_update

Json = dict[str, Any]


def default(obj: Json) -> None:
    spec = obj.setdefault("spec", {})
    spec.setdefault("replicas", 1)
    default_template(spec)


def prepare_create(obj: Json) -> None:
    first_generation(obj)
    obj["status"] = {"replicas": 0}


def selectable_fields(obj: Json) -> dict[str, str]:
    return identity(obj) | {"status.replicas": str(obj.get("status", {}).get("replicas", 0))}


REPLICA_SET = Kind(
    REPLICA_SETS,
    REPLICA_SET_COLUMNS,
    default,
    validate_replica_set,
    validate_selector_update,
    prepare_create=prepare_create,
    prepare_update=keep_status_and_count,
    selectable_fields=selectable_fields,
    selectable_field_names=IDENTITY | {"status.replicas"},
)
