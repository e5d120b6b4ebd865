"""Equal shares, and little that moves."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from fairlead.loadbalancer.device.maglev import table
from fairlead.loadbalancer.device.skeleton import BUCKETS

NAMES = st.sets(st.text("abcdefghij0123456789-", min_size=1, max_size=12), min_size=1, max_size=20)


@given(NAMES)
def test_shares_differ_by_one_at_most(names: set[str]) -> None:
    counts = Counter(table(tuple(names)))
    assert counts.keys() == names
    assert max(counts.values()) - min(counts.values()) <= 1


def test_the_order_of_nodes_says_nothing_and_none_have_none() -> None:
    assert table(("a", "b", "c")) == table(("c", "a", "b"))
    assert table(()) == ()


def test_who_stays_keeps_nearly_all_when_one_goes() -> None:
    nodes = tuple(f"node{number}" for number in range(10))
    before, after = table(nodes), table(nodes[:-1])
    moved = sum(was not in (is_, "node9") for was, is_ in zip(before, after, strict=True))
    assert moved < BUCKETS * 0.15
