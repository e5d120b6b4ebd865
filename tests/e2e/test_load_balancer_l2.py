"""Load balancers without a device: the nodes answer for the addresses, and one takes over from another."""

import json
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.e2e.kubectl import Kubectl
from tests.e2e.machine import REPOSITORY, eventually
from tests.e2e.test_section_3_6_loadbalancer import (
    DEAF,
    HOST,
    WINDOW,
    _ask_for,
    _same,
    _service,
    _set_pools,
    address_of,
    fetched,
)

pytestmark = pytest.mark.e2e

MANIFEST = REPOSITORY / "examples/load-balancer-l2.yaml"
POOL = """pools:
- {name: l2, class: fairlead.dev/l2, addresses: [192.168.109.20-192.168.109.30, "fd00:192:168:109::20"]}
"""


@pytest.fixture
def nodes_answer(newest: Kubectl) -> Iterator[Kubectl]:
    """The manifest of the examples, at work."""
    config = json.loads(newest("get cm load-balancer -n kube-system -o json").ok().out)["data"]["config.yaml"]
    newest(f"apply -f {MANIFEST}").ok()
    _set_pools(newest, config.replace("pools:\n", POOL))
    newest("rollout status ds/load-balancer-l2 -n kube-system --timeout=30s").ok()
    yield newest
    _set_pools(newest, config)
    newest(f"delete -f {MANIFEST}").ok()


def test_one_node_answers_another_takes_over_and_the_client_is_seen(
    nodes_answer: Kubectl, application: dict[str, str]
) -> None:
    kubectl, machine = nodes_answer, nodes_answer.machine
    fields = {"loadBalancerClass": "fairlead.dev/l2", "externalTrafficPolicy": "Local"}
    kubectl("create -f -", stdin=_service("direct", **fields)).ok()
    address = address_of(kubectl, "direct")
    assert re.fullmatch(r"192\.168\.109\.(2\d|30)", address)
    eventually(lambda: _same(machine.run(["curl", "-sS", "--max-time", "1", address]).code, 0))
    assert fetched(machine, address, 10) <= set(application.values())
    logs = [kubectl(f"logs {pod} -n dev --tail=1").ok().out for pod in application]
    assert any(log.startswith(f"{HOST} - - ") for log in logs)

    patch = json.dumps({"spec": {"externalTrafficPolicy": "Cluster"}})
    kubectl.argv("patch", "svc", "direct", "-n", "dev", "-p", patch).ok()
    holder = _holder(kubectl, address)
    assert holder in ("node1", "node2")  # where the pods are
    other = "node2" if holder == "node1" else "node1"
    kubectl("scale deployment pc-deployment -n dev --replicas=0").ok()
    pinned = {"spec": {"replicas": 2, "template": {"spec": {"nodeSelector": {"kubernetes.io/hostname": other}}}}}
    kubectl.argv("patch", "deployment", "pc-deployment", "-n", "dev", "-p", json.dumps(pinned)).ok()
    kubectl("rollout status deployment/pc-deployment -n dev --timeout=30s").ok()
    eventually(lambda: _same(machine.run(["curl", "-sS", "--max-time", "1", address]).code, 0))
    with ThreadPoolExecutor() as pool:
        requests = _ask_for(pool, machine, address, 7.0)
        time.sleep(1.0)
        died = time.monotonic()
        machine.on_node(holder, "nft", DEAF).ok()
        time.sleep(4.0)
        machine.on_node(holder, "nft", "delete table netdev deaf").ok()
        found: list[tuple[float, bool]] = json.loads(requests.result().out)
    lost = [began - died for began, well in found if not well]
    assert [each for each in lost if not 0 <= each <= WINDOW] == []
    assert sum(well for began, well in found if began > died + WINDOW) > 50
    assert _holder(kubectl, address) != holder

    kubectl("delete svc direct -n dev").ok()
    assert machine.run(["curl", "-sS", "--max-time", "1", address]).code in (7, 28)


def _holder(kubectl: Kubectl, address: str) -> str:
    lease = f"get lease load-balancer-{address} -n kube-system -o jsonpath={{.spec.holderIdentity}}"
    return kubectl(lease).ok().out
