"""The eBPF mode's plan: what a socket finds in the maps after every single step of a change."""

import itertools
from dataclasses import dataclass, field

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fairlead.proxy.mode import Node
from fairlead.proxy.modes.ebpf.plan import NOTHING, Aim, Frontend, Member, Slot, Step, Wanted, plan, steps
from fairlead.services.decide import Network, Packet, decide
from fairlead.services.model import Endpoint, ServicePort, ServicePortName

NODE = Node("node1", "10.244.0.0/16", "10.96.0.0/12", "192.168.109.101")
NETWORK = Network("node1", (NODE.address,), (NODE.pod_cidr,))
POD = "10.244.1.9"
EXTERNAL = "203.0.113.10"


@dataclass
class Maps:
    frontends: dict[Frontend, Aim] = field(default_factory=dict)
    slots: dict[Slot, tuple[str, int]] = field(default_factory=dict)
    members: set[Member] = field(default_factory=set)

    def take(self, step: Step) -> None:
        key, value = step
        if isinstance(key, Member):
            (self.members.discard if value is None else self.members.add)(key)
        elif isinstance(key, Slot):
            if value is None:
                del self.slots[key]
            else:
                assert not isinstance(value, Aim)
                self.slots[key] = value
        elif value is None:
            del self.frontends[key]
        else:
            assert isinstance(value, Aim)
            self.frontends[key] = value

    def behind(self, frontend: Frontend) -> set[tuple[str, int]]:
        """All that a connection may come to now; KeyError: a slot that is drawn is not there."""
        aim = self.frontends[frontend]
        return {self.slots[Slot(aim.set, number)] for number in range(aim.size)}


ENDPOINTS = st.lists(
    st.builds(
        Endpoint,
        st.sampled_from([f"10.244.{node}.{number}" for node in (1, 2) for number in range(2, 6)]),
        st.sampled_from([80, 8080]),
        st.booleans(),
        st.booleans(),
        st.booleans(),
        st.sampled_from(["node1", "node2"]),
    ),
    unique_by=lambda each: each[:2],
    max_size=5,
).map(tuple)
POLICY = st.sampled_from(["Cluster", "Local"])
PORTS = st.builds(
    ServicePort,
    st.sampled_from([ServicePortName("dev", "web", "", protocol) for protocol in ("TCP", "UDP", "SCTP")]),
    st.just("10.97.97.97"),
    st.just(80),
    st.sampled_from([None, 30080]),
    st.sampled_from([(), (EXTERNAL,)]),
    st.sampled_from([None, 60]),
    POLICY,
    POLICY,
    ENDPOINTS,
    st.sampled_from([(), (EXTERNAL,)]),
    st.sampled_from([(), ("10.0.0.0/8",)]),
)
STATES = st.lists(PORTS, unique_by=lambda port: port.id.protocol, max_size=3).map(tuple)


def _usable(wanted: Wanted) -> set[tuple[str, int]]:
    return {endpoint for each in wanted.sets.values() for endpoint in each.line}


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(STATES, min_size=1, max_size=5))
def test_after_every_step_a_connection_comes_to_an_endpoint_of_before_or_after(
    states: list[tuple[ServicePort, ...]],
) -> None:
    maps, before, numbers = Maps(), NOTHING, itertools.count(1)
    for state in states:
        after = plan(state, NODE, before, numbers.__next__, 0)
        allowed = _usable(before) | _usable(after)
        for step in steps(before, after):
            maps.take(step)
            for frontend in maps.frontends:
                assert maps.behind(frontend) <= allowed
        assert set(maps.frontends) == set(after.frontends)
        assert len(maps.slots) == sum(len(each.line) for each in after.sets.values())
        before = after
    for step in steps(before, NOTHING):
        maps.take(step)
    assert maps == Maps()


@settings(max_examples=40)
@given(STATES)
def test_what_a_pod_dials_is_what_the_model_says_or_is_left_to_packets(state: tuple[ServicePort, ...]) -> None:
    maps = Maps()
    for step in steps(NOTHING, plan(state, NODE, NOTHING, itertools.count(1).__next__, 0)):
        maps.take(step)
    for port in state:
        for address, number in (("10.97.97.97", 80), (EXTERNAL, 80), (NODE.address, 30080)):
            frontend = Frontend(address, number, port.id.protocol)
            expected = decide(Packet(POD, address, port.id.protocol, number), [port], NETWORK)
            if frontend not in maps.frontends:
                continue
            assert expected.verdict == ("deliver" if maps.behind(frontend) else "reject")
            assert maps.behind(frontend) == expected.to
            assert (maps.frontends[frontend].affinity or None) == expected.sticky or not expected.to


@settings(max_examples=40)
@given(STATES)
def test_what_is_plain_is_not_left_to_packets(state: tuple[ServicePort, ...]) -> None:
    found = plan(state, NODE, NOTHING, itertools.count(1).__next__, 0).frontends
    for port in state:
        if port.id.protocol != "SCTP" and port.affinity is None and port.internal_policy == "Cluster":
            assert Frontend("10.97.97.97", 80, port.id.protocol) in found


def _port(*numbers: int, **fields: int) -> ServicePort:
    endpoints = tuple(Endpoint(f"10.244.1.{number}", 80, node="node1") for number in numbers)
    return ServicePort(ServicePortName("dev", "web", "", "TCP"), "10.97.97.97", 80, None, endpoints=endpoints, **fields)  # type: ignore[arg-type]


def test_one_endpoint_for_another_is_one_element() -> None:
    numbers = itertools.count(1)
    before = plan([_port(2, 3, 4, 5, 6)], NODE, NOTHING, numbers.__next__, 0)
    after = plan([_port(2, 3, 4, 5, 7)], NODE, before, numbers.__next__, 0)
    assert list(steps(before, after)) == [(Slot(1, 4), ("10.244.1.7", 80))]


def test_clients_of_a_service_that_was_deleted_are_strangers_to_its_successor() -> None:
    numbers = itertools.count(1)
    first = plan([_port(2, affinity=60)], NODE, NOTHING, numbers.__next__, 7)
    changed = plan([_port(2, 3, affinity=60)], NODE, first, numbers.__next__, 8)
    again = plan([_port(2, affinity=60)], NODE, NOTHING, numbers.__next__, 9)
    assert [next(iter(each.frontends.values())).since for each in (first, changed, again)] == [7, 7, 9]


def test_whoever_shall_be_seen_as_the_node_is_left_to_packets() -> None:
    node = Node("node1", "10.244.0.0/16", masquerade_all=True)
    assert plan([_port(2)], node, NOTHING, itertools.count(1).__next__, 0) == NOTHING
