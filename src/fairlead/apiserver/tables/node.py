"""Nodes."""

from typing import Any

from fairlead.apiserver.tables.column import AGE, NAME, NONE, UNKNOWN, Column, wide

Json = dict[str, Any]

ROLE, OLD_ROLE = "node-role.kubernetes.io/", "kubernetes.io/role"


def _status(node: Json, _: float) -> str:
    ready = [c["status"] for c in node.get("status", {}).get("conditions") or () if c["type"] == "Ready"]
    text = {"True": "Ready", "False": "NotReady"}.get(ready[0], "NotReady") if ready else "Unknown"
    return text + (",SchedulingDisabled" if node.get("spec", {}).get("unschedulable") else "")


def _roles(node: Json, _: float) -> str:
    labels = node["metadata"].get("labels") or {}
    roles = {key[len(ROLE) :] for key in labels if key.startswith(ROLE) and len(key) > len(ROLE)}
    if labels.get(OLD_ROLE):
        roles.add(labels[OLD_ROLE])
    return ",".join(sorted(roles)) or NONE


def _address(kind: str) -> Any:
    def cell(node: Json, _: float) -> str:
        addresses = node.get("status", {}).get("addresses") or ()
        return next((each["address"] for each in addresses if each["type"] == kind), NONE)

    return cell


def _info(field: str) -> Any:
    return lambda node, _: node.get("status", {}).get("nodeInfo", {}).get(field) or UNKNOWN


COLUMNS = (
    NAME,
    Column("Status", _status),
    Column("Roles", _roles),
    AGE,
    Column("Version", lambda node, _: node.get("status", {}).get("nodeInfo", {}).get("kubeletVersion", "")),
    wide("Internal-IP", _address("InternalIP")),
    wide("External-IP", _address("ExternalIP")),
    wide("OS-Image", _info("osImage")),
    wide("Kernel-Version", _info("kernelVersion")),
    wide("Container-Runtime", _info("containerRuntimeVersion")),
)
