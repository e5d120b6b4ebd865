"""Session affinity: who came before goes where it went, until its time is over or its endpoint is gone."""

import time

import pytest

from tests.packetflow.conftest import Proxies
from tests.packetflow.lab import NODES, PATIENCE
from tests.packetflow.modes import MODES
from tests.packetflow.services import CLUSTER_IP, NODE_PORT, PORT, A, B, C, service

pytestmark = pytest.mark.netns
KEPT = ("ipvs",)

TRIES = 25


def reached(proxies: Proxies, source: str = "idle") -> set[tuple[str, int] | None]:
    seen = (proxies.lab.connect(source, CLUSTER_IP, "TCP", PORT, silence=PATIENCE) for _ in range(TRIES))
    return {each.endpoint for each in seen}


def test_a_client_stays_with_its_endpoint(proxies: Proxies) -> None:
    proxies.apply({"dev/web": (service(endpoints=(A, B, C), affinity=10800),)})
    assert len(reached(proxies)) == 1


def test_clients_are_spread(proxies: Proxies) -> None:
    """Each source has an endpoint of its own: twelve times four sources cannot all have drawn the same."""
    seen = set()
    for seconds in range(100, 112):
        proxies.apply({"dev/web": ()})  # what was known of clients goes with it: everybody draws again
        proxies.apply({"dev/web": (service(endpoints=(A, B, C), affinity=seconds),)})
        seen |= {
            proxies.lab.connect(source, CLUSTER_IP, "TCP", PORT).endpoint for source in ("a", "idle", "node1", "client")
        }
    assert len(seen) == 3


# In ipvs, the kernel keeps a client where one of its connections has not been forgotten yet, and each address of a
# Service knows its clients for itself, as in kube-proxy.
by_service = pytest.mark.parametrize("proxies", sorted(MODES.keys() - {"ipvs"}), indirect=True)


@by_service
def test_after_the_timeout_it_may_go_elsewhere(proxies: Proxies) -> None:
    proxies.apply({"dev/web": (service(endpoints=(A, B, C), affinity=1),)})
    seen = set()
    for _ in range(12):
        seen.add(proxies.lab.connect("idle", CLUSTER_IP, "TCP", PORT).endpoint)
        if len(seen) > 1:
            break
        time.sleep(1.2)
    assert len(seen) > 1


def test_every_connection_starts_its_time_anew(proxies: Proxies) -> None:
    proxies.apply({"dev/web": (service(endpoints=(A, B, C), affinity=2),)})
    seen = set()
    for _ in range(6):
        seen.add(proxies.lab.connect("idle", CLUSTER_IP, "TCP", PORT).endpoint)
        time.sleep(0.7)
    assert len(seen) == 1


def test_when_its_endpoint_goes_it_gets_another_and_stays_there(proxies: Proxies) -> None:
    proxies.apply({"dev/web": (service(endpoints=(A, B, C), affinity=10800),)})
    (first,) = reached(proxies)
    left = tuple(each for each in (A, B, C) if (each.address, each.port) != first)
    proxies.apply({"dev/web": (service(endpoints=left, affinity=10800),)})
    (second,) = reached(proxies)
    assert second != first


def test_it_stays_while_other_endpoints_come_and_go(proxies: Proxies) -> None:
    proxies.apply({"dev/web": (service(endpoints=(A, B), affinity=10800),)})
    (first,) = reached(proxies)
    proxies.apply({"dev/web": (service(endpoints=(A, B, C), affinity=10800),)})
    assert reached(proxies) == {first}


@by_service
def test_one_endpoint_for_all_addresses_of_the_service(proxies: Proxies) -> None:
    proxies.apply({"dev/web": (service(endpoints=(A, B, C), affinity=10800),)})
    (first,) = reached(proxies, "client")
    by_node_port = {proxies.lab.connect("client", NODES["node1"], "TCP", NODE_PORT).endpoint for _ in range(TRIES)}
    assert by_node_port == {first}
