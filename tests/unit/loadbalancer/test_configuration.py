"""Pools are read, or refused by the field that is wrong."""

import pytest

from fairlead.loadbalancer.configuration import DEVICE, L2, ConfigurationError, parse

HEAD = "apiVersion: loadbalancer.fairlead.dev/v1alpha1\nkind: LoadBalancerConfiguration\n"


def test_ranges_cidrs_and_single_addresses_of_both_families() -> None:
    (pool,) = parse(
        HEAD + 'pools: [{name: lan, addresses: [192.0.2.10-192.0.2.12, 198.51.100.0/30, 203.0.113.7, "fd00::/126"]}]'
    ).pools
    wide = [[each.text(number) for number in range(each.first, each.last + 1)] for each in pool.ranges]
    assert wide == [
        ["192.0.2.10", "192.0.2.11", "192.0.2.12"],
        ["198.51.100.1", "198.51.100.2"],  # not the network's own, nor its broadcast address
        ["203.0.113.7"],
        ["fd00::1", "fd00::2", "fd00::3"],
    ]
    assert (pool.class_, pool.auto_assign, pool.allows("any")) == (DEVICE, True, True)
    assert pool.contains("192.0.2.11")
    assert not pool.contains("192.0.2.13")


def test_a_pool_has_its_class_its_namespaces_and_its_reserve() -> None:
    text = HEAD + "defaultClass: ''\npools: [{name: a, addresses: [192.0.2.1], class: fairlead.dev/l2, "
    found = parse(text + "namespaces: [dev], autoAssign: false}]")
    (pool,) = found.pools
    assert found.default_class == ""
    assert (pool.class_, pool.auto_assign) == (L2, False)
    assert pool.allows("dev")
    assert not pool.allows("default")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("just: wrong", "just: unknown field"),
        ("- a list", "not a LoadBalancerConfiguration"),
        ("kind: Other", "apiVersion, kind: must be"),
        (HEAD + "defaultClass: mine", "defaultClass: Unsupported value: 'mine'"),
        (HEAD + "pools: [{name: A, addresses: [192.0.2.1]}]", r"pools\[0\].name: Invalid value: 'A'"),
        (HEAD + "pools: [{name: a}]", r"pools\[0\].addresses: Required value"),
        (HEAD + "pools: [{name: a, addresses: [192.0.2.300]}]", r"pools\[0\].addresses\[0\]: Invalid value"),
        (HEAD + "pools: [{name: a, addresses: [192.0.2.9-192.0.2.1]}]", "must not come after the last"),
        (HEAD + "pools: [{name: a, addresses: [192.0.2.9-fd00::1]}]", "must not come after the last"),
        (HEAD + "pools: [{name: a, addresses: [192.0.2.1], speed: 3}]", r"pools\[0\].speed: unknown field"),
        (
            HEAD + "pools: [{name: a, addresses: [192.0.2.0/24]}, {name: b, addresses: [192.0.2.9]}]",
            "b: 192.0.2.9-192.0.2.9 is in pool a too",
        ),
        (HEAD + "pools: [{name: a, addresses: [192.0.2.1]}, {name: a, addresses: [192.0.2.2]}]", "Duplicate value"),
    ],
)
def test_what_is_wrong_is_named(text: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        parse(text)
