"""Service ports from API objects."""

from typing import Any

import msgspec
import pytest

from fairlead.services.model import Family, problems, service_ports
from fairlead.services.trimmed import TrimmedService, TrimmedSlice

SERVICE: dict[str, Any] = {
    "metadata": {"namespace": "dev", "name": "web"},
    "spec": {
        "type": "LoadBalancer",
        "clusterIP": "10.96.1.1",
        "clusterIPs": ["10.96.1.1", "fd02::1"],
        "externalIPs": ["203.0.113.1", "2001:db8::1"],
        "loadBalancerSourceRanges": ["10.0.0.0/8", " 2001:db8::/32 ", "nonsense"],
        "ports": [{"port": 80, "nodePort": 30080, "protocol": "TCP"}],
    },
    "status": {
        "loadBalancer": {
            "ingress": [{"ip": "192.0.2.1"}, {"ip": "2001:db8::2"}, {"ip": "192.0.2.2", "ipMode": "Proxy"}]
        }
    },
}


def slice_of(family: str, *addresses: str, port: int = 8080) -> TrimmedSlice:
    given = {
        "addressType": family,
        "endpoints": [{"addresses": [each]} for each in addresses],
        "ports": [{"port": port}],
    }
    return msgspec.convert(given, TrimmedSlice)


def ports(family: Family, *slices: TrimmedSlice) -> list[Any]:
    return list(service_ports(msgspec.convert(SERVICE, TrimmedService), slices, family=family))


def test_each_family_has_its_own_addresses() -> None:
    slices = slice_of("IPv4", "10.244.0.1"), slice_of("IPv6", "fd00::9", "fd00::10")
    (four,), (six,) = ports("IPv4", *slices), ports("IPv6", *slices)
    assert (four.family, four.cluster_ip, four.external, four.balancers) == (
        "IPv4",
        "10.96.1.1",
        ("203.0.113.1", "192.0.2.1"),
        ("192.0.2.1",),
    )
    assert four.source_ranges == ("10.0.0.0/8",)
    assert [each.address for each in four.endpoints] == ["10.244.0.1"]
    assert (six.family, six.cluster_ip, six.external) == ("IPv6", "fd02::1", ("2001:db8::1", "2001:db8::2"))
    assert six.source_ranges == ("2001:db8::/32",)
    assert [each.address for each in six.endpoints] == ["fd00::10", "fd00::9"]  # in one order, whatever theirs was
    assert four.id == six.id


def test_what_is_no_address_is_passed_over_and_told() -> None:
    broken = slice_of("IPv4", "10.244.0.1", "10.244.0.999", "fd00::1")
    (found,) = ports("IPv4", broken)
    assert "10.244.0.1" in [each.address for each in found.endpoints]
    assert problems(broken) == [
        "endpoints[1].addresses[0]: Invalid value: '10.244.0.999': must be an IPv4 address",
        "endpoints[2].addresses[0]: Invalid value: 'fd00::1': must be an IPv4 address",
    ]
    assert problems(slice_of("IPv4", "10.244.0.1", port=70000)) == [
        "ports[0].port: Invalid value: 70000: must be between 1 and 65535, inclusive"
    ]
    assert problems(slice_of("IPv5", "x")) == ["addressType: Unsupported value: 'IPv5'"]
    assert problems(slice_of("FQDN", "example.com")) == []


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["10.0.0.0/8", "10.1.0.0/16"], ("10.0.0.0/8",)),
        (["10.1.2.3/16"], ("10.1.0.0/16",)),
        (["10.0.0.0/9", "10.128.0.0/9"], ("10.0.0.0/8",)),
        (["10.0.0.0/8", "0.0.0.0/0"], ()),
        (["::/0"], ()),
    ],
)
def test_ranges_that_overlap_are_one(given: list[str], expected: tuple[str, ...]) -> None:
    service = {**SERVICE, "spec": {**SERVICE["spec"], "loadBalancerSourceRanges": given}}
    (found,) = service_ports(msgspec.convert(service, TrimmedService), [], family="IPv4")
    assert found.source_ranges == expected
