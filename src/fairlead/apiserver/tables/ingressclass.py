"""IngressClasses."""

from typing import Any

from fairlead.apiserver.tables.column import AGE, NAME, NONE, Column

Json = dict[str, Any]


def _parameters(obj: Json, _: float) -> str:
    given = obj.get("spec", {}).get("parameters")
    if not given:
        return NONE
    group = f".{given['apiGroup']}" if given.get("apiGroup") is not None else ""
    return f"{given.get('kind', '')}{group}/{given.get('name', '')}"


COLUMNS = (
    NAME,
    Column("Controller", lambda obj, _: obj.get("spec", {}).get("controller", "")),
    Column("Parameters", _parameters),
    AGE,
)
