"""Load balancers without a device: the nodes answer for the addresses, and one takes over from another."""

import json
import re
import time
from collections.abc import Iterator

import pytest

from tests.e2e.asking import WINDOW, Asking, all_answer, kill_network, lost, url
from tests.e2e.kubectl import Kubectl
from tests.e2e.machine import REPOSITORY, eventually
from tests.e2e.test_section_3_6_loadbalancer import (
    HOST,
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
    newest("delete svc --all -n dev").ok()  # while somebody is there who lets go of them
    _set_pools(newest, config)
    newest(f"delete -f {MANIFEST}").ok()


def test_one_node_answers_another_takes_over_and_the_client_is_seen(
    nodes_answer: Kubectl, application: dict[str, str]
) -> None:
    kubectl, machine = nodes_answer, nodes_answer.machine
    fields = {"externalTrafficPolicy": "Local", "ipFamilyPolicy": "PreferDualStack"}
    kubectl("create -f -", stdin=_service("direct", loadBalancerClass="fairlead.dev/l2", **fields)).ok()
    assert re.fullmatch(r"192\.168\.109\.(2\d|30)", address_of(kubectl, "direct"))
    addresses = kubectl("get svc direct -n dev -o jsonpath={.status.loadBalancer.ingress[*].ip}").ok().out.split()
    eventually(lambda: all_answer(machine, *addresses))
    assert fetched(machine, addresses[0], 10) <= set(application.values())
    logs = [kubectl(f"logs {pod} -n dev --tail=1").ok().out for pod in application]
    assert any(log.startswith(f"{HOST} - - ") for log in logs)
    holders = {each: _holder(kubectl, each) for each in addresses}
    assert set(holders.values()) <= {"node1", "node2"}  # where the pods are

    patch = json.dumps({"spec": {"externalTrafficPolicy": "Cluster"}})
    kubectl.argv("patch", "svc", "direct", "-n", "dev", "-p", patch).ok()
    elsewhere = {"nodeName": "master", "tolerations": [{"operator": "Exists"}]}  # they shall not die with who answers
    pinned = {"spec": {"replicas": 1, "template": {"spec": elsewhere}}}
    kubectl.argv("patch", "deployment", "pc-deployment", "-n", "dev", "-p", json.dumps(pinned)).ok()
    kubectl("rollout status deployment/pc-deployment -n dev --timeout=30s").ok()
    eventually(lambda: all_answer(machine, *addresses))
    windows = []
    with Asking(machine) as asking:
        for each in addresses:
            asking.start(each, each)
        time.sleep(1.0)
        for holder in sorted(set(holders.values())):
            windows.append(kill_network(machine, holder, WINDOW + 0.5))
            time.sleep(1.0)
    for address, found in asking.found.items():
        assert lost(found, windows) == []
        assert sum(well for began, well in found if began > windows[-1][1]) > 50
        assert _holder(kubectl, address) != holders[address]

    kubectl("delete svc direct -n dev").ok()
    for address in addresses:
        assert machine.run(["curl", "-sS", "--max-time", "1", url(address)]).code in (7, 28)


def _holder(kubectl: Kubectl, address: str) -> str:
    name = f"load-balancer-{address.replace(':', '-')}"
    return kubectl(f"get lease {name} -n kube-system -o jsonpath={{.spec.holderIdentity}}").ok().out
