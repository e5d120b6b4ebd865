"""Sections 3.2, 3.3 and 3.5 in the proxy's eBPF mode: from nodes, from pods, from the host; and through its end."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.kubectl import Kubectl, the_newest
from tests.e2e.machine import FAIRLEAD, Machine, eventually, sandbox
from tests.e2e.test_faults import _named, _running
from tests.e2e.test_section_1_3_proxy_modes import NODES, _all_serve, _edit
from tests.e2e.test_section_3_2_clusterip import curl, many

pytestmark = pytest.mark.e2e

VIP = "10.97.97.97"
ASK = f"""
n=0
while [ $n -lt 100000 ]; do
  n=$((n + 1)); curl -s --max-time 2 -o /dev/null -w '%{{http_code}}\\n' http://{VIP}/ || true
done
"""


@pytest.fixture(scope="module")
def chosen(cluster: Machine) -> Iterator[None]:
    """Before any of these tests, and back after all of them."""
    kubectl = the_newest(cluster)
    _edit(kubectl, "ebpf")
    eventually(lambda: _all_serve(cluster, "ebpf"), 20)
    yield
    _edit(kubectl, "nftables")
    eventually(lambda: _all_serve(cluster, "nftables"), 20)


@pytest.fixture
def kubectl(chosen: None, newest: Kubectl) -> Kubectl:
    return newest


@pytest.fixture
def served(kubectl: Kubectl, application: dict[str, str], chapter: Path) -> dict[str, str]:
    """The pods behind the chapter's Services, which answer."""
    for name in ("service-clusterip", "service-nodeport"):
        kubectl(f"create -f {chapter}/{name}.yaml").ok()
    for node in NODES:
        eventually(lambda node=node: curl(kubectl.machine, node, VIP))
    return application


def test_sockets_of_nodes_and_pods_and_packets_of_the_host_come_to_every_pod(
    kubectl: Kubectl, served: dict[str, str]
) -> None:
    machine, everyone = kubectl.machine, set(served.values())
    nodes = {row["NAME"]: row["INTERNAL-IP"] for row in kubectl.rows("get nodes -o wide")}
    for node, address in nodes.items():
        assert set(many(machine, node, VIP, 20)) == everyone
        assert set(many(machine, node, f"http://{address}:30002", 20)) == everyone
        loop = f"for i in $(seq 20); do curl -sS --max-time 5 http://{address}:30002; done"
        assert set(machine.run(["sh", "-c", loop]).ok().out.split()) == everyone
    loop = f"for i in $(seq 20); do curl -sS --max-time 5 {VIP}; done"
    for pod in served:  # itself among them
        own = kubectl.argv("exec", pod, "-n", "dev", "--", "/bin/cat", "/proc/self/cgroup", "/proc/1/cgroup").ok().out
        assert len(re.findall(r"^0::/fairlead-default-[0-9a-f]{8}/node\d\.node$", own, re.MULTILINE)) == 2
        assert set(kubectl.argv("exec", pod, "-n", "dev", "--", "/bin/sh", "-c", loop).ok().out.split()) == everyone
        told = machine.fairlead("explain", "service/service-clusterip", "-n", "dev", "--from", f"pod/{pod}").ok().out
        assert re.search(rf"rule: bpf frontends {VIP}:80/TCP → one of 3 slots\n", told)
        told_by = machine.on_node("node1", "curl", "-s", "127.0.0.1:10249/metrics").ok().out
        counted = 'namespace="dev",outcome="endpoint",port="",protocol="TCP",service="service-clusterip"'
        assert re.search(
            rf"^fairlead_proxy_connections_total{{ip_family=\"IPv4\",{counted}}} [1-9]", told_by, re.MULTILINE
        )
        assert all(re.search(rf"rule: bpf slots \d+\[\d\] = {address}:80\n", told) for address in everyone)


def test_a_client_that_sticks_and_a_service_without_pods(kubectl: Kubectl, served: dict[str, str]) -> None:
    machine = kubectl.machine
    kubectl('patch svc service-clusterip -n dev -p {"spec":{"sessionAffinity":"ClientIP"}}').ok()

    def sticky() -> None:
        for node in ("master", "node1"):
            assert len(set(many(machine, node, VIP, 15))) == 1

    eventually(sticky)
    kubectl("scale deployment pc-deployment -n dev --replicas=0").ok()

    def refused() -> None:
        assert machine.on_node("node1", "curl", "-sS", "--max-time", "5", VIP).code == 7
        assert machine.run(["curl", "-sS", "--max-time", "5", "http://192.168.109.101:30002"]).code == 7

    eventually(refused)


def test_proxies_are_killed_and_nobody_notices(kubectl: Kubectl, served: dict[str, str], tmp_path: Path) -> None:
    machine, answers = kubectl.machine, tmp_path / "answers"
    pod = next(iter(served))
    command = [str(kubectl.binary), "exec", pod, "-n", "dev", "--", "/bin/sh", "-c", ASK]
    with _running(machine, [str(FAIRLEAD), "exec", "master", "--", *command], answers):
        before = set(_named(machine, "fl-kube-proxy"))
        for pid in before:
            machine.run(["kill", "-9", str(pid)]).ok()

        def back() -> None:
            now = set(_named(machine, "fl-kube-proxy"))
            assert len(now) == 3
            assert not now & before
            _all_serve(machine, "ebpf")

        eventually(back, 20)
        # What starts now reaches the API by its Service.
        kubectl("delete pod -n kube-system -l k8s-app=kube-dns").ok()

        def resolves() -> None:
            name = "service-clusterip.dev.svc.cluster.local"
            assert machine.on_node("node1", "dig", "+short", "+tries=1", "+time=1", "@10.96.0.10", name).out == (
                f"{VIP}\n"
            )

        eventually(resolves, 20)
    codes = answers.read_text().split()
    assert len(codes) > 20
    assert set(codes) == {"200"}


ONLY_VERSION_2 = """
for each in $(awk '$5 ~ "^/sys/fs/cgroup/" {print $5}' /proc/self/mountinfo); do umount -l $each; done
umount -l /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup
"""


def test_a_machine_that_has_version_2_of_cgroups_alone() -> None:
    with sandbox() as machine:
        machine.run(["sh", "-ec", ONLY_VERSION_2]).ok()
        machine.fairlead("up", "--nodes", "1", "--proxy-mode", "ebpf").ok()
        name = machine.run(["cat", "/run/fairlead/default/cgroup"]).ok().out
        assert machine.on_node("master", "cat", "/proc/self/cgroup").ok().out.endswith(f"0::/{name}/master.node\n")
        machine.on_node("master", "conntrack", "-F").ok()  # what `up` has asked, from no process of the node
        asked = ["curl", "-sk", "--max-time", "3", "-w", "%{remote_ip}", "https://10.96.0.1/healthz"]
        # What getpeername(2) says is the Service, whichever way; that it is not by packets, the kernel's tracking says.
        assert machine.on_node("master", *asked).ok().out == "ok10.96.0.1"
        tracked = machine.on_node("master", "conntrack", "-L", "--orig-dst", "10.96.0.1", "-p", "tcp").ok().out
        assert tracked == ""
        machine.fairlead("down").ok()
        assert machine.run(["ls", f"/sys/fs/cgroup/{name}"]).code != 0
