"""Section 1.3 as written, where the kernel has IPVS: the mode is edited, pods are deleted, `ipvsadm -Ln` shows it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.kubectl import Kubectl, installed
from tests.e2e.machine import Machine, eventually, sandbox

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

NODES = ("master", "node1")
BY_HAND = """
apiVersion: v1
kind: Service
metadata: {name: by-hand, namespace: dev}
spec:
  clusterIP: 10.97.97.98
  ports: [{port: 80, targetPort: 80}]
---
apiVersion: v1
kind: Endpoints
metadata: {name: by-hand, namespace: dev}
subsets:
- addresses: [{ip: 10.244.1.72}, {ip: 10.244.1.73}, {ip: 10.244.2.78}]
  ports: [{port: 80}]
"""


@pytest.fixture(scope="module")
def kubectl() -> Iterator[Kubectl]:
    """In a cluster whose proxies are to use iptables; whether they can is no matter here."""
    with sandbox() as machine:
        machine.fairlead("up", "--nodes", "2", "--proxy-mode", "iptables", seconds=120)
        yield Kubectl(machine, installed()["1.20"])
        machine.fairlead("down", seconds=60).ok()


def _serves(machine: Machine, node: str, mode: str) -> None:
    assert machine.on_node(node, "curl", "-s", "127.0.0.1:10249/proxyMode").out == mode


def _edit(kubectl: Kubectl, mode: str) -> None:
    editor = f'sed -i \'s/mode: "[a-z]*"/mode: "{mode}"/\''
    command = ["env", f"KUBE_EDITOR={editor}", str(kubectl.binary), "edit", "cm", "kube-proxy", "-n", "kube-system"]
    assert kubectl.machine.on_node("master", *command).ok().out == "configmap/kube-proxy edited\n"
    kubectl("delete pod -l k8s-app=kube-proxy -n kube-system").ok()
    for node in NODES:
        eventually(lambda: _serves(kubectl.machine, node, mode), 60)  # noqa: B023  # called at once


def _listed(machine: Machine, node: str) -> list[str]:
    """What `ipvsadm -Ln` prints behind its three lines of titles, blanks as one."""
    lines = machine.on_node(node, "ipvsadm", "-Ln").ok().out.splitlines()
    assert lines[0].startswith("IP Virtual Server version 1.2.1 (size=")
    return [" ".join(line.split()) for line in lines[3:]]


def _has(machine: Machine, wanted: list[str]) -> None:
    listed = "\n".join(_listed(machine, "node1"))
    assert "\n".join(wanted) in listed, listed


def test_the_mode_is_edited_and_services_are_virtual_servers(kubectl: Kubectl, chapter: Path) -> None:
    machine = kubectl.machine
    assert _listed(machine, "master") == []
    _edit(kubectl, "ipvs")
    for node in NODES:
        listed = _listed(machine, node)
        at = listed.index("TCP 10.96.0.1:443 rr")
        assert listed[at + 1] == "-> 192.168.109.100:6443 Masq 1 0 0"
        assert {"TCP 10.96.0.10:53 rr", "TCP 10.96.0.10:9153 rr", "UDP 10.96.0.10:53 rr"} <= set(listed)
    assert machine.on_node("node1", "curl", "-sk", "--max-time", "5", "https://10.96.0.1/healthz").ok().out == "ok"

    kubectl("create ns dev").ok()
    kubectl("create -f -", stdin=BY_HAND).ok()
    wanted = ["TCP 10.97.97.98:80 rr", *(f"-> {each}:80 Masq 1 0 0" for each in ("10.244.1.72", "10.244.1.73"))]
    eventually(lambda: _has(machine, [*wanted, "-> 10.244.2.78:80 Masq 1 0 0"]))
    kubectl(f"create -f {chapter}/service-clusterip-sticky.yaml").ok()
    eventually(lambda: _has(machine, ["TCP 10.97.97.97:80 rr persistent 10800"]))

    told = machine.fairlead("explain", "service/by-hand", "-n", "dev", "--from", "node/node1").out
    assert "ipvs TCP 10.97.97.98:80 rr" in told
    assert "ipvs -> 10.244.1.72:80 Masq 1" in told
    assert machine.fairlead("status").ok().out.count("proxy mode ipvs") == 2
