"""Pods."""

from typing import Any

from fairlead.api.resources import PODS
from fairlead.apiserver.kinds.kind import IDENTITY, Kind, identity, keep_status, only_status
from fairlead.apiserver.kinds.pod_spec import default_pod_spec
from fairlead.apiserver.tables.pod import COLUMNS
from fairlead.apiserver.validation.pod import validate_pod, validate_pod_update

Json = dict[str, Any]

SELECTABLE = (
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "status.phase",
    "status.podIP",
    "status.nominatedNodeName",
)


def default(pod: Json) -> None:
    spec = pod.setdefault("spec", {})
    default_pod_spec(spec)
    spec.setdefault("enableServiceLinks", True)


def prepare_create(pod: Json) -> None:
    pod["status"] = {"phase": "Pending", "qosClass": qos_class(pod["spec"])}


def prepare_update(new: Json, old: Json) -> None:
    keep_status(new, old)


def prepare_status_update(new: Json, old: Json) -> None:
    only_status(new, old)
    status = new.setdefault("status", {})
    status.setdefault("qosClass", old.get("status", {}).get("qosClass", "BestEffort"))
    for one, all_ in (("podIP", "podIPs"), ("hostIP", "hostIPs")):
        _in_step(status, one, all_)


def _in_step(status: Json, one: str, all_: str) -> None:
    """The first of them all is also told by itself; where the two differ, that counts (conversion of v1.PodStatus)."""
    first, every = status.get(one), status.get(all_) or []
    if first and (not every or every[0].get("ip") != first):
        status[all_] = [{"ip": first}]
    elif every and not first:
        status[one] = every[0].get("ip", "")


def selectable_fields(pod: Json) -> dict[str, str]:
    fields = identity(pod)
    for path in SELECTABLE:
        section, _, name = path.partition(".")
        fields[path] = str(pod.get(section, {}).get(name, ""))
    fields["spec.hostNetwork"] = "true" if pod["spec"].get("hostNetwork") else "false"
    return fields


def qos_class(spec: Json) -> str:
    """Guaranteed, Burstable or BestEffort (pkg/apis/core/helper/qos)."""
    containers = [*spec.get("containers", ()), *spec.get("initContainers", ())]
    resources = [container.get("resources") or {} for container in containers]
    amounts = [(each.get("requests") or {}, each.get("limits") or {}) for each in resources]
    if not any(set(part) & {"cpu", "memory"} for pair in amounts for part in pair):
        return "BestEffort"
    guaranteed = all(
        name in limits and requests.get(name, limits[name]) == limits[name]
        for requests, limits in amounts
        for name in ("cpu", "memory")
    )
    return "Guaranteed" if guaranteed else "Burstable"


POD = Kind(
    PODS,
    COLUMNS,
    default,
    validate_pod,
    validate_pod_update,
    prepare_create=prepare_create,
    prepare_update=prepare_update,
    prepare_status_update=prepare_status_update,
    selectable_fields=selectable_fields,
    selectable_field_names=IDENTITY | {*SELECTABLE, "spec.hostNetwork"},
)
