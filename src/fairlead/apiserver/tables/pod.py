"""Pods: the status that people read is derived from containers, conditions and deletion."""

from typing import Any

from fairlead.api import time as api_time
from fairlead.apiserver.tables.column import AGE, NAME, NONE, Column, wide
from fairlead.apiserver.tables.duration import human

Json = dict[str, Any]


def _ready(pod: Json, _: float) -> str:
    ready = sum(1 for status in _statuses(pod) if status.get("ready") and "running" in status.get("state", {}))
    return f"{ready}/{len(pod['spec'].get('containers', ()))}"


def _statuses(pod: Json) -> list[Json]:
    found: list[Json] = pod.get("status", {}).get("containerStatuses") or []
    return found


def status(pod: Json, _: float = 0) -> str:
    given = pod.get("status", {})
    reason = given.get("reason") or given.get("phase", "")
    initializing, reason = _init_reason(pod, reason)
    if not initializing:
        running = False
        for each in reversed(_statuses(pod)):
            waiting, terminated = _state(each)
            if waiting.get("reason"):
                reason = waiting["reason"]
            elif terminated is not None:
                reason = _ended(terminated)
            elif each.get("ready") and "running" in each.get("state", {}):
                running = True
        if reason == "Completed" and running:
            reason = "Running" if _condition(pod, "Ready") else "NotReady"
    if pod["metadata"].get("deletionTimestamp"):
        if given.get("reason") == "NodeLost":
            return "Unknown"
        if given.get("phase") not in ("Succeeded", "Failed"):
            return "Terminating"
    return str(reason)


def _init_reason(pod: Json, reason: str) -> tuple[bool, str]:
    specs = pod["spec"].get("initContainers") or ()
    for index, each in enumerate(pod.get("status", {}).get("initContainerStatuses") or ()):
        waiting, terminated = _state(each)
        if terminated is not None:
            if terminated.get("exitCode", 0) == 0:
                continue
            return True, f"Init:{_ended(terminated)}"
        if waiting.get("reason") and waiting["reason"] != "PodInitializing":
            return True, f"Init:{waiting['reason']}"
        return True, f"Init:{index}/{len(specs)}"
    return False, reason


def _state(each: Json) -> tuple[Json, Json | None]:
    state = each.get("state") or {}
    return state.get("waiting") or {}, state.get("terminated")


def _ended(terminated: Json) -> str:
    if terminated.get("reason"):
        return str(terminated["reason"])
    if terminated.get("signal"):
        return f"Signal:{terminated['signal']}"
    return f"ExitCode:{terminated.get('exitCode', 0)}"


def _condition(pod: Json, kind: str) -> bool:
    return any(c["type"] == kind and c["status"] == "True" for c in pod.get("status", {}).get("conditions") or ())


def _restarts(pod: Json, now: float) -> str:
    count = sum(status.get("restartCount", 0) for status in _statuses(pod))
    ends = [
        ended
        for status in _statuses(pod)
        if (ended := ((status.get("lastState") or {}).get("terminated") or {}).get("finishedAt"))
    ]
    if not count or not ends:
        return str(count)
    return f"{count} ({human(now - api_time.parse(max(ends)))} ago)"


def _gates(pod: Json, _: float) -> str:
    gates = pod["spec"].get("readinessGates") or ()
    if not gates:
        return NONE
    return f"{sum(_condition(pod, gate['conditionType']) for gate in gates)}/{len(gates)}"


COLUMNS = (
    NAME,
    Column("Ready", _ready, description="The aggregate readiness state of this pod for accepting traffic."),
    Column("Status", status, description="The aggregate status of the containers in this pod."),
    Column(
        "Restarts",
        _restarts,
        description="The number of times the containers in this pod have been restarted and when the last container in "
        "this pod has restarted.",
    ),
    AGE,
    wide("IP", lambda pod, _: pod.get("status", {}).get("podIP") or NONE),
    wide("Node", lambda pod, _: pod["spec"].get("nodeName") or NONE),
    wide("Nominated Node", lambda pod, _: pod.get("status", {}).get("nominatedNodeName") or NONE),
    wide("Readiness Gates", _gates),
)
