"""Nodes: address ranges, taints by condition, who must leave and when; pods that nobody else ends."""

import pytest

from fairlead.api.types.core import Node, NodeStatus, Pod, Taint, Toleration
from fairlead.api.types.meta import Condition
from fairlead.controllers.node_lifecycle import NOT_READY, UNREACHABLE, evicted_at, pod_cidr, taints_of
from fairlead.controllers.pod_gc import MOST_ENDED, absent, plan
from tests.unit.controllers.objects import T0, at, node, pod


@pytest.mark.parametrize(
    ("taken", "first", "given"),
    [
        ([], True, "10.244.0.0/24"),
        ([], False, "10.244.1.0/24"),  # the first is the control plane's, though it comes later
        (["10.244.1.0/24", "10.244.3.0/24"], False, "10.244.2.0/24"),
        (["10.244.0.0/24"], True, "10.244.1.0/24"),
    ],
)
def test_ranges(taken: list[str], first: bool, given: str) -> None:
    assert pod_cidr("10.244.0.0/16", taken, first=first) == given


@pytest.mark.parametrize(
    ("taken", "first", "given"),
    [
        ([], True, "fd00:10:244::/64"),
        ([], False, "fd00:10:244:1::/64"),
        (["fd00:10:244:1::/64", "10.244.2.0/24"], False, "fd00:10:244:2::/64"),
    ],
)
def test_ranges_of_ipv6(taken: list[str], first: bool, given: str) -> None:
    assert pod_cidr("fd00:10:244::/56", taken, first=first) == given


def test_a_cluster_can_be_full() -> None:
    with pytest.raises(ValueError, match="no /24 is left"):
        pod_cidr("10.244.0.0/23", ["10.244.1.0/24"], first=False)


def with_ready(status: str | None, *taints: Taint, unschedulable: bool = False) -> Node:
    it = node("n", taints=taints)
    it.status = NodeStatus(conditions=[Condition(type="Ready", status=status)] if status else [])
    it.spec.unschedulable = unschedulable
    return it


OWN = Taint(key="own", effect="NoSchedule")


@pytest.mark.parametrize(
    ("what", "it", "expected"),
    [
        ("ready", with_ready("True", OWN), ["own:NoSchedule"]),
        ("not ready", with_ready("False"), [f"{NOT_READY}:NoSchedule", f"{NOT_READY}:NoExecute"]),
        (
            "silent",
            with_ready("Unknown", OWN),
            ["own:NoSchedule", f"{UNREACHABLE}:NoSchedule", f"{UNREACHABLE}:NoExecute"],
        ),
        ("never heard of", with_ready(None), [f"{UNREACHABLE}:NoSchedule", f"{UNREACHABLE}:NoExecute"]),
        ("well again", with_ready("True", Taint(key=NOT_READY, effect="NoExecute")), []),
        ("cordoned", with_ready("True", unschedulable=True), ["node.kubernetes.io/unschedulable:NoSchedule"]),
    ],
)
def test_taints(what: str, it: Node, expected: list[str]) -> None:
    assert [f"{taint.key}:{taint.effect}" for taint in taints_of(it, T0)] == expected, what


def test_a_taint_keeps_the_time_when_it_was_put_on() -> None:
    old = Taint(key=NOT_READY, effect="NoExecute", time_added=at(-99))
    found = {taint.effect: taint.time_added for taint in taints_of(with_ready("False", old), T0)}
    assert found == {"NoSchedule": at(0), "NoExecute": at(-99)}


def tolerating(*tolerations: Toleration) -> Pod:
    return pod("p", tolerations=list(tolerations))


def for_seconds(seconds: int | None, key: str = NOT_READY) -> Toleration:
    return Toleration(key=key, operator="Exists", effect="NoExecute", toleration_seconds=seconds)


@pytest.mark.parametrize(
    ("what", "it", "leaves"),
    [
        ("it tolerates nothing", tolerating(), T0),
        ("for five minutes, as admission adds", tolerating(for_seconds(300)), T0 + 300),
        ("the shortest counts", tolerating(for_seconds(300), for_seconds(30)), T0 + 30),
        ("for ever", tolerating(for_seconds(None)), None),
        ("something else", tolerating(for_seconds(None, UNREACHABLE)), T0),
        ("everything", tolerating(Toleration(operator="Exists")), None),
    ],
)
def test_eviction(what: str, it: Pod, leaves: float | None) -> None:
    taints = [Taint(key=NOT_READY, effect=effect, time_added=at(0)) for effect in ("NoSchedule", "NoExecute")]
    assert evicted_at(it, taints) == leaves, what
    assert evicted_at(it, taints[:1]) is None, "NoSchedule drives nobody out"


def test_pods_of_a_lost_node_go_after_two_looks_and_stray_ones_at_once() -> None:
    pods = [pod("lost", node="gone"), pod("fine", node="n"), pod("stray", going=True), pod("waiting")]
    assert absent(pods, {"n"}) == {"gone"}
    assert [each.metadata.name for each in plan(pods, {"n"}, set())] == ["stray"]
    assert [each.metadata.name for each in plan(pods, {"n"}, {"gone"})] == ["lost", "stray"]


def test_of_too_many_ended_pods_the_oldest_go() -> None:
    pods = [pod(f"p{n}", node="n", phase="Succeeded", created=n) for n in reversed(range(MOST_ENDED + 2))]
    assert [each.metadata.name for each in plan(pods, {"n"}, set())] == ["p0", "p1"]
