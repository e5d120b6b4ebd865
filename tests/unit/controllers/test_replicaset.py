"""How many pods, and which of them go."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.api.types.core import ContainerStatus, Pod
from fairlead.controllers.replicaset import BURST, COST, crowd_of, plan, status_of
from tests.unit.controllers.objects import T0, at, pod, replica_set

# In the order in which they go; each differs from the next by one rule.
GOING_FIRST = [
    pod("unassigned", ready=None, phase="Pending"),
    pod("pending", node="n", ready=None, phase="Pending"),
    pod("unready", node="n", ready=False),
    pod("cheap", node="n", ready=True, ready_since=1, created=1, annotations={COST: "-5"}),
    pod("doubled", node="crowded", ready=True, ready_since=1, created=1),
    pod("lately ready", node="n", ready=True, ready_since=9, created=1),
    pod("restarted", node="n", ready=True, ready_since=1, created=1),
    pod("young", node="n", ready=True, ready_since=1, created=5),
    pod("old", node="n", ready=True, ready_since=1, created=1, annotations={COST: "no number"}),
    pod("dear", node="n", ready=True, ready_since=1, created=1, annotations={COST: "10"}),
]
GOING_FIRST[6].status.container_statuses = [ContainerStatus(name="c", restart_count=3)]


@pytest.mark.parametrize("wanted", range(len(GOING_FIRST)))
def test_who_goes_first(wanted: int) -> None:
    shuffled = random.Random(wanted).sample(GOING_FIRST, len(GOING_FIRST))
    found = plan(wanted, shuffled, {"crowded": 2, "n": 1})
    assert found.create == 0
    assert [each.metadata.name for each in found.delete] == [
        each.metadata.name for each in GOING_FIRST[: len(GOING_FIRST) - wanted]
    ]


@given(st.integers(0, 2000), st.integers(0, 30))
def test_a_plan_makes_or_unmakes_exactly_the_difference_within_a_burst(wanted: int, there: int) -> None:
    found = plan(wanted, [pod(str(index)) for index in range(there)], {})
    assert found.create - len(found.delete) == max(-BURST, min(BURST, wanted - there))
    assert not (found.create and found.delete)


def test_a_crowd_counts_active_pods_only() -> None:
    pods = [pod("a", node="n"), pod("b", node="n", going=True), pod("c", node="n", phase="Failed"), pod("d", node="m")]
    assert crowd_of(pods) == {"n": 1, "m": 1}


def test_the_status_counts_labels_readiness_and_availability_and_says_when_it_changes() -> None:
    owner = replica_set("rs", 4)
    owner.spec.min_ready_seconds = 30
    pods: list[Pod] = [
        pod("long ready", ready=True, ready_since=-100, labels={"app": "web", "more": "x"}),
        pod("just ready", ready=True, ready_since=0),
        pod("unready", ready=False, labels={"app": "web"}),
    ]
    status, later = status_of(owner, pods, None, T0 + 10)
    assert (status.replicas, status.fully_labeled_replicas) == (3, 2)
    assert (status.ready_replicas, status.available_replicas) == (2, 1)
    assert later == 20


def test_a_failure_is_told_once_and_taken_back() -> None:
    owner = replica_set("rs", 1)
    owner.status, _ = status_of(owner, [], ("FailedCreate", "forbidden"), T0)
    again, _ = status_of(owner, [], ("FailedCreate", "forbidden still"), T0 + 60)
    (told,) = again.conditions
    assert (told.type, told.reason, told.message, told.last_transition_time) == (
        "ReplicaFailure",
        "FailedCreate",
        "forbidden",
        at(0),
    )
    healed, _ = status_of(owner, [], None, T0 + 90)
    assert healed.conditions == []
