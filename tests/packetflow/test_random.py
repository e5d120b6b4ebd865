"""Whatever Services come, change and go: after each step, packets drawn at random do what the model says."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fairlead.services.decide import Packet, decide
from fairlead.services.model import Family, ServicePort
from tests.packetflow.conftest import Proxies
from tests.packetflow.lab import ADDRESSES, EXTERNAL, NODES, PATIENCE, Lab, in_family
from tests.packetflow.modes import KEEPS_SOURCES, MODES
from tests.packetflow.services import ENDING, UNREADY, A, B, C, D, endpoint, service, translated
from tests.packetflow.test_services import SOURCES, network_of, problem_of

pytestmark = pytest.mark.netns

# name → cluster address, port, node port; all share the external address
NAMES = {"web": ("10.97.97.97", 8000, 30080), "api": ("10.97.97.98", 8000, 30081), "db": ("10.97.97.97", 8001, 30082)}
ENDPOINTS = st.lists(
    st.sampled_from([A, B, C, D, endpoint("a", 8080), UNREADY, ENDING]), unique_by=lambda each: each[:2], max_size=5
).map(tuple)
POLICIES = st.sampled_from(["Cluster", "Cluster", "Local"])
State = dict[str, tuple[ServicePort, ...]]
Step = tuple[tuple[str, tuple[ServicePort, ...]], list[tuple[str, str, str]]]


@st.composite
def changes(draw: st.DrawFn) -> tuple[str, tuple[ServicePort, ...]]:
    """One Service becomes another one, or goes."""
    name = draw(st.sampled_from(sorted(NAMES)))
    if draw(st.integers(0, 5)) == 0:
        return f"dev/{name}", ()
    address, port, node_port = NAMES[name]
    external = draw(st.sampled_from([(), (EXTERNAL,)])) if name != "api" else ()
    made = service(
        draw(st.sampled_from(["TCP", "UDP"])),
        name,
        cluster_ip=address,
        port=port,
        node_port=draw(st.sampled_from([None, node_port])),
        external=external,
        balancers=external,
        endpoints=draw(ENDPOINTS),
        affinity=draw(st.sampled_from([None, None, 10800])),
        internal_policy=draw(POLICIES),
        external_policy=draw(POLICIES),
        source_ranges=draw(st.sampled_from([(), (), ("192.168.109.0/28",)])),
    )
    return f"dev/{name}", (made,)


PACKETS = st.tuples(
    st.sampled_from(SOURCES), st.sampled_from(sorted(NAMES)), st.sampled_from(["cluster", "node", "external"])
)
STEPS = st.lists(st.tuples(changes(), st.lists(PACKETS, min_size=1, max_size=3)), min_size=2, max_size=6)


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(steps=STEPS)
@pytest.mark.parametrize("family", ["IPv4", "IPv6"])
@pytest.mark.parametrize("mode", sorted(MODES))
def test_packets_go_where_the_model_says(built: Lab, mode: str, family: Family, steps: list[Step]) -> None:
    proxies = Proxies(built, mode, family)
    state: State = {}
    try:
        for (key, ports), packets in steps:
            made = tuple(translated(port, family) for port in ports)
            state[key] = made
            proxies.apply({key: made})
            built.forget_flows()  # UDP's, as the proxy does
            for source, name, way in packets:
                _check(proxies, state, source, name, way)
    finally:
        proxies.clean_up()


def _check(proxies: Proxies, state: State, source: str, name: str, way: str) -> None:
    cluster_ip, number, node_port = NAMES[name]
    address = {"cluster": cluster_ip, "node": NODES["node1"], "external": EXTERNAL}[way]
    ports = [port for each in state.values() for port in each]
    asked = next((port for port in state.get(f"dev/{name}", ())), None)
    if asked is None or (way == "external" and not asked.external) or (way == "node" and asked.node_port is None):
        return  # no Service's business: whatever is at that address answers
    number = node_port if way == "node" else number
    destination = in_family(address, proxies.family)
    packet = Packet(in_family(ADDRESSES[source], proxies.family), destination, asked.id.protocol, number)
    expected = decide(packet, ports, network_of(proxies.family, proxies.mode))
    seen = proxies.lab.connect(source, destination, packet.protocol, number)
    if seen.verdict == "drop" != expected.verdict:
        seen = proxies.lab.connect(source, destination, packet.protocol, number, silence=PATIENCE)
    assert problem_of(seen, expected, packet, proxies.mode in KEEPS_SOURCES) is None, (packet, expected)
