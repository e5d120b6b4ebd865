"""An object held against its type: JSON types checked, what Kubernetes does not know pruned."""

from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


class SchemaError(ValueError):
    """A value of the wrong JSON type. The message is Kubernetes' own, ready for a 400 BadRequest."""


@dataclass(frozen=True, slots=True)
class Conformed:
    """What was found while pruning: `spec.foo`, `spec.ports[0].bar`, in the order of the document."""

    unknown: tuple[str, ...] = ()

    @property
    def problems(self) -> list[str]:
        """`unknown field "spec.foo"`: a line of `strict decoding error: …`, or a Warning."""
        return [f'unknown field "{path}"' for path in self.unknown]


def conform(group_version: str, kind: str, obj: Json) -> Conformed:
    """Prune unknown fields and nulls of `obj` in place. Raises SchemaError for a value of the wrong type, KeyError
    for a kind that the table does not have."""
    raise NotImplementedError
