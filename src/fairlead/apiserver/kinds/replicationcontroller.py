"""ReplicationControllers: what ReplicaSets were before, with a plain selector."""

from typing import Any

from fairlead.api.resources import REPLICATION_CONTROLLERS
from fairlead.apiserver.kinds import replicaset
from fairlead.apiserver.kinds.kind import IDENTITY, Kind, keep_status_and_count
from fairlead.apiserver.tables.workload import REPLICATION_CONTROLLER_COLUMNS
from fairlead.apiserver.validation.workload import validate_replication_controller

Json = dict[str, Any]


def default(obj: Json) -> None:
    """Where it says no labels or no selector, the template's labels are both (pkg/apis/core/v1/defaults.go)."""
    spec = obj.setdefault("spec", {})
    given = (spec.get("template") or {}).get("metadata", {}).get("labels")
    if given:
        if not spec.get("selector"):
            spec["selector"] = dict(given)
        if not obj["metadata"].get("labels"):
            obj["metadata"]["labels"] = dict(given)
    replicaset.default(obj)


REPLICATION_CONTROLLER = Kind(
    REPLICATION_CONTROLLERS,
    REPLICATION_CONTROLLER_COLUMNS,
    default,
    validate_replication_controller,
    prepare_create=replicaset.prepare_create,
    prepare_update=keep_status_and_count,
    selectable_fields=replicaset.selectable_fields,
    selectable_field_names=IDENTITY | {"status.replicas"},
)
