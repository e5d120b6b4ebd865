"""Every Service of the table, from every side, to each of its addresses: what the model says is what packets do."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

import pytest

from fairlead.services.decide import Decision, Network, Packet, decide
from fairlead.services.model import FAMILIES, Family, ServicePort
from tests.packetflow.conftest import Proxies
from tests.packetflow.lab import ADDRESSES, EXTERNAL, NODES, PATIENCE, POD_CIDR, Lab, Seen, in_family
from tests.packetflow.modes import KEEPS_SOURCES
from tests.packetflow.services import CASES, CLUSTER_IP, NODE_PORT, PORT, case

pytestmark = pytest.mark.netns
KEPT = ("ipvs",)

NETWORKS = {
    family: Network("node1", (in_family(NODES["node1"], family),), (in_family(POD_CIDR, family),))
    for family in FAMILIES
}
SOURCES = ("a", "idle", "node1", "client")  # an endpoint itself, another pod, the node, and outside
DESTINATIONS = ((CLUSTER_IP, PORT), (NODES["node1"], NODE_PORT), (EXTERNAL, PORT))
MOST_TRIES, STICKY_TRIES = 60, 12


def network_of(family: Family, mode: str) -> Network:
    return replace(NETWORKS[family], dials=mode == "ebpf")


@pytest.mark.parametrize(("name", "protocol", "family"), CASES, ids=["-".join(each) for each in CASES])
def test_packets_go_where_the_model_says(proxies: Proxies, name: str, protocol: str, family: Family) -> None:
    if protocol == "SCTP" and proxies.mode == "userspace":
        pytest.skip("the userspace mode carries TCP and UDP only, as kube-proxy's did: docs/proxy-modes.md")
    port = case(name, protocol, family)
    proxies.apply({"dev/web": (port,)})
    assert list(differences(proxies.lab, port, proxies.mode)) == []


def differences(lab: Lab, port: ServicePort, mode: str) -> Iterator[str]:
    network = network_of(port.family, mode)
    for source, (address, number) in product(SOURCES, DESTINATIONS):
        if (address == EXTERNAL and not port.external) or (number == NODE_PORT and port.node_port is None):
            continue
        destination = in_family(address, port.family)
        packet = Packet(in_family(ADDRESSES[source], port.family), destination, port.id.protocol, number)
        expected = decide(packet, [port], network)
        reached: set[tuple[str, int]] = set()
        for _ in range(MOST_TRIES if expected.sticky is None else STICKY_TRIES):
            seen = lab.connect(source, destination, port.id.protocol, number)
            if seen.verdict == "drop" != expected.verdict:  # or the machine is busy with something else
                seen = lab.connect(source, destination, port.id.protocol, number, silence=PATIENCE)
            if (problem := problem_of(seen, expected, packet, mode in KEEPS_SOURCES)) is not None:
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


def problem_of(seen: Seen, expected: Decision, packet: Packet, keeps_sources: bool) -> str | None:
    if seen.verdict != expected.verdict:
        return f"expected {expected.verdict}, saw {seen}"
    if seen.verdict != "deliver":
        return None
    if seen.endpoint not in expected.to:
        return f"came to {seen.endpoint}, which is none of {sorted(expected.to)}"
    own = packet.source in (
        ADDRESSES["node1"],
        in_family(ADDRESSES["node1"], "IPv6"),
    )  # whose masquerade nobody could see
    if keeps_sources and not own and (seen.peer != packet.source) != (seen.endpoint in expected.masquerade):
        return f"{seen.endpoint} saw {seen.peer}"
    return None
