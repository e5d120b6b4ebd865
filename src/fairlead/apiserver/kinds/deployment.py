"""Deployments."""

from typing import Any

from fairlead.api.resources import DEPLOYMENTS
from fairlead.apiserver.kinds.kind import Kind, first_generation, keep_status_and_count, only_status
from fairlead.apiserver.kinds.pod_spec import default_pod_spec
from fairlead.apiserver.tables.workload import DEPLOYMENT_COLUMNS
from fairlead.apiserver.validation.workload import validate_deployment, validate_selector_update

Json = dict[str, Any]


def default(deployment: Json) -> None:
    spec = deployment.setdefault("spec", {})
    spec.setdefault("replicas", 1)
    strategy = spec.setdefault("strategy", {})
    if not strategy.get("type"):
        strategy["type"] = "RollingUpdate"
    if strategy["type"] == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxUnavailable", "25%")
        rolling.setdefault("maxSurge", "25%")
    spec.setdefault("revisionHistoryLimit", 10)
    spec.setdefault("progressDeadlineSeconds", 600)
    default_template(spec)


def default_template(spec: Json) -> None:
    template = spec.setdefault("template", {})
    template.setdefault("metadata", {}).setdefault("creationTimestamp", None)
    default_pod_spec(template.setdefault("spec", {}))


def prepare_status_update(new: Json, old: Json) -> None:
    """Of Deployments alone the labels stay, too (deploymentStatusStrategy)."""
    only_status(new, old)
    # Of a patch that leaves the metadata alone both are one and the same.
    kept = {key: value for key, value in old["metadata"].items() if key == "labels"}
    new["metadata"] = {key: value for key, value in new["metadata"].items() if key != "labels"} | kept


DEPLOYMENT = Kind(
    DEPLOYMENTS,
    DEPLOYMENT_COLUMNS,
    default,
    validate_deployment,
    validate_selector_update,
    prepare_create=first_generation,
    prepare_update=keep_status_and_count,
    prepare_status_update=prepare_status_update,
)
