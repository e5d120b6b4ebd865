"""Any process may be killed at any moment: it comes back, and nothing that was promised is lost."""

import json

import pytest

from tests.e2e.machine import Machine, eventually

RUN = "/run/fairlead/default"
PARTS = ("apiserver", "controllers", "scheduler", "agent-node1", "warden", "guard")


def _pid(machine: Machine, part: str) -> int:
    if part in ("warden", "guard"):
        return int(machine.run(["cat", f"{RUN}/{part}.pid"]).ok().out)
    return int(json.loads(machine.run(["cat", f"{RUN}/parts/{part}.json"]).ok().out)["pid"])


@pytest.mark.parametrize("part", PARTS)
def test_a_killed_process_comes_back_and_the_cluster_goes_on(cluster: Machine, part: str) -> None:
    name = f"kept-{part}"
    cluster.on_node("master", "kubectl", "create", "configmap", name, "--from-literal=a=b").ok()
    before = _pid(cluster, part)
    cluster.run(["kill", "-9", str(before)]).ok()

    def replaced() -> None:
        assert _pid(cluster, part) != before

    def serving() -> None:
        assert name in cluster.on_node("master", "kubectl", "get", "configmaps", "-o", "name").out
        assert (
            cluster.on_node(
                "node1", "dig", "+short", "+tries=1", "@10.96.0.10", "kubernetes.default.svc.cluster.local"
            ).out
            == "10.96.0.1\n"
        )

    eventually(replaced)
    eventually(serving)


def test_a_deleted_system_pod_is_started_again(cluster: Machine) -> None:
    cluster.on_node("master", "kubectl", "delete", "pod", "-n", "kube-system", "-l", "k8s-app=kube-proxy").ok()

    def running() -> None:
        rows = cluster.on_node("master", "kubectl", "get", "pods", "-n", "kube-system", "--no-headers").out.splitlines()
        assert len([row for row in rows if row.startswith("kube-proxy") and "1/1" in row and "Running" in row]) == 3

    eventually(running, 20)
