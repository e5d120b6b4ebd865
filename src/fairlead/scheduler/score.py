"""Which of the possible nodes is best: the least crowded by siblings, then by use. Pure."""

from typing import Any

from fairlead.api.types.core import Pod
from fairlead.scheduler.filter import matches_term, tolerated
from fairlead.scheduler.model import NodeState, requests

Json = dict[str, Any]

# Kubernetes' weights of its plugins; spreading by owner stands for PodTopologySpread's system default.
SPREAD, TAINTS, AFFINITY, RESOURCES = 2.0, 3.0, 2.0, 1.0


def score(pod: Pod, state: NodeState) -> float:
    """Higher is better."""
    return (
        -SPREAD * _siblings(pod, state)
        - TAINTS * sum(t.effect == "PreferNoSchedule" and not tolerated(pod, t) for t in state.node.spec.taints)
        + AFFINITY * _preferred(pod, state) / 100
        + RESOURCES * _free(pod, state)
    )


def _siblings(pod: Pod, state: NodeState) -> int:
    """Pods of the same owner there; without an owner, pods with the same labels."""
    owners = {owner.uid for owner in pod.metadata.owner_references if owner.controller}
    namespace = pod.metadata.namespace
    count = 0
    for other in state.pods.values():
        if other.metadata.namespace != namespace or other.metadata.deletion_timestamp:
            continue
        if owners:
            count += any(owner.uid in owners for owner in other.metadata.owner_references)
        elif pod.metadata.labels:
            count += other.metadata.labels == pod.metadata.labels
    return count


def _preferred(pod: Pod, state: NodeState) -> int:
    affinity: Json = (pod.spec.affinity or {}).get("nodeAffinity") or {}
    terms = affinity.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
    return sum(term["weight"] for term in terms if matches_term(term.get("preference") or {}, state.node))


def _free(pod: Pod, state: NodeState) -> float:
    """Between 0 (full) and 1 (empty), over cpu, memory and the number of pods."""
    wanted = requests(pod)
    shares = []
    for resource in ("cpu", "memory", "pods"):
        there = state.allocatable(resource)
        if there:
            shares.append(1 - (state.used.get(resource, 0) + wanted.get(resource, 0)) / there)
    return sum(shares) / len(shares) if shares else 0.0
