"""Changes one after another: the rules are those that a proxy started now would make, and connections survive."""

import json
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fairlead.services.model import ServicePort
from tests.packetflow.conftest import Proxies
from tests.packetflow.lab import PATIENCE, Lab
from tests.packetflow.modes import MODES, be_the_same_node, end
from tests.packetflow.rules import rules
from tests.packetflow.services import CLUSTER_IP, ENDING, PORT, UNREADY, A, B, C, D, endpoint, service

pytestmark = pytest.mark.netns

ENDPOINTS = st.lists(
    st.sampled_from([A, B, C, D, endpoint("a", 8080), UNREADY, ENDING]), unique_by=lambda e: e[:2], max_size=5
).map(tuple)
POLICIES = st.sampled_from(["Cluster", "Local"])


@st.composite
def service_states(draw: st.DrawFn) -> tuple[ServicePort, ...]:
    """All ports of a Service at one moment; none: it is not there."""
    ports = []
    for protocol in draw(st.lists(st.sampled_from(["TCP", "UDP"]), unique=True, max_size=2)):
        ports.append(
            service(
                protocol,
                endpoints=draw(ENDPOINTS),
                affinity=draw(st.sampled_from([None, None, 60, 10800])),
                internal_policy=draw(POLICIES),
                external_policy=draw(POLICIES),
                node_port=draw(st.sampled_from([None, 30080, 30081])),
                external=draw(st.sampled_from([(), ("203.0.113.10",)])),
                balancers=draw(st.sampled_from([(), ("203.0.113.10",)])),
                source_ranges=draw(st.sampled_from([(), ("10.0.0.0/8",), ("10.0.0.0/8", "192.168.0.0/24")])),
            )
        )
    return tuple(ports)


@settings(max_examples=24, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(states=st.lists(service_states(), min_size=2, max_size=6))
@pytest.mark.parametrize("mode", sorted(MODES.keys() - {"ipvs"}))  # which tests/ipvs does, with fewer starts
def test_step_by_step_comes_to_what_starting_over_makes(
    built: Lab, mode: str, states: list[tuple[ServicePort, ...]]
) -> None:
    stepping, fresh = (MODES[mode](node, built.namespace(node)) for node in ("node1", "node2"))
    try:
        for state in states:
            stepping.apply({"dev/web": state})
            # The other node, told that it is the first one. It starts over what an earlier proxy has left.
            end(fresh)
            fresh = MODES[mode]("node2", built.namespace("node2"))
            be_the_same_node(fresh, stepping)
            fresh.apply({"dev/web": state})
            assert rules(mode, built.namespace("node1")) == rules(mode, built.namespace("node2"))
    finally:
        for each in (stepping, fresh):
            each.clean_up()
            end(each)


def test_an_open_connection_survives_changes_around_it(proxies: Proxies) -> None:
    proxies.apply({"dev/web": (service(endpoints=(A,)),)})
    with proxies.lab.open("idle", CLUSTER_IP, PORT) as connection:
        proxies.apply({"dev/web": (service(endpoints=(A, B, C)),)})
        proxies.apply({"dev/web": (service(endpoints=(A,)),), "dev/other": ()})
        connection.settimeout(PATIENCE)
        assert json.loads(connection.recv(1000))["address"] == A.address


def test_a_service_that_is_gone_leaves_nothing(proxies: Proxies) -> None:
    proxies.apply({"dev/web": ()})
    empty = proxies.rules("node1")
    proxies.apply({"dev/web": (service(endpoints=(A, B), affinity=100, external_policy="Local"),)})
    assert proxies.rules("node1") != empty
    proxies.apply({"dev/web": ()})
    assert proxies.rules("node1") == empty


def test_endpoints_are_drawn_evenly(proxies: Proxies) -> None:
    """Bounds that a fair draw leaves once in a million runs: 400 draws of four, standard deviation 8.7."""
    proxies.apply({"dev/web": (service(endpoints=(A, B, C, D)),)})
    seen = Counter(proxies.lab.connect("idle", CLUSTER_IP, "TCP", PORT).endpoint for _ in range(400))
    assert len(seen) == 4
    assert all(abs(count - 100) < 44 for count in seen.values())
