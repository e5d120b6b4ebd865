"""masqueradeAll: whoever dials a ClusterIP is seen as the node; with a mark of the operator's choice."""

from itertools import product

import pytest

from fairlead.services.model import Family
from tests.packetflow.conftest import Proxies
from tests.packetflow.lab import ADDRESSES, NODES, PATIENCE, in_family
from tests.packetflow.modes import KEEPS_SOURCES, MODES, change_node
from tests.packetflow.services import CLUSTER_IP, PORT, C, D, service, translated

pytestmark = pytest.mark.netns

# Of eBPF, a pod's own address is seen always, unless everybody is to be seen as the node.
CASES = [
    (mode, everybody)
    for mode, everybody in product(sorted(MODES), (True, False))
    if mode in KEEPS_SOURCES and (mode != "ebpf" or everybody)
]


@pytest.mark.parametrize("family", ["IPv4", "IPv6"])
@pytest.mark.parametrize(("proxies", "everybody"), CASES, indirect=["proxies"])
def test_who_is_seen_as_the_node(proxies: Proxies, family: Family, everybody: bool) -> None:
    for mode in proxies.nodes.values():
        change_node(mode, masquerade_all=everybody, masquerade_bit=3)
    proxies.apply({"dev/web": (translated(service(endpoints=(C, D)), family),)})
    to = in_family(CLUSTER_IP, family)
    seen = {proxies.lab.connect("idle", to, "TCP", PORT, silence=PATIENCE).peer for _ in range(12)}
    assert seen == {in_family(NODES["node1"] if everybody else ADDRESSES["idle"], family)}
    from_outside = proxies.lab.connect("client", to, "TCP", PORT, silence=PATIENCE).peer
    assert from_outside == in_family(NODES["node1"], family)
