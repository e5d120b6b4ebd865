"""The iptables mode where the machine uses iptables-legacy: a part of the table of packets, and what others see."""

import subprocess
from collections.abc import Iterator

import pytest

from fairlead.host.iptables import Iptables
from fairlead.proxy.modes.iptables import IptablesMode
from fairlead.services.model import FAMILIES, Family
from tests.packetflow.conftest import Proxies
from tests.packetflow.lab import PATIENCE, Lab
from tests.packetflow.modes import place
from tests.packetflow.services import CLUSTER_IP, PORT, A, B, case, service
from tests.packetflow.test_services import differences

pytestmark = pytest.mark.netns

NAMES = [
    "no endpoints",
    "endpoints on both nodes",
    "external Local",
    "external Local, none here",
    "internal Local, none here",
    "sticky",
    "open to some, external Local",
]


@pytest.fixture(params=FAMILIES)
def legacy(built: Lab, request: pytest.FixtureRequest) -> Iterator[Proxies]:
    family: Family = request.param
    proxies = Proxies(built, "iptables", family)
    for node in proxies.nodes:
        tables = Iptables("iptables-legacy", ipv6=family == "IPv6", namespace=built.namespace(node))
        proxies.nodes[node] = IptablesMode(tables, place(node, family))
    yield proxies
    proxies.clean_up()


def test_packets_go_where_the_model_says(legacy: Proxies) -> None:
    (mode, *_) = legacy.nodes.values()
    family: Family = mode._node.family  # type: ignore[attr-defined]
    for name in NAMES:
        port = case(name, "TCP", family)
        legacy.apply({"dev/web": (port,)})
        assert list(differences(legacy.lab, port, "iptables")) == [], name


def test_nothing_of_it_is_in_nf_tables(built: Lab) -> None:
    network = built.namespace("node1")
    mode = IptablesMode(Iptables("iptables-legacy", namespace=network), place("node1", "IPv4"))
    mode.apply({"dev/web": (service(endpoints=(A, B)),)})
    listed = subprocess.run(
        ["nsenter", f"--net={network}", "nft", "list", "ruleset"], capture_output=True, text=True, check=True
    )
    assert "KUBE-" not in listed.stdout
    assert built.connect("idle", CLUSTER_IP, "TCP", PORT, silence=PATIENCE).verdict == "deliver"
    mode.clean_up()
