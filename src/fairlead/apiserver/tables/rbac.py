"""Roles and bindings."""

from typing import Any

from fairlead.apiserver.tables.column import AGE, NAME, Column, wide

Json = dict[str, Any]


def _subjects(kind: str) -> Any:
    def cell(obj: Json, _: float) -> str:
        found = [each for each in obj.get("subjects") or () if each.get("kind") == kind]
        if kind == "ServiceAccount":
            return ", ".join(f"{each.get('namespace', '')}/{each['name']}" for each in found)
        return ", ".join(each["name"] for each in found)

    return cell


ROLE_COLUMNS = (NAME, Column("Created At", lambda obj, _: obj["metadata"].get("creationTimestamp", "")))
BINDING_COLUMNS = (
    NAME,
    Column("Role", lambda obj, _: f"{obj['roleRef'].get('kind', '')}/{obj['roleRef'].get('name', '')}"),
    AGE,
    wide("Users", _subjects("User")),
    wide("Groups", _subjects("Group")),
    wide("ServiceAccounts", _subjects("ServiceAccount")),
)
