"""Addresses of a node's pods."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.node.ipam import NoAddressError, Pool, Pools


def test_addresses_begin_behind_the_gateway_and_end_before_broadcast() -> None:
    pool = Pool("10.244.1.0/29")
    assert [pool.allocate(str(n)) for n in range(5)] == [f"10.244.1.{n}" for n in range(2, 7)]
    with pytest.raises(NoAddressError, match=r"no IP addresses available in range set: 10\.244\.1\.1-10\.244\.1\.6"):
        pool.allocate("one more")


def test_a_freed_address_is_used_again_as_late_as_possible() -> None:
    pool = Pool("10.244.1.0/29")
    first = pool.allocate("a")
    pool.release("a")
    assert [pool.allocate(str(n)) for n in range(5)] == ["10.244.1.3", "10.244.1.4", "10.244.1.5", "10.244.1.6", first]


def test_what_was_given_before_a_restart_stays_given() -> None:
    pool = Pool("10.244.1.0/24")
    pool.recover([("10.244.1.9", "old")])
    assert pool.allocate("old") == "10.244.1.9"
    assert pool.allocate("new") == "10.244.1.10"


@given(st.lists(st.tuples(st.integers(0, 20), st.booleans()), max_size=60))
def test_no_address_has_two_owners(steps: list[tuple[int, bool]]) -> None:
    pool, held = Pool("10.244.1.0/27"), {}
    for owner, take in steps:
        if take:
            held[str(owner)] = pool.allocate(str(owner))
        else:
            pool.release(str(owner))
            held.pop(str(owner), None)
    assert len(set(held.values())) == len(held)


def test_a_pod_has_an_address_of_each_family_that_its_node_has() -> None:
    pools = Pools((Pool("10.244.1.0/29"), Pool("fd00:10:244:1::/64")))
    pools.recover([(["10.244.1.4", "fd00:10:244:1::4"], "old")])
    assert pools.allocate("old") == ["10.244.1.4", "fd00:10:244:1::4"]
    assert pools.allocate("new") == ["10.244.1.5", "fd00:10:244:1::5"]
    pools.release("old")
    for number in range(4):
        pools.allocate(str(number))
    with pytest.raises(NoAddressError):
        pools.allocate("one more")
    assert "one more" not in pools.pools[1].owners(), "half of a pair helps nobody"
