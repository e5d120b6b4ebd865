"""Every Service of the table, from every side, to each of its addresses: what the model says is what packets do."""

from collections.abc import Iterator
from itertools import product

import pytest

from fairlead.services.decide import Decision, Network, Packet, decide
from fairlead.services.model import ServicePort
from tests.packetflow.conftest import Proxies
from tests.packetflow.lab import ADDRESSES, EXTERNAL, NODES, PATIENCE, POD_CIDR, Lab, Seen
from tests.packetflow.modes import KEEPS_SOURCES
from tests.packetflow.services import CASES, CLUSTER_IP, NODE_PORT, PORT, case

pytestmark = pytest.mark.netns

NETWORK = Network("node1", (NODES["node1"],), POD_CIDR)
SOURCES = ("a", "idle", "node1", "client")  # an endpoint itself, another pod, the node, and outside
DESTINATIONS = ((CLUSTER_IP, PORT), (NODES["node1"], NODE_PORT), (EXTERNAL, PORT))
MOST_TRIES = 60


@pytest.mark.parametrize(("name", "protocol"), CASES, ids=[f"{name}-{protocol}" for name, protocol in CASES])
def test_packets_go_where_the_model_says(proxies: Proxies, name: str, protocol: str) -> None:
    port = case(name, protocol)
    proxies.apply({"dev/web": (port,)})
    assert list(_differences(proxies.lab, port, proxies.mode in KEEPS_SOURCES)) == []


def _differences(lab: Lab, port: ServicePort, keeps_sources: bool) -> Iterator[str]:
    for source, (destination, number) in product(SOURCES, DESTINATIONS):
        if (destination == EXTERNAL and not port.external) or (number == NODE_PORT and port.node_port is None):
            continue
        packet = Packet(ADDRESSES[source], destination, port.id.protocol, number)
        expected = decide(packet, [port], NETWORK)
        reached: set[tuple[str, int]] = set()
        for _ in range(MOST_TRIES):
            seen = lab.connect(source, destination, port.id.protocol, number)
            if seen.verdict == "drop" != expected.verdict:  # or the machine is busy with something else
                seen = lab.connect(source, destination, port.id.protocol, number, silence=PATIENCE)
            if (problem := _problem(seen, expected, packet, keeps_sources)) is not None:
                yield f"{source} → {destination}:{number}: {problem}"
                break
            if seen.endpoint is not None:
                reached.add(seen.endpoint)
            if reached == expected.to or expected.verdict != "deliver" or (expected.sticky and len(reached) > 1):
                break
        if expected.sticky is not None:
            if len(reached) > 1:
                yield f"{source} → {destination}:{number}: sticky, and came to {sorted(reached)}"
        elif reached != expected.to and expected.verdict == "deliver":
            yield f"{source} → {destination}:{number}: never came to {sorted(expected.to - reached)}"


def _problem(seen: Seen, expected: Decision, packet: Packet, keeps_sources: bool) -> str | None:
    if seen.verdict != expected.verdict:
        return f"expected {expected.verdict}, saw {seen}"
    if seen.verdict != "deliver":
        return None
    if seen.endpoint not in expected.to:
        return f"came to {seen.endpoint}, which is none of {sorted(expected.to)}"
    own = packet.source in NETWORK.node_addresses  # whose masquerade nobody could see
    if keeps_sources and not own and (seen.peer != packet.source) != (seen.endpoint in expected.masquerade):
        return f"{seen.endpoint} saw {seen.peer}"
    return None
