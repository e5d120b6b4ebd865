"""DaemonSets' plans: which nodes get a pod, which pods go, what the status says. Pure.

Source: pkg/controller/daemon (daemon_controller.go, update.go).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from fairlead.api.types.apps import DaemonSet, DaemonSetStatus
from fairlead.api.types.core import Node, Pod, Toleration
from fairlead.controllers.history import HASH
from fairlead.controllers.placement import is_wanted, tolerates_all
from fairlead.controllers.pods import available_in, is_active, is_ready
from fairlead.controllers.replicas import from_template
from fairlead.controllers.rollout import amount

Json = dict[str, Any]

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
# What every pod of a DaemonSet puts up with.
TOLERATED = (
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
)
ON_HOST = ("node.kubernetes.io/network-unavailable", "NoSchedule")


@dataclass(frozen=True, slots=True)
class Plan:
    """Nodes that need a pod, and pods that go. `ended`: failed or succeeded, to be replaced, not too quickly."""

    create: tuple[str, ...]
    delete: tuple[Pod, ...]
    ended: tuple[Pod, ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    should_run: bool
    may_stay: bool  # a NoSchedule taint that came later drives nobody out


def place(daemon: DaemonSet, node: Node) -> Place:
    spec = daemon.spec.template.get("spec") or {}
    if not is_wanted(spec, node):
        return Place(False, False)
    tolerations = [msgspec.convert(each, Toleration) for each in tolerations_of(spec)]
    stays = tolerates_all(tolerations, node.spec.taints, frozenset({"NoExecute"}))
    return Place(stays and tolerates_all(tolerations, node.spec.taints), stays)


def plan(daemon: DaemonSet, digest: str, nodes: Sequence[Node], pods: Sequence[Pod], now: float) -> Plan:
    """`digest`: of the present template. A pod that is going still keeps its node."""
    by_node = _by_node(pods)
    places = {node.metadata.name: place(daemon, node) for node in nodes}
    surge, _ = _limits(daemon, sum(each.should_run for each in places.values()))
    create: list[str] = []
    delete: list[Pod] = []
    ended: list[Pod] = []
    for name, here in places.items():
        there = by_node.get(name, [])
        staying = [pod for pod in there if pod.metadata.deletion_timestamp is None]
        if here.should_run and not there:
            create.append(name)
        elif not here.may_stay:
            delete += staying
        else:
            ended += [pod for pod in staying if pod.is_terminated]
            delete += _excess(daemon, digest, [pod for pod in staying if not pod.is_terminated], surge, now)
    if daemon.spec.update_strategy.type == "RollingUpdate" and not create and not delete:
        wanted = {name: by_node.get(name, []) for name, here in places.items() if here.should_run}
        create, delete = (_surged if surge else _replaced)(daemon, digest, wanted, now)
    return Plan(tuple(create), tuple(delete), tuple(ended))


def _limits(daemon: DaemonSet, nodes: int) -> tuple[int, int]:
    """(maxSurge, maxUnavailable) as numbers; never both 0."""
    rolling = daemon.spec.update_strategy.rolling_update
    if rolling is None:
        return 0, 1
    surge = amount(rolling.max_surge, nodes, up=True)
    unavailable = amount(1 if rolling.max_unavailable is None else rolling.max_unavailable, nodes, up=True)
    return surge, unavailable if surge else max(1, unavailable)


def _excess(daemon: DaemonSet, digest: str, running: Sequence[Pod], surge: int, now: float) -> list[Pod]:
    """One a node; while surging, an old one that serves beside a new one that does not yet."""
    ordered = sorted(running, key=_seniority)
    if not surge:
        return ordered[1:]
    new = [pod for pod in ordered if pod.metadata.labels.get(HASH) == digest]
    old = [pod for pod in ordered if pod.metadata.labels.get(HASH) != digest]
    excess = new[1:] + old[1:]
    if new and old and (not is_ready(old[0]) or _is_available(daemon, new[0], now)):
        excess.append(old[0])
    return excess


def _replaced(daemon: DaemonSet, digest: str, by_node: dict[str, list[Pod]], now: float) -> tuple[list[str], list[Pod]]:
    """Old pods go first, as many as may be unavailable at once; those that serve nobody do not count."""
    _, budget = _limits(daemon, len(by_node))
    broken: list[Pod] = []
    candidates: list[Pod] = []
    for pods in by_node.values():
        new, old = _sides(pods, digest)
        if old is None or new is not None:
            budget -= new is None or old is not None or not _is_available(daemon, new, now)
        elif _is_available(daemon, old, now):
            candidates.append(old)
        else:
            broken.append(old)
    return [], broken + candidates[: max(0, budget)]


def _surged(daemon: DaemonSet, digest: str, by_node: dict[str, list[Pod]], now: float) -> tuple[list[str], list[Pod]]:
    """New pods come first, beside old ones that serve, on as many nodes as may have two."""
    budget, _ = _limits(daemon, len(by_node))
    allowed: list[str] = []
    candidates: list[str] = []
    delete: list[Pod] = []
    for name, pods in by_node.items():
        new, old = _sides(pods, digest)
        if old is None:
            continue
        if new is None:
            (candidates if _is_available(daemon, old, now) else allowed).append(name)
        elif _is_available(daemon, new, now):
            delete.append(old)
        else:
            budget -= 1
    return allowed + candidates[: max(0, budget)], delete


def _sides(pods: Iterable[Pod], digest: str) -> tuple[Pod | None, Pod | None]:
    """The pods of the present template and of an older one, of those that are not going."""
    active = [pod for pod in sorted(pods, key=_seniority) if is_active(pod)]
    new = next((pod for pod in active if pod.metadata.labels.get(HASH) == digest), None)
    return new, next((pod for pod in active if pod.metadata.labels.get(HASH) != digest), None)


def _is_available(daemon: DaemonSet, pod: Pod, now: float) -> bool:
    return available_in(pod, daemon.spec.min_ready_seconds, now) == 0


def _seniority(pod: Pod) -> tuple[bool, str, str]:
    return not pod.spec.node_name, pod.metadata.creation_timestamp or "", pod.metadata.name


def _by_node(pods: Iterable[Pod]) -> dict[str, list[Pod]]:
    found: dict[str, list[Pod]] = {}
    for pod in pods:
        found.setdefault(node_of(pod), []).append(pod)
    return found


def node_of(pod: Pod) -> str:
    """Where it runs, or where it must: by the affinity that it was made with."""
    if pod.spec.node_name:
        return pod.spec.node_name
    affinity: Json = (pod.spec.affinity or {}).get("nodeAffinity") or {}
    for term in (affinity.get(REQUIRED) or {}).get("nodeSelectorTerms") or ():
        for field in term.get("matchFields") or ():
            if field.get("key") == "metadata.name":
                return str(field["values"][0])
    return ""


def status_of(
    daemon: DaemonSet, digest: str, nodes: Sequence[Node], pods: Sequence[Pod], now: float
) -> DaemonSetStatus:
    by_node = _by_node(pods)
    wanted = {node.metadata.name for node in nodes if place(daemon, node).should_run}
    known = {node.metadata.name for node in nodes}
    first = [min(there, key=_seniority) for name, there in by_node.items() if name in wanted]
    available = sum(_is_available(daemon, pod, now) for pod in first)
    return DaemonSetStatus(
        current_number_scheduled=len(first),
        number_misscheduled=sum(name in known and name not in wanted for name in by_node),
        desired_number_scheduled=len(wanted),
        number_ready=sum(is_ready(pod) for pod in first),
        observed_generation=daemon.metadata.generation,
        updated_number_scheduled=sum(pod.metadata.labels.get(HASH) == digest for pod in first),
        number_available=available,
        number_unavailable=len(wanted) - available,
    )


def pod_for(daemon: DaemonSet, digest: str, node: str) -> Json:
    """The scheduler binds it: it may run on that node only."""
    pod = from_template(daemon, "DaemonSet", daemon.spec.template, **{HASH: digest})
    spec = dict(pod["spec"])
    term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
    affinity: Json = spec.get("affinity") or {}
    required = {REQUIRED: {"nodeSelectorTerms": [term]}}
    spec["affinity"] = {**affinity, "nodeAffinity": {**(affinity.get("nodeAffinity") or {}), **required}}
    spec["tolerations"] = tolerations_of(spec)
    return {**pod, "spec": spec}


def tolerations_of(spec: Json) -> list[Json]:
    own = list(spec.get("tolerations") or ())
    added = [*TOLERATED, ON_HOST] if spec.get("hostNetwork") else list(TOLERATED)
    return [*own, *(each for each in map(_exists, added) if each not in own)]


def _exists(pair: tuple[str, str]) -> Json:
    return {"key": pair[0], "operator": "Exists", "effect": pair[1]}
