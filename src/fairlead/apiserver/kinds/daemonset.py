"""DaemonSets."""

from typing import Any

from fairlead.api.resources import DAEMON_SETS
from fairlead.apiserver.kinds.deployment import default_template
from fairlead.apiserver.kinds.kind import Kind, first_generation, keep_status_and_count
from fairlead.apiserver.tables.workload import DAEMON_SET_COLUMNS
from fairlead.apiserver.validation.workload import validate_daemon_set, validate_selector_update

Json = dict[str, Any]


def default(obj: Json) -> None:
    spec = obj.setdefault("spec", {})
    strategy = spec.setdefault("updateStrategy", {})
    if not strategy.get("type"):
        strategy["type"] = "RollingUpdate"
    if strategy["type"] == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxUnavailable", 1)
        rolling.setdefault("maxSurge", 0)
    spec.setdefault("revisionHistoryLimit", 10)
    default_template(spec)


def prepare_create(obj: Json) -> None:
    first_generation(obj)
    obj["status"] = {
        "currentNumberScheduled": 0,
        "numberMisscheduled": 0,
        "desiredNumberScheduled": 0,
        "numberReady": 0,
    }


DAEMON_SET = Kind(
    DAEMON_SETS,
    DAEMON_SET_COLUMNS,
    default,
    validate_daemon_set,
    validate_selector_update,
    prepare_create=prepare_create,
    prepare_update=keep_status_and_count,
)
