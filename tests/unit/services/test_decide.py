"""The reference of what must happen to a packet."""

from dataclasses import replace

import pytest

from fairlead.services.decide import Network, Packet, decide
from fairlead.services.model import Endpoint, ServicePort, ServicePortName

NETWORK = Network("node1", ("192.168.109.101",), ("10.244.0.0/16",))
NAME = ServicePortName("dev", "web", "", "TCP")
LOCAL, REMOTE = Endpoint("10.244.1.2", 80, node="node1"), Endpoint("10.244.2.2", 80, node="node2")
WEB = ServicePort(NAME, "10.97.97.97", 80, node_port=30080, endpoints=(LOCAL, REMOTE))
KEEPING = ServicePort(NAME, "10.97.97.97", 80, node_port=30080, external_policy="Local", endpoints=(LOCAL, REMOTE))
EMPTY = ServicePort(NAME, "10.97.97.97", 80, node_port=30080)
BOTH = {("10.244.1.2", 80), ("10.244.2.2", 80)}


@pytest.mark.parametrize(
    ("source", "destination", "port", "service", "verdict", "to", "masquerade"),
    [
        ("10.244.1.9", "10.97.97.97", 80, WEB, "deliver", BOTH, set()),
        ("10.244.1.2", "10.97.97.97", 80, WEB, "deliver", BOTH, {("10.244.1.2", 80)}),  # hairpin
        ("192.168.109.101", "10.97.97.97", 80, WEB, "deliver", BOTH, BOTH),  # a node is no pod
        ("192.168.109.1", "192.168.109.101", 30080, WEB, "deliver", BOTH, BOTH),
        ("192.168.109.1", "192.168.109.101", 30080, KEEPING, "deliver", {("10.244.1.2", 80)}, set()),
        ("10.244.1.9", "10.97.97.97", 80, EMPTY, "reject", set(), set()),
        ("192.168.109.1", "192.168.109.101", 30080, EMPTY, "reject", set(), set()),
        ("10.244.1.9", "10.97.97.97", 81, WEB, "pass", set(), set()),
        ("10.244.1.9", "10.244.2.2", 80, WEB, "pass", set(), set()),
    ],
)
def test_a_packet(
    source: str,
    destination: str,
    port: int,
    service: ServicePort,
    verdict: str,
    to: set[tuple[str, int]],
    masquerade: set[tuple[str, int]],
) -> None:
    found = decide(Packet(source, destination, "TCP", port), [service], NETWORK)
    assert found.verdict == verdict
    assert set(found.to) == to
    assert set(found.masquerade) == masquerade


def test_endpoints_that_end_serve_only_while_nobody_else_does() -> None:
    ending = Endpoint("10.244.1.3", 80, ready=False, serving=True, terminating=True)
    alone = ServicePort(NAME, "10.97.97.97", 80, endpoints=(ending,))
    beside = ServicePort(NAME, "10.97.97.97", 80, endpoints=(ending, LOCAL))
    assert alone.endpoints_for("node1", from_outside=False) == (ending,)
    assert beside.endpoints_for("node1", from_outside=False) == (LOCAL,)


def test_a_pod_whose_socket_dials_the_endpoint_is_seen_as_itself() -> None:
    network = replace(NETWORK, dials=True)
    endpoint = Endpoint("10.244.1.2", 80)
    port = ServicePort(
        ServicePortName("dev", "web", "", "TCP"), "10.97.97.97", 80, 30080, ("203.0.113.10",), endpoints=(endpoint,)
    )
    guarded = replace(port, balancers=port.external, source_ranges=("10.0.0.0/8",))

    def masquerades(source: str, destination: str, number: int, service: ServicePort) -> bool:
        return bool(decide(Packet(source, destination, "TCP", number), [service], network).masquerade)

    for source in ("10.244.1.9", "10.244.1.2"):
        assert not masquerades(source, "10.97.97.97", 80, port)
        assert not masquerades(source, "192.168.109.101", 30080, port)
        assert not masquerades(source, "203.0.113.10", 80, port)
        assert masquerades(source, "203.0.113.10", 80, guarded)  # left to packets
    assert masquerades("192.168.109.1", "192.168.109.101", 30080, port)
    assert masquerades("192.168.109.101", "10.97.97.97", 80, port)
