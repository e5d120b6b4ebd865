"""Which nodes a pod can run on, and why not on the others, in Kubernetes' words. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fairlead.api.types.core import Node, Pod, Taint, Toleration
from fairlead.scheduler.model import NodeState, host_ports, requests

Json = dict[str, Any]

UNSCHEDULABLE = Taint(key="node.kubernetes.io/unschedulable", effect="NoSchedule")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a node does not take a pod. `curable`: it would, were there fewer pods on it."""

    reasons: tuple[str, ...]
    curable: bool = False


def refusal(pod: Pod, state: NodeState) -> Refusal | None:
    """The first rule that a node breaks, in the order of kube-scheduler's plugins; None: it takes the pod."""
    node = state.node
    if _is_pinned_elsewhere(pod, node):
        return Refusal(("node(s) didn't satisfy plugin(s) [NodeAffinity]",))
    if node.spec.unschedulable and not tolerated(pod, UNSCHEDULABLE):
        return Refusal(("node(s) were unschedulable",))
    if pod.spec.node_name and pod.spec.node_name != state.name:
        return Refusal(("node(s) didn't match the requested node name",))
    if (taint := untolerated(pod, node)) is not None:
        return Refusal((f"node(s) had untolerated taint {{{taint.key}: {taint.value}}}",))
    if not matches_affinity(pod, node):
        return Refusal(("node(s) didn't match Pod's node affinity/selector",))
    if any(_conflicts(port, taken) for port in host_ports(pod) for taken in state.ports):
        return Refusal(("node(s) didn't have free ports for the requested pod ports",), curable=True)
    if lacking := _lacking(pod, state):
        return Refusal(tuple(lacking), curable=True)
    return None


def _is_pinned_elsewhere(pod: Pod, node: Node) -> bool:
    """All terms of the required affinity name nodes, as DaemonSets' pods have it, and none names this one."""
    required = _node_affinity(pod).get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    terms = required.get("nodeSelectorTerms") or ()
    fields = [
        [f for f in term.get("matchFields") or () if f.get("key") == "metadata.name" and f.get("operator") == "In"]
        for term in terms
    ]
    if not fields or not all(fields):
        return False
    return all(any(node.metadata.name not in (f.get("values") or ()) for f in each) for each in fields)


def _lacking(pod: Pod, state: NodeState) -> list[str]:
    found = []
    for resource, wanted in requests(pod).items():
        there = state.allocatable(resource) or 0
        if wanted > 0 and wanted > there - state.used.get(resource, 0):
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
    required = _node_affinity(pod).get("requiredDuringSchedulingIgnoredDuringExecution")
    return required is None or any(matches_term(term, node) for term in required.get("nodeSelectorTerms") or ())


def _node_affinity(pod: Pod) -> Json:
    return (pod.spec.affinity or {}).get("nodeAffinity") or {}


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


def summary(by_node: Mapping[str, Refusal]) -> str:
    """`0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had …. preemption: 0/3 nodes are available: …`."""
    if not by_node:
        return "no nodes available to schedule pods"
    # Nothing has a priority above another here, so no pod ever makes room for another.
    preemption = [
        "No preemption victims found for incoming pod" if each.curable else "Preemption is not helpful for scheduling"
        for each in by_node.values()
    ]
    why = (reason for each in by_node.values() for reason in each.reasons)
    return f"{_counted(len(by_node), why)} preemption: {_counted(len(by_node), preemption)}"


def _counted(nodes: int, reasons: Iterable[str]) -> str:
    texts = sorted(f"{count} {reason}" for reason, count in Counter(reasons).items())
    return f"0/{nodes} nodes are available: {', '.join(texts)}."
