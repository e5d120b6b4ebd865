"""No two Services have an address unless they may share it, whatever comes and goes; who can have one has one."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.loadbalancer.addresses import Addresses, NoAddressError
from fairlead.loadbalancer.asking import Asked
from fairlead.loadbalancer.configuration import parse
from fairlead.services.model import Family

POOLS = parse(
    """
apiVersion: loadbalancer.fairlead.dev/v1alpha1
kind: LoadBalancerConfiguration
pools:
- {name: lan, addresses: [192.0.2.1-192.0.2.4, "fd00::1-fd00::2"]}
- {name: dev, addresses: [198.51.100.1], namespaces: [dev]}
- {name: special, addresses: [203.0.113.1-203.0.113.2], autoAssign: false}
"""
).pools


def asked(
    *addresses: str,
    namespace: str = "default",
    families: tuple[Family, ...] = ("IPv4",),
    pool: str = "",
    sharing: str = "",
    ports: Iterable[int] = (80,),
    every: bool = False,
) -> Asked:
    return Asked(namespace, families, frozenset(("TCP", port) for port in ports), every, addresses, pool, sharing)


def test_who_asks_by_name_gets_it_or_hears_why_not() -> None:
    addresses = Addresses()
    assert addresses.assign("a", asked("192.0.2.3"), POOLS) == ("192.0.2.3",)
    for wanted, why in (
        (asked("192.0.2.3"), "address 192.0.2.3 is taken: Service a has it"),
        (asked("10.0.0.1"), "address 10.0.0.1 is in no pool"),
        (asked("198.51.100.1"), "address 198.51.100.1 is in pool dev, which this Service cannot use"),
        (asked(pool="dev"), "pool dev is not for namespace default"),
        (asked(pool="none"), "there is no pool none"),
    ):
        with pytest.raises(NoAddressError, match=why):
            addresses.assign("b", wanted, POOLS)
        assert addresses.of("b") == ()
    assert addresses.assign("b", asked(pool="special"), POOLS) == ("203.0.113.1",)
    assert addresses.assign("c", asked("203.0.113.2"), POOLS) == ("203.0.113.2",)
    assert addresses.assign("d", asked(pool="dev", namespace="dev"), POOLS) == ("198.51.100.1",)


def test_a_second_family_is_given_where_there_is_one_and_required_only_when_it_is() -> None:
    addresses, both = Addresses(), ("IPv4", "IPv6")
    assert addresses.assign("a", asked(families=both), POOLS) == ("192.0.2.1", "fd00::1")  # type: ignore[arg-type]
    addresses.assign("b", asked(families=("IPv6",)), POOLS)
    assert addresses.assign("c", asked(families=both), POOLS) == ("192.0.2.2",)  # type: ignore[arg-type]
    with pytest.raises(NoAddressError, match="no IPv6 address is free in pool lan"):
        addresses.assign("d", asked(families=both, every=True), POOLS)  # type: ignore[arg-type]


def test_what_its_status_shows_is_kept_where_it_is_still_right() -> None:
    addresses = Addresses()
    assert addresses.assign("a", asked(), POOLS, ["192.0.2.4"]) == ("192.0.2.4",)
    assert addresses.assign("b", asked(), POOLS, ["192.0.2.4"]) == ("192.0.2.1",)
    assert addresses.assign("c", asked(), POOLS, ["10.0.0.1"]) == ("192.0.2.2",)


SERVICES = st.sampled_from("abcdefgh")
ASKED = st.builds(
    asked,
    namespace=st.sampled_from(["default", "dev"]),
    families=st.sampled_from([("IPv4",), ("IPv6",), ("IPv4", "IPv6")]),
    sharing=st.sampled_from(["", "", "one", "other"]),
    ports=st.sets(st.sampled_from([53, 80, 443]), min_size=1),
)


@given(st.lists(st.tuples(SERVICES, st.none() | ASKED), max_size=40))
def test_nobody_has_what_another_has_without_both_wanting_to_share(steps: list[tuple[str, Asked | None]]) -> None:
    addresses = Addresses()
    now: dict[str, Asked] = {}
    for key, wanted in steps:
        now.pop(key, None)
        if wanted is None:
            addresses.release(key)
            continue
        try:
            given = addresses.assign(key, wanted, POOLS)
        except NoAddressError:
            assert addresses.of(key) == ()
            used = {each for other in now for each in addresses.of(other)}
            free = {"IPv4": 4 + (wanted.namespace == "dev"), "IPv6": 2}
            full = [sum((":" in each) == (family == "IPv6") for each in used) for family in wanted.families]
            assert all(count >= free[family] for count, family in zip(full, wanted.families, strict=True))
            continue
        assert given
        now[key] = wanted
        for other, theirs in now.items():
            if other != key and set(given) & set(addresses.of(other)):
                assert wanted.sharing
                assert wanted.sharing == theirs.sharing
                assert not wanted.ports & theirs.ports
