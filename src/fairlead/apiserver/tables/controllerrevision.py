"""ControllerRevisions."""

from typing import Any

from fairlead.apiserver.tables.column import AGE, NAME, Column

Json = dict[str, Any]


def _controller(obj: Json, _: float) -> str:
    """`daemonset.apps/proxy`."""
    for owner in obj["metadata"].get("ownerReferences") or ():
        if owner.get("controller"):
            group = owner["apiVersion"].rpartition("/")[0]
            return ".".join(filter(None, (owner["kind"].lower(), group))) + f"/{owner['name']}"
    return "<none>"


COLUMNS = (
    NAME,
    Column("Controller", _controller),
    Column("Revision", lambda obj, _: obj.get("revision", 0), "integer"),
    AGE,
)
