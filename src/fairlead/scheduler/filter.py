"""Which nodes a pod can run on, and why not on the others, in Kubernetes' words. Pure."""

from collections.abc import Mapping
from typing import Any

from fairlead.api.types.core import Node, Pod, Taint, Toleration
from fairlead.scheduler.model import NodeState, host_ports, requests

Json = dict[str, Any]


def reasons(pod: Pod, state: NodeState) -> list[str]:
    """Empty: it can run there."""
    found = []
    node = state.node
    if pod.spec.node_name and pod.spec.node_name != state.name:
        return ["node(s) didn't match the requested node name"]
    if node.spec.unschedulable and not tolerated(
        pod, Taint(key="node.kubernetes.io/unschedulable", effect="NoSchedule")
    ):
        found.append("node(s) were unschedulable")
    elif (taint := untolerated(pod, node)) is not None:
        found.append(f"node(s) had untolerated taint {{{taint.key}: {taint.value}}}")
    if not matches_affinity(pod, node):
        found.append("node(s) didn't match Pod's node affinity/selector")
    if any(_conflicts(port, taken) for port in host_ports(pod) for taken in state.ports):
        found.append("node(s) didn't have free ports for the requested pod ports")
    if not found:
        found += _lacking(pod, state)
    return found


def _lacking(pod: Pod, state: NodeState) -> list[str]:
    found = []
    for resource, wanted in requests(pod).items():
        there = state.allocatable(resource) or 0
        if wanted > there - state.used.get(resource, 0):
            found.append("Too many pods" if resource == "pods" else f"Insufficient {resource}")
    return found


def _conflicts(one: tuple[str, str, int], other: tuple[str, str, int]) -> bool:
    same = (one[0], one[2]) == (other[0], other[2])
    return same and (one[1] == other[1] or "0.0.0.0" in (one[1], other[1]))


def untolerated(pod: Pod, node: Node) -> Taint | None:
    for taint in node.spec.taints:
        if taint.effect != "PreferNoSchedule" and not tolerated(pod, taint):
            return taint
    return None


def tolerated(pod: Pod, taint: Taint) -> bool:
    return any(_tolerates(toleration, taint) for toleration in pod.spec.tolerations)


def _tolerates(toleration: Toleration, taint: Taint) -> bool:
    if toleration.effect and toleration.effect != taint.effect:
        return False
    if toleration.key and toleration.key != taint.key:
        return False
    return toleration.operator == "Exists" or toleration.value == taint.value


def matches_affinity(pod: Pod, node: Node) -> bool:
    labels = node.metadata.labels
    if any(labels.get(key) != value for key, value in pod.spec.node_selector.items()):
        return False
    affinity: Json = (pod.spec.affinity or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    return required is None or any(matches_term(term, node) for term in required.get("nodeSelectorTerms") or ())


def matches_term(term: Mapping[str, Any], node: Node) -> bool:
    expressions, fields = term.get("matchExpressions") or (), term.get("matchFields") or ()
    if not expressions and not fields:
        return False
    own = {"metadata.name": node.metadata.name}
    return all(_matches(each, node.metadata.labels) for each in expressions) and all(
        _matches(each, own) for each in fields
    )


def _matches(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    value = labels.get(expression["key"])
    values: list[str] = expression.get("values") or []
    match expression["operator"]:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt" | "Lt" as operator:
            if value is None or not value.lstrip("-").isdigit():
                return False
            return int(value) > int(values[0]) if operator == "Gt" else int(value) < int(values[0])
    return False


def summary(by_node: Mapping[str, list[str]]) -> str:
    """`0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had …`."""
    counts: dict[str, int] = {}
    for found in by_node.values():
        for reason in found:
            counts[reason] = counts.get(reason, 0) + 1
    texts = sorted(f"{count} {reason}" for reason, count in counts.items())
    text = f"0/{len(by_node)} nodes are available"
    return f"{text}: {', '.join(texts)}." if texts else f"{text}."
