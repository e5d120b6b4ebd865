"""Which pods a node takes: tolerations, node selectors, node affinity. Pure.

The scheduler has the same rules in its own words for why not; parts do not import each other.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from fairlead.api.types.core import Node, Taint, Toleration

Json = dict[str, Any]
HARD = frozenset({"NoSchedule", "NoExecute"})


def tolerates(toleration: Toleration, taint: Taint) -> bool:
    if toleration.effect and toleration.effect != taint.effect:
        return False
    if toleration.key and toleration.key != taint.key:
        return False
    return toleration.operator == "Exists" or toleration.value == taint.value


def tolerates_all(tolerations: Iterable[Toleration], taints: Iterable[Taint], effects: frozenset[str] = HARD) -> bool:
    """All taints of those effects."""
    own = list(tolerations)
    return all(taint.effect not in effects or any(tolerates(each, taint) for each in own) for taint in taints)


def is_wanted(spec: Json, node: Node) -> bool:
    """Whether a pod's nodeSelector and required node affinity, as they came, match a node."""
    selector: Json = spec.get("nodeSelector") or {}
    if any(node.metadata.labels.get(name) != value for name, value in selector.items()):
        return False
    affinity: Json = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    return required is None or any(_matches_term(term, node) for term in required.get("nodeSelectorTerms") or ())


def _matches_term(term: Json, node: Node) -> bool:
    expressions, fields = term.get("matchExpressions") or (), term.get("matchFields") or ()
    own = {"metadata.name": node.metadata.name}
    return bool(expressions or fields) and (
        all(_matches(each, node.metadata.labels) for each in expressions)
        and all(_matches(each, own) for each in fields)
    )


def _matches(expression: Json, labels: Mapping[str, str]) -> bool:
    test = _OPERATORS.get(expression["operator"])
    return test is not None and test(labels.get(expression["key"]), expression.get("values") or [])


def _compared(sign: int) -> Callable[[str | None, list[str]], bool]:
    def test(value: str | None, values: list[str]) -> bool:
        try:
            return value is not None and sign * int(value) > sign * int(values[0])
        except (ValueError, IndexError):
            return False

    return test


_OPERATORS: dict[str, Callable[[str | None, list[str]], bool]] = {
    "In": lambda value, values: value in values,
    "NotIn": lambda value, values: value not in values,
    "Exists": lambda value, _: value is not None,
    "DoesNotExist": lambda value, _: value is None,
    "Gt": _compared(1),
    "Lt": _compared(-1),
}
