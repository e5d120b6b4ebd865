"""Deployments, ReplicaSets, ReplicationControllers, DaemonSets; WIDE is what all kinds with a template of pods show."""

from typing import Any

from fairlead.apiserver.tables.column import AGE, NAME, Column, pairs, selector, wide

Json = dict[str, Any]


def _status(field: str) -> Any:
    return lambda obj, _: obj.get("status", {}).get(field, 0)


def _replicas(obj: Json, _: float) -> int:
    return int(obj["spec"].get("replicas", 0))


def _of_containers(field: str) -> Any:
    return lambda obj, _: ",".join(
        each.get(field, "") for each in obj["spec"]["template"]["spec"].get("containers", ())
    )


CONTAINERS = (wide("Containers", _of_containers("name")), wide("Images", _of_containers("image")))
WIDE = (
    *CONTAINERS,
    wide("Selector", lambda obj, _: selector(obj["spec"].get("selector"))),
)

DEPLOYMENT_COLUMNS = (
    NAME,
    Column("Ready", lambda obj, now: f"{_status('readyReplicas')(obj, now)}/{_replicas(obj, now)}"),
    Column("Up-to-date", _status("updatedReplicas")),
    Column("Available", _status("availableReplicas")),
    AGE,
    *WIDE,
)
_REPLICAS = (
    NAME,
    Column("Desired", _replicas, "integer"),
    Column("Current", _status("replicas"), "integer"),
    Column("Ready", _status("readyReplicas"), "integer"),
    AGE,
)
REPLICA_SET_COLUMNS = (*_REPLICAS, *WIDE)
REPLICATION_CONTROLLER_COLUMNS = (
    *_REPLICAS,
    *CONTAINERS,
    wide("Selector", lambda obj, _: pairs(obj["spec"].get("selector"))),
)
DAEMON_SET_COLUMNS = (
    NAME,
    Column("Desired", _status("desiredNumberScheduled"), "integer"),
    Column("Current", _status("currentNumberScheduled"), "integer"),
    Column("Ready", _status("numberReady"), "integer"),
    Column("Up-to-date", _status("updatedNumberScheduled"), "integer"),
    Column("Available", _status("numberAvailable"), "integer"),
    Column("Node Selector", lambda obj, _: pairs(obj["spec"]["template"]["spec"].get("nodeSelector"))),
    AGE,
    *WIDE,
)
