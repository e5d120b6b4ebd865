"""PodTemplates."""

from typing import Any

from fairlead.apiserver.tables.column import AGE, NAME, Column, pairs

Json = dict[str, Any]


def _of_containers(field: str) -> Any:
    return lambda obj, _: ",".join(each.get(field, "") for each in obj["template"]["spec"].get("containers", ()))


COLUMNS = (
    NAME,
    Column("Containers", _of_containers("name")),
    Column("Images", _of_containers("image")),
    Column("Pod Labels", lambda obj, _: pairs(obj["template"]["metadata"].get("labels"))),
    AGE,
)
