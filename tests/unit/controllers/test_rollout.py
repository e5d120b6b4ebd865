"""Rollouts: the arithmetic as tables, and what must hold in every one of them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.api.types.apps import Deployment, ReplicaSet
from fairlead.controllers import rollout
from fairlead.controllers.revision import DESIRED, MOST
from tests.unit.controllers.objects import deployment, replica_set


@pytest.mark.parametrize(
    ("replicas", "surge", "unavailable", "bounds"),
    [
        (3, "25%", "25%", (1, 0)),  # surge is rounded up, unavailable down
        (10, "25%", "25%", (3, 2)),
        (4, 0, 0, (0, 1)),  # a rollout must be able to move
        (4, "0%", "10%", (0, 1)),
        (2, 5, 5, (5, 2)),  # no more can be unavailable than there are
        (0, "25%", "25%", (0, 0)),
    ],
)
def test_bounds(replicas: int, surge: Any, unavailable: Any, bounds: tuple[int, int]) -> None:
    assert rollout.bounds(deployment(replicas, surge=surge, unavailable=unavailable)) == bounds


def test_recreate_has_no_bounds() -> None:
    assert rollout.bounds(deployment(3, strategy="Recreate")) == (0, 0)


# A Deployment, the new ReplicaSet, the old ones, and what happens in one pass.
@pytest.mark.parametrize(
    ("what", "it", "new", "old", "grown", "shrunk"),
    [
        (
            "the first",
            deployment(10),
            replica_set("new", 0),
            [],
            10,
            {},
        ),
        (
            "grows by the surge only",
            deployment(10),
            replica_set("new", 0),
            [replica_set("old", 10)],
            3,
            {"old": 8},  # and two may be unavailable at once
        ),
        (
            "new pods that are not available yet hold the old ones",
            deployment(10),
            replica_set("new", 5, available=0),
            [replica_set("old", 8)],
            5,
            {},
        ),
        (
            "broken old pods go first, whatever their order",
            deployment(10, unavailable=5),
            replica_set("new", 0),
            [replica_set("older", 5, created=1), replica_set("broken", 5, available=0, created=2)],
            3,
            {"broken": 0},
        ),
        (
            "the older goes before the younger",
            deployment(4, surge=0, unavailable=2),
            replica_set("new", 0),
            [replica_set("young", 2, created=2), replica_set("old", 2, created=1)],
            0,
            {"old": 0},
        ),
        (
            "a new one that is too large shrinks",
            deployment(2),
            replica_set("new", 5),
            [],
            2,
            {},
        ),
        (
            "nothing is left to do",
            deployment(3),
            replica_set("new", 3),
            [replica_set("old", 0)],
            3,
            {},
        ),
    ],
)
def test_one_pass(
    what: str, it: Deployment, new: ReplicaSet, old: list[ReplicaSet], grown: int, shrunk: dict[str, int]
) -> None:
    assert rollout.grow(it, new, old) == {"new": grown}, what
    assert rollout.shrink(it, new, old) == shrunk, what


@given(
    replicas=st.integers(1, 12),
    surge=st.one_of(st.integers(0, 5), st.integers(0, 100).map("{}%".format)),
    unavailable=st.one_of(st.integers(0, 5), st.integers(0, 100).map("{}%".format)),
    olds=st.lists(st.integers(0, 12), min_size=1, max_size=3),
    luck=st.lists(st.integers(0, 3), max_size=30),
)
def test_a_rollout_ends_and_never_leaves_its_bounds_on_the_way(
    replicas: int, surge: Any, unavailable: Any, olds: list[int], luck: list[int]
) -> None:
    """`luck`: how many pods of a ReplicaSet become available in a pass; after that, all do."""
    sizes = [replicas, *[0 for _ in olds[1:]]]
    for index in range(1, len(sizes)):  # spread over several old ReplicaSets
        moved = min(olds[index], sizes[0])
        sizes[0], sizes[index] = sizes[0] - moved, moved
    it = deployment(replicas, surge=surge, unavailable=unavailable)
    surged, missing = rollout.bounds(it)
    new = replica_set("new", 0, created=99)
    old = [replica_set(f"old{index}", size, created=index) for index, size in enumerate(sizes)]
    for index in range(len(luck) + 4 * (replicas + 1)):
        for each in (new, *old):
            _live(each, luck[index] if index < len(luck) else replicas)
        every = [new, *old]
        assert sum(each.status.available_replicas for each in every) >= replicas - missing
        _apply(every, rollout.grow(it, new, old))
        _apply(every, rollout.shrink(it, new, old))
        assert sum(each.spec.replicas for each in every) <= replicas + surged
        if new.status.available_replicas == replicas and not any(each.spec.replicas for each in old):
            return
    pytest.fail("the rollout does not end")


def _live(each: ReplicaSet, luck: int) -> None:
    """What a ReplicaSet's controller and time do: it obeys, unavailable pods go first, some become available."""
    each.status.replicas = each.spec.replicas
    each.status.available_replicas = min(each.status.available_replicas + luck, each.spec.replicas)


def _apply(sets: list[ReplicaSet], sizes: dict[str, int]) -> None:
    for each in sets:
        each.spec.replicas = sizes.get(each.metadata.name, each.spec.replicas)


# Scaling.


def told(each: ReplicaSet, desired: int, most: int) -> ReplicaSet:
    each.metadata.annotations = {DESIRED: str(desired), MOST: str(most)}
    return each


@pytest.mark.parametrize(
    ("what", "it", "new", "old", "sizes"),
    [
        ("the only one", deployment(5), told(replica_set("new", 3), 3, 4), [], {"new": 5}),
        ("none is active: the new one", deployment(5), told(replica_set("new", 0), 0, 0), [], {"new": 5}),
        ("paused before its first", deployment(5, paused=True), None, [], {}),
        ("paused after a change of template", deployment(5, paused=True), None, [replica_set("old", 3)], {"old": 5}),
        (
            "a rollout that is done in truth: the old ones go",
            deployment(3),
            told(replica_set("new", 3), 3, 4),
            [told(replica_set("old", 1), 2, 3)],
            {"old": 0},
        ),
        (
            "in the middle of a rollout, by share, the rest to the largest",
            deployment(10),
            told(replica_set("new", 2), 5, 7),
            [told(replica_set("old", 5), 5, 7)],
            {"old": 9, "new": 4},
        ),
        (
            "one whose share is nothing is named too: it must be told the size, or scaling never ends",
            deployment(11, surge=0, unavailable=1),
            told(replica_set("new", 1), 10, 10),
            [told(replica_set("old", 9), 10, 10)],
            {"old": 10, "new": 1},
        ),
        (
            "down to nothing",
            deployment(0),
            told(replica_set("new", 2), 5, 7),
            [told(replica_set("old", 5), 5, 7)],
            {"old": 0, "new": 0},
        ),
    ],
)
def test_resize(
    what: str, it: Deployment, new: ReplicaSet | None, old: list[ReplicaSet], sizes: dict[str, int]
) -> None:
    assert rollout.resize(it, new, old) == sizes, what


@given(st.integers(0, 20), st.lists(st.integers(1, 20), min_size=2, max_size=4), st.integers(0, 3))
def test_shares_add_up_to_what_is_allowed_and_are_never_negative(wanted: int, now: list[int], surge: int) -> None:
    before = sum(now)
    sets = [told(replica_set(f"s{i}", size, created=i), before, before) for i, size in enumerate(now)]
    it = deployment(wanted, surge=surge, unavailable=1)
    sets[-1].status.available_replicas = 0  # not saturated
    sizes = rollout.resize(it, sets[-1], sets[:-1])
    assert set(sizes) == {each.metadata.name for each in sets}
    assert min(sizes.values()) >= 0
    allowed = wanted + surge if wanted else 0
    # What rounding leaves over is the largest one's, as far as it goes; the rest is the next pass's (Kubernetes' too).
    assert sum(sizes.values()) == allowed or (sum(sizes.values()) > allowed and not min(sizes.values()))


def test_only_a_size_that_was_told_and_differs_means_that_it_was_scaled() -> None:
    it = deployment(5)
    assert not rollout.was_scaled(it, [replica_set("adopted", 2)])
    assert not rollout.was_scaled(it, [told(replica_set("empty", 0), 3, 4)])
    assert rollout.was_scaled(it, [told(replica_set("x", 3), 3, 4)])
