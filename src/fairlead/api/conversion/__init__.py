"""One stored form, other versions beside it: objects of a kind as one version serves them and as they are kept.

A conversion is a pair of pure functions and the names that fields have in the version served. All of them leave
apiVersion and kind alone, except that nested objects of the kind's own are converted too, and share nothing with their
argument that they change.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


def _same(obj: Json) -> Json:
    return obj


def _same_field(path: str) -> str:
    return path


@dataclass(frozen=True, slots=True)
class Conversion:
    """`field`: the path of a field of the stored form, or a message with its name → as the version served calls it."""

    to_stored: Callable[[Json], Json] = _same
    to_served: Callable[[Json], Json] = _same
    field: Callable[[str], str] = _same_field


SAME = Conversion()
