"""Section 1: the proxy's mode is changed in its ConfigMap while traffic flows; without IPVS it is iptables instead."""

import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.kubectl import Kubectl
from tests.e2e.machine import FAIRLEAD, Machine, eventually

pytestmark = pytest.mark.e2e

ASK = """
i=0
while [ $i -lt 2000 ]; do i=$((i+1)); curl -s --max-time 2 -o /dev/null -w '%{http_code}\\n' 10.97.97.97; done
"""
NODES = ("master", "node1", "node2")


def _served_by(machine: Machine, node: str) -> str:
    return machine.on_node(node, "curl", "-s", "127.0.0.1:10249/proxyMode").out


def _edit(kubectl: Kubectl, mode: str) -> None:
    """As `kubectl edit cm kube-proxy -n kube-system`, with an editor that changes one line."""
    editor = f'sed -i \'s/mode: "[a-z]*"/mode: "{mode}"/\''
    told = kubectl.machine.on_node(
        "master", "env", f"KUBE_EDITOR={editor}", str(kubectl.binary), "edit", "cm", "kube-proxy", "-n", "kube-system"
    )
    assert told.ok().out == "configmap/kube-proxy edited\n"
    assert len(re.findall('pod "kube-proxy-', kubectl("delete pod -l k8s-app=kube-proxy -n kube-system").ok().out)) == 3


@pytest.fixture
def restored(newest: Kubectl) -> Iterator[Kubectl]:
    yield newest
    _edit(newest, "nftables")
    eventually(lambda: _all_serve(newest.machine, "nftables"), 20)


def _all_serve(machine: Machine, mode: str) -> None:
    assert {_served_by(machine, node) for node in NODES} == {mode}


@pytest.mark.parametrize("mode", ["ebpf", "iptables", "userspace"])
def test_a_mode_is_changed_under_load_and_no_request_fails(
    restored: Kubectl, application: dict[str, str], chapter: Path, tmp_path: Path, mode: str
) -> None:
    machine = restored.machine
    restored(f"create -f {chapter}/service-clusterip.yaml").ok()
    restored(f"create -f {chapter}/service-nodeport.yaml").ok()
    machine.on_node("node1", "curl", "-s", "--retry", "5", "--retry-all-errors", "10.97.97.97").ok()
    enter = ["nsenter", "--target", str(machine.pid), "--net", "--mount", "--pid", "--"]
    answers = tmp_path / "answers"
    with (
        answers.open("w") as file,
        subprocess.Popen([*enter, str(FAIRLEAD), "exec", "node1", "--", "sh", "-c", ASK], stdout=file) as asking,
    ):
        try:
            _edit(restored, mode)
            eventually(lambda: _all_serve(machine, mode), 20)
            time.sleep(1)
        finally:
            machine.run(["pkill", "-f", "while \\[ \\$i -lt 2000"])
            asking.wait(10)
    codes = answers.read_text().split()
    assert len(codes) > 30
    assert set(codes) == {"200"}
    rules = machine.on_node("node1", "iptables-save", "-t", "nat").ok().out
    assert ('--comment "dev/service-clusterip cluster IP"' in rules) == (mode == "iptables")
    nftables = machine.on_node("node1", "nft", "list", "table", "ip", "kube-proxy").code == 0
    assert nftables == (mode == "ebpf")  # which needs it for what comes from outside
    counted = machine.on_node("node1", "curl", "-s", "127.0.0.1:10249/metrics").ok().out
    synced = re.search(r'kubeproxy_sync_proxy_rules_duration_seconds_count\{ip_family="IPv4"\} (\S+)', counted)
    assert synced is not None
    assert float(synced[1]) > 0
    own = ["127.0.0.1:30002"] if mode == "iptables" else []
    for address in ("10.97.97.97", "192.168.109.101:30002", *own):
        loop = f"for i in $(seq 20); do curl -sS --max-time 5 http://{address}; done"
        assert set(machine.on_node("node2", "sh", "-c", loop).ok().out.split()) == set(application.values())
    restored('patch svc service-clusterip -n dev -p {"spec":{"sessionAffinity":"ClientIP"}}').ok()

    def sticky() -> None:
        loop = "for i in $(seq 20); do curl -sS --max-time 5 http://10.97.97.97; done"
        assert len(set(machine.on_node("node2", "sh", "-c", loop).ok().out.split())) == 1

    eventually(sticky)
    machine.fairlead("explain", "service/service-clusterip", "-n", "dev", "--from", "node/node2").ok()


@pytest.mark.skipif(Path("/proc/net/ip_vs").exists(), reason="this kernel has IPVS")
def test_without_ipvs_in_the_kernel_iptables_serves_and_it_is_said(restored: Kubectl) -> None:
    machine = restored.machine
    _edit(restored, "ipvs")
    eventually(lambda: _all_serve(machine, "iptables"), 20)

    def told() -> None:
        events = restored("get events -A --field-selector reason=ProxyModeFallback").ok().out
        assert events.count('cannot use the proxy mode "ipvs", falling back to "iptables"') == 3

    eventually(told)
    assert machine.fairlead("status").ok().out.count("proxy mode iptables, because ipvs cannot be used") == 3


def test_a_configuration_that_cannot_be_is_refused_by_the_name_of_its_field(restored: Kubectl) -> None:
    machine = restored.machine
    _edit(restored, "magic")

    def refused() -> None:
        rows = [row for row in restored.rows("get pods -n kube-system") if row["NAME"].startswith("kube-proxy")]
        assert {row["STATUS"] for row in rows} <= {"Error", "CrashLoopBackOff"}
        told = restored(f"logs -n kube-system {rows[0]['NAME']}").ok().out
        assert 'mode: Unsupported value: "magic": supported values: "ebpf", "iptables", "ipvs", "nftables", ' in told

    eventually(refused, 20)
    machine.on_node("node1", "curl", "-sk", "--max-time", "3", "https://10.96.0.1/healthz").ok()  # the rules stay
