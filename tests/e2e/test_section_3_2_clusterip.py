"""Sections 3.2 and 3.3: a ClusterIP Service, its Endpoints, and session affinity."""

from pathlib import Path

import pytest

from tests.e2e.kubectl import Kubectl
from tests.e2e.machine import Machine, eventually

pytestmark = pytest.mark.e2e

VIP = "10.97.97.97"


def curl(machine: Machine, node: str, target: str) -> str:
    return machine.on_node(node, "curl", "-sS", "--max-time", "5", target).ok().out.strip()


def many(machine: Machine, node: str, target: str, count: int) -> list[str]:
    loop = f"for i in $(seq {count}); do curl -sS --max-time 5 {target}; done"
    return machine.on_node(node, "sh", "-c", loop).ok().out.split()


def described(text: str) -> dict[str, str]:
    """The `Name:   value` lines of kubectl describe."""
    pairs = (line.split(":", 1) for line in text.splitlines() if ":" in line and not line.startswith(" "))
    return {title: value.strip() for title, value in pairs}


def test_the_service_is_listed_and_described_as_in_the_chapter(
    kubectl: Kubectl, application: dict[str, str], chapter: Path
) -> None:
    created = kubectl(f"create -f {chapter}/service-clusterip.yaml").ok()
    assert created.out == "service/service-clusterip created\n"

    (row,) = kubectl.rows("get svc -n dev -o wide")
    assert row | {"AGE": ""} == {
        "NAME": "service-clusterip", "TYPE": "ClusterIP", "CLUSTER-IP": VIP, "EXTERNAL-IP": "<none>",
        "PORT(S)": "80/TCP", "AGE": "", "SELECTOR": "app=nginx-pod",
    }  # fmt: skip

    def shown() -> None:
        text = described(kubectl("describe svc service-clusterip -n dev").ok().out)
        assert text["Selector"] == "app=nginx-pod"
        assert text["IP"] == VIP
        assert text["Port"].split() == ["<unset>", "80/TCP"]
        assert text["TargetPort"] == "80/TCP"
        assert set(text["Endpoints"].split(",")) == {f"{ip}:80" for ip in application.values()}
        assert text["Session Affinity"] == "None"
        assert text["Events"] == "<none>"

    eventually(shown)


def test_requests_rotate_over_all_pods_from_every_node(
    kubectl: Kubectl, application: dict[str, str], chapter: Path
) -> None:
    kubectl(f"create -f {chapter}/service-clusterip.yaml").ok()
    for node in ("master", "node1", "node2"):
        eventually(lambda node=node: curl(kubectl.machine, node, VIP))
        assert set(many(kubectl.machine, node, f"{VIP}:80", 30)) == set(application.values())


def test_pods_reach_the_service_and_themselves_through_it(
    kubectl: Kubectl, application: dict[str, str], chapter: Path
) -> None:
    kubectl(f"create -f {chapter}/service-clusterip.yaml").ok()
    eventually(lambda: curl(kubectl.machine, "node1", VIP))
    loop = f"for i in $(seq 30); do curl -sS --max-time 5 {VIP}; done"
    for pod in application:
        out = kubectl.argv("exec", pod, "-n", "dev", "--", "/bin/sh", "-c", loop).ok().out
        assert set(out.split()) == set(application.values())


def test_endpoints_are_listed(kubectl: Kubectl, application: dict[str, str], chapter: Path) -> None:
    kubectl(f"create -f {chapter}/service-clusterip.yaml").ok()

    def listed() -> None:
        (row,) = kubectl.rows("get endpoints -n dev -o wide")
        assert row["NAME"] == "service-clusterip"
        assert set(row["ENDPOINTS"].split(",")) == {f"{ip}:80" for ip in application.values()}

    eventually(listed)


def test_client_ip_affinity_keeps_a_client_at_one_pod(
    kubectl: Kubectl, application: dict[str, str], chapter: Path
) -> None:
    kubectl(f"create -f {chapter}/service-clusterip.yaml").ok()
    deleted = kubectl(f"delete -f {chapter}/service-clusterip.yaml").ok()
    assert deleted.out.startswith('service "service-clusterip" deleted')
    kubectl(f"create -f {chapter}/service-clusterip-sticky.yaml").ok()
    text = described(kubectl("describe svc service-clusterip -n dev").ok().out)
    assert text["Session Affinity"] == "ClientIP"
    for node in ("master", "node1"):
        eventually(lambda node=node: curl(kubectl.machine, node, VIP))
        assert len(set(many(kubectl.machine, node, VIP, 15))) == 1


def test_a_service_without_endpoints_refuses_at_once(kubectl: Kubectl, chapter: Path) -> None:
    kubectl(f"create -f {chapter}/service-clusterip.yaml").ok()

    def refused() -> None:
        answer = kubectl.machine.on_node("node1", "curl", "-sS", "--max-time", "5", VIP)
        assert answer.code == 7, answer  # curl: failed to connect; 28 would be a timeout

    eventually(refused)


def test_a_deleted_service_is_refused_and_a_taken_address_is_not_given_twice(
    kubectl: Kubectl, application: dict[str, str], chapter: Path
) -> None:
    kubectl(f"create -f {chapter}/service-clusterip.yaml").ok()
    manifest = (chapter / "service-clusterip.yaml").read_text().replace("name: service-clusterip", "name: second")
    taken = kubectl("create -f -", stdin=manifest)
    assert taken.code == 1
    assert "spec.clusterIPs: Invalid value" in taken.err
    assert "provided IP is already allocated" in taken.err
    eventually(lambda: curl(kubectl.machine, "node1", VIP))
    kubectl(f"delete -f {chapter}/service-clusterip.yaml").ok()

    def gone() -> None:
        assert kubectl.machine.on_node("node1", "curl", "-sS", "--max-time", "5", VIP).code == 7

    eventually(gone)
