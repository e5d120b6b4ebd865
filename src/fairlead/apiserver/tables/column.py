"""One column: its heading and how a cell is made."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fairlead.api import time as api_time
from fairlead.apiserver.tables.duration import human

Json = dict[str, Any]
Cell = Callable[[Json, float], Any]  # object, now

NONE, UNKNOWN, UNSET = "<none>", "<unknown>", "<unset>"


@dataclass(frozen=True, slots=True)
class Column:
    """`priority` 0 is always printed, 1 with `-o wide`."""

    name: str
    cell: Cell
    type: str = "string"
    format: str = ""
    description: str = ""
    priority: int = 0

    def definition(self) -> Json:
        return {
            "name": self.name,
            "type": self.type,
            "format": self.format,
            "description": self.description,
            "priority": self.priority,
        }


def age(obj: Json, now: float) -> str:
    return since(obj["metadata"].get("creationTimestamp"), now)


def since(moment: str | None, now: float) -> str:
    return UNKNOWN if not moment else human(now - api_time.parse(moment))


NAME = Column(
    "Name",
    lambda obj, _: obj["metadata"]["name"],
    format="name",
    description="Name must be unique within a namespace. Is required when creating resources.",
)
AGE = Column(
    "Age",
    age,
    description="CreationTimestamp is a timestamp representing the server time when this object was created.",
)


def wide(name: str, cell: Cell, type_: str = "string") -> Column:
    return Column(name, cell, type_, priority=1)


def pairs(given: Json | None) -> str:
    """`a=1,b=2`, or `<none>`."""
    return ",".join(f"{key}={value}" for key, value in sorted((given or {}).items())) or NONE


def selector(given: Json | None) -> str:
    """A label selector as text."""
    given = given or {}
    terms = [f"{key}={value}" for key, value in sorted((given.get("matchLabels") or {}).items())]
    for term in given.get("matchExpressions") or ():
        values = ",".join(sorted(term.get("values") or ()))
        terms.append(
            {
                "In": f"{term['key']} in ({values})",
                "NotIn": f"{term['key']} notin ({values})",
                "Exists": term["key"],
                "DoesNotExist": f"!{term['key']}",
            }[term["operator"]]
        )
    return ",".join(terms) or NONE
