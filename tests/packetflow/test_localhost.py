"""Node ports on 127.0.0.1, which of kube-proxy's modes only iptables' has."""

from collections.abc import Iterator

import pytest

from fairlead.host import namespaces
from fairlead.host.iptables_nft import open_tables
from fairlead.proxy.modes.iptables import IptablesMode
from tests.packetflow.conftest import Proxies
from tests.packetflow.lab import NODES, PATIENCE, Lab
from tests.packetflow.modes import change_node, place
from tests.packetflow.services import NODE_PORT, A, C, service

pytestmark = pytest.mark.netns


@pytest.fixture
def iptables(built: Lab) -> Iterator[Proxies]:
    proxies = Proxies(built, "iptables")
    change_node(proxies.nodes["node1"], localhost_node_ports=True)
    yield proxies
    proxies.clean_up()


@pytest.mark.parametrize("protocol", ["TCP", "UDP"])
@pytest.mark.parametrize("policy", ["Cluster", "Local"])
def test_the_node_dials_itself(iptables: Proxies, protocol: str, policy: str) -> None:
    iptables.apply({"dev/web": (service(protocol, endpoints=(A, C), external_policy=policy),)})
    seen = {iptables.lab.connect("node1", "127.0.0.1", protocol, NODE_PORT, silence=PATIENCE) for _ in range(30)}
    assert {each.endpoint for each in seen} == {A[:2], C[:2]}  # by the policy Local, too: the node is inside
    assert not {each.peer for each in seen} & {"127.0.0.1"}
    mode = iptables.nodes["node1"]
    assert isinstance(mode, IptablesMode)
    assert mode.packets()["localhost_nodeports_accepted"] >= len(seen)
    assert iptables.lab.connect("client", NODES["node1"], protocol, NODE_PORT, silence=PATIENCE).verdict == "deliver"


def test_without_endpoints_it_is_refused(iptables: Proxies) -> None:
    iptables.apply({"dev/web": (service(),)})
    assert iptables.lab.connect("node1", "127.0.0.1", "TCP", NODE_PORT).verdict == "reject"


def test_what_routes_there_goes_with_the_rules(iptables: Proxies) -> None:
    def routed() -> str:
        with open("/proc/sys/net/ipv4/conf/all/route_localnet") as file:  # noqa: PTH123  # of this thread's network
            return file.read().strip()

    iptables.apply({"dev/web": (service(endpoints=(A,)),)})
    network = iptables.lab.namespace("node1")
    assert namespaces.run_in(network, routed) == "1"
    # As another mode's proxy takes them away, which knows nothing of these node ports.
    IptablesMode(open_tables(namespace=network), place("node1", "IPv4")).clean_up()
    assert namespaces.run_in(network, routed) == "0"


def test_elsewhere_nobody_answers_there(built: Lab) -> None:
    proxies = Proxies(built, "iptables")
    proxies.apply({"dev/web": (service(endpoints=(A,)),)})
    assert built.connect("node1", "127.0.0.1", "TCP", NODE_PORT).verdict == "reject"
    proxies.clean_up()
