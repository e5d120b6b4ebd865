"""Which of the nodes that take a pod is best."""

import pytest

from fairlead.api.types.core import Pod, Taint
from fairlead.scheduler.model import NodeState
from fairlead.scheduler.score import score
from tests.unit.scheduler.objects import container, pod, preferred, state

SOFT = Taint(key="rather", effect="PreferNoSchedule")


def crowd(owner: str, count: int, cpu: str = "0") -> list[Pod]:
    return [pod(f"{owner}{n}", container(cpu=cpu), owner=owner) for n in range(count)]


@pytest.mark.parametrize(
    ("what", "it", "better", "worse"),
    [
        ("the emptier", pod("p", container(cpu="1")), state("a"), state("b", pod("q", container(cpu="2")))),
        ("the larger", pod("p", container(cpu="1")), state("a", cpu="8"), state("b", cpu="4")),
        (
            "away from siblings, though it is fuller",
            pod("p", owner="rs"),
            state("a", *crowd("x", 5, "700m")),
            state("b", *crowd("rs", 1)),
        ),
        ("fewer siblings", pod("p", owner="rs"), state("a", *crowd("rs", 1)), state("b", *crowd("rs", 2))),
        (
            "strangers do not count as siblings",
            pod("p", owner="rs"),
            state("a", *crowd("x", 3)),
            state("b", *crowd("rs", 1)),
        ),
        (
            "without an owner, the same labels are siblings",
            pod("p", labels={"a": "b"}),
            state("a", pod("q", labels={"a": "c"})),
            state("b", pod("q", labels={"a": "b"})),
        ),
        ("without a soft taint", pod("p"), state("a"), state("b", taints=(SOFT,))),
        (
            "a preferred one",
            pod("p", affinity=preferred(50, "disk", "ssd")),
            state("a", labels={"disk": "ssd"}),
            state("b"),
        ),
    ],
)
def test_better(what: str, it: Pod, better: NodeState, worse: NodeState) -> None:
    assert score(it, better) > score(it, worse), what


def test_replicas_spread_evenly() -> None:
    nodes = [state(f"n{n}") for n in range(3)]
    for each in crowd("rs", 10):
        max(nodes, key=lambda node: score(each, node)).add(each)
    assert sorted(len(node.pods) for node in nodes) == [3, 3, 4]


def test_a_sibling_that_is_going_does_not_count() -> None:
    (leaving,) = crowd("rs", 1)
    leaving.metadata.deletion_timestamp = "2026-01-01T00:00:00Z"
    it = pod("p", owner="rs")
    assert score(it, state("a", leaving)) > score(it, state("b", *crowd("rs", 1)))
