"""`trafficDistribution: PreferClose`: connections stay in the zone where they are made, while it has endpoints."""

import pytest

from tests.e2e.kubectl import Kubectl
from tests.e2e.machine import eventually

pytestmark = pytest.mark.e2e

ZONE = "topology.kubernetes.io/zone"


def test_connections_stay_in_their_zone(newest: Kubectl, application: dict[str, str]) -> None:
    machine = newest.machine
    places = {row["IP"]: row["NODE"] for row in newest.rows("get pods -n dev -o wide")}
    assert set(places.values()) == {"node1", "node2"}
    newest("expose deployment pc-deployment -n dev --name=near --port=80").ok()
    newest('patch svc near -n dev -p {"spec":{"trafficDistribution":"PreferClose"}}').ok()
    address = newest.rows("get svc near -n dev")[0]["CLUSTER-IP"]
    for node, zone in (("node1", "a"), ("node2", "b")):
        newest(f"label node {node} {ZONE}={zone}").ok()

    def reached(node: str) -> set[str]:
        loop = f"for i in $(seq 25); do curl -sS --max-time 5 http://{address}; done"
        return {places[ip] for ip in machine.on_node(node, "sh", "-c", loop).ok().out.split()}

    def settled() -> None:
        assert reached("node1") == {"node1"}
        assert reached("node2") == {"node2"}
        assert reached("master") == {"node1", "node2"}  # is in no zone

    eventually(settled)
    newest(f"label node node2 {ZONE}-").ok()  # an endpoint that is meant for nobody: all are for everybody again
    eventually(lambda: _all(reached))


def _all(reached: object) -> None:
    assert callable(reached)
    assert reached("node1") == {"node1", "node2"}


@pytest.fixture(autouse=True)
def unlabelled(newest: Kubectl):  # type: ignore[no-untyped-def]
    yield
    newest(f"label nodes --all {ZONE}-")
