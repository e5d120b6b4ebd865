"""What is read of a Service: annotations of ours and of MetalLB's, families, ports, who may come."""

from typing import Any

import msgspec
import pytest

from fairlead.loadbalancer.asking import AskingError, Service, asked, balanced
from fairlead.loadbalancer.model import Frontend


def service(annotations: dict[str, str] | None = None, **spec: Any) -> Service:
    metadata = {"name": "web", "namespace": "dev", "annotations": annotations or {}}
    ports = [{"port": 80, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}]
    body = {"metadata": metadata, "spec": {"type": "LoadBalancer", "ports": ports, "ipFamilies": ["IPv4"], **spec}}
    return msgspec.convert(body, Service)


@pytest.mark.parametrize("prefix", ["loadbalancer.fairlead.dev/ip", "metallb.universe.tf/loadBalancerIPs"])
def test_addresses_by_annotation_are_more_than_one_and_win_over_the_old_field(prefix: str) -> None:
    given = service({prefix: "192.0.2.9, FD00::9"}, ipFamilies=["IPv4", "IPv6"], loadBalancerIP="192.0.2.1")
    assert asked(given).addresses == ("192.0.2.9", "fd00::9")
    assert asked(service(loadBalancerIP="192.0.2.1")).addresses == ("192.0.2.1",)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (service(loadBalancerIP="here"), "spec.loadBalancerIP: 'here' is not an IP address"),
        (service({"metallb.io/loadBalancerIPs": "1.2.3.4,x"}), "annotation: 'x' is not"),
        (service(loadBalancerIP="fd00::1"), "fd00::1 is IPv6, which the Service is not of"),
        (service({"loadbalancer.fairlead.dev/ip": "192.0.2.1,192.0.2.2"}), "one address of each family"),
    ],
)
def test_what_cannot_be_is_named(given: Service, why: str) -> None:
    with pytest.raises(AskingError, match=why):
        asked(given)


def test_what_a_service_that_says_nothing_asks_for() -> None:
    found = asked(service())
    assert (found.families, found.pool, found.sharing, found.all_families) == (("IPv4",), "", "", False)
    assert found.ports == {("TCP", 80), ("UDP", 53)}
    assert asked(service(ipFamilies=[])).families == ("IPv4",)  # of clusters before there were two families


def test_each_port_answers_at_each_address() -> None:
    ranges = [" 10.0.0.0/8", "10.0.0.1/8", "nonsense"]
    given = service(sessionAffinity="ClientIP", externalTrafficPolicy="Local", healthCheckNodePort=30001)
    given = msgspec.structs.replace(
        given, spec=msgspec.structs.replace(given.spec, load_balancer_source_ranges=tuple(ranges))
    )
    found = balanced(given, ["192.0.2.1", "fd00::1"])
    assert found.frontends == (
        Frontend("192.0.2.1", "TCP", 80),
        Frontend("192.0.2.1", "UDP", 53),
        Frontend("fd00::1", "TCP", 80),
        Frontend("fd00::1", "UDP", 53),
    )
    assert (found.sticky, found.local, found.check_port, found.sources) == (True, True, 30001, ("10.0.0.0/8",))


def test_ranges_by_the_old_annotation_are_those_where_the_field_says_nothing() -> None:
    annotated = {"service.beta.kubernetes.io/load-balancer-source-ranges": "10.0.0.0/8, 192.0.2.0/24"}
    assert balanced(service(annotated), ["192.0.2.1"]).sources == ("10.0.0.0/8", "192.0.2.0/24")
    both = service(annotated, loadBalancerSourceRanges=["203.0.113.0/24"])
    assert balanced(both, ["192.0.2.1"]).sources == ("203.0.113.0/24",)
