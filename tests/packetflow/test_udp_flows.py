"""UDP has no end of its own: a client that goes on asking is not sent where nothing is any more."""

import asyncio
import json
import socket

import pytest

from fairlead.host import conntrack, namespaces
from tests.packetflow.conftest import Proxies
from tests.packetflow.lab import EXTERNAL, NODES, PATIENCE
from tests.packetflow.services import CLUSTER_IP, NODE_PORT, PORT, A, B, service

pytestmark = pytest.mark.netns
KEPT = ("ipvs",)

WAYS = [
    ("idle", CLUSTER_IP, PORT, CLUSTER_IP, PORT),
    ("client", EXTERNAL, PORT, EXTERNAL, PORT),
    ("client", NODES["node1"], NODE_PORT, None, NODE_PORT),
]


def _ask(client: socket.socket) -> str:
    client.send(b"?")
    return str(json.loads(client.recv(1000))["address"])


@pytest.mark.parametrize(("source", "destination", "number", "forgotten", "port"), WAYS)
def test_a_client_that_goes_on_asking_comes_to_another_endpoint(
    proxies: Proxies, source: str, destination: str, number: int, forgotten: str | None, port: int
) -> None:
    lab = proxies.lab
    proxies.apply({"dev/web": (service("UDP", endpoints=(A,)),)})
    client = namespaces.run_in(lab.namespace(source), lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    with client:
        client.settimeout(PATIENCE)
        client.connect((destination, number))
        assert _ask(client) == A.address
        proxies.apply({"dev/web": (service("UDP", endpoints=(B,)),)})
        namespaces.run_in(
            lab.namespace("node1"), lambda: asyncio.run(conntrack.forget_udp("IPv4", forgotten, port, A.address))
        )
        assert _ask(client) == B.address
