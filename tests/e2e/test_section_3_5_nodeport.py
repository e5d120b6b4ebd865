"""Section 3.5: a NodePort Service, reached from outside the cluster at every node."""

from pathlib import Path

import pytest

from tests.e2e.kubectl import Kubectl
from tests.e2e.machine import eventually

pytestmark = pytest.mark.e2e


def test_the_host_reaches_the_pods_at_every_nodes_address(
    kubectl: Kubectl, application: dict[str, str], chapter: Path
) -> None:
    assert kubectl(f"create -f {chapter}/service-nodeport.yaml").ok().out == "service/service-nodeport created\n"
    (row,) = kubectl.rows("get svc -n dev -o wide")
    assert (row["TYPE"], row["PORT(S)"], row["EXTERNAL-IP"]) == ("NodePort", "80:30002/TCP", "<none>")
    assert row["CLUSTER-IP"].startswith("10.")

    nodes = [node["INTERNAL-IP"] for node in kubectl.rows("get nodes -o wide")]
    assert len(nodes) == 3
    for address in nodes:
        loop = f"for i in $(seq 20); do curl -sS --max-time 5 http://{address}:30002; done"

        def answered(loop: str = loop) -> None:
            out = kubectl.machine.run(["sh", "-c", loop]).ok().out
            assert set(out.split()) == set(application.values())

        eventually(answered)


def test_a_cluster_ip_does_not_answer_outside_the_cluster(
    kubectl: Kubectl, application: dict[str, str], chapter: Path
) -> None:
    kubectl(f"create -f {chapter}/service-clusterip.yaml").ok()
    outside = kubectl.machine.run(["curl", "-sS", "--max-time", "3", "10.97.97.97"])
    assert outside.code == 7


def test_a_node_port_out_of_range_or_taken_is_refused_as_kubernetes_refuses_it(kubectl: Kubectl, chapter: Path) -> None:
    manifest = (chapter / "service-nodeport.yaml").read_text()
    outside = kubectl("create -f -", stdin=manifest.replace("30002", "80\n    name: http"))
    assert outside.code == 1
    assert (
        "spec.ports[0].nodePort: Invalid value: 80: provided port is not in the valid range. "
        "The range of valid ports is 30000-32767" in outside.err
    )
    kubectl("create -f -", stdin=manifest).ok()
    taken = kubectl("create -f -", stdin=manifest.replace("name: service-nodeport", "name: other"))
    assert "spec.ports[0].nodePort: Invalid value: 30002: provided port is already allocated" in taken.err
