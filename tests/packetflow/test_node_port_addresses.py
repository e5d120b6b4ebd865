"""Node ports answer at the addresses that they shall, and at no other of the node."""

from typing import Any

import pytest

from tests.packetflow.conftest import Proxies
from tests.packetflow.lab import NODES
from tests.packetflow.modes import change_node
from tests.packetflow.services import NODE_PORT, A, service

pytestmark = pytest.mark.netns

OTHER = "192.168.109.201"


@pytest.mark.parametrize("endpoints", [(A,), ()])
def test_only_at_the_addresses_given(proxies: Proxies, endpoints: Any) -> None:
    proxies.lab.ip("node1", f"addr replace {OTHER}/32 dev eth0")
    change_node(proxies.nodes["node1"], node_port_addresses=(f"{NODES['node1']}/32",))
    proxies.apply({"dev/web": (service(endpoints=endpoints),)})
    wanted = "deliver" if endpoints else "reject"
    for source in ("client", "idle", "node1"):
        assert proxies.lab.connect(source, NODES["node1"], "TCP", NODE_PORT).verdict == wanted
        # Nobody listens there: the node itself refuses.
        assert proxies.lab.connect(source, OTHER, "TCP", NODE_PORT).verdict == "reject"
    proxies.lab.ip("node1", f"addr del {OTHER}/32 dev eth0")
