"""Requests from outside while each proxy, the device's controller and each node's network die and come back."""

import json
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.e2e.asking import DNS, WINDOW, Asking, all_answer, keep, keep_by_sctp, kill_network, lost
from tests.e2e.kubectl import Kubectl
from tests.e2e.machine import Machine, eventually
from tests.e2e.test_section_3_6_loadbalancer import HOST

pytestmark = pytest.mark.e2e

NODES = ("master", "node1", "node2")
# On each node but the first, pods that answer by HTTP and by SCTP, for whose address a node answers that has one.
# On the last alone, a web server that every node leads to.
APPLICATIONS = """
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: everywhere, namespace: dev}
spec:
  selector: {matchLabels: {app: everywhere}}
  template:
    metadata: {labels: {app: everywhere}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - {name: web, image: "nginx:1.17.1"}
      - {name: echo, image: "echo:sctp", command: [/usr/lib/usrsctp/echo_server], tty: true}  # else its log waits
---
apiVersion: v1
kind: Service
metadata: {name: everywhere, namespace: dev}
spec:
  type: LoadBalancer
  externalTrafficPolicy: Local
  ipFamilyPolicy: PreferDualStack
  selector: {app: everywhere}
  ports: [{name: web, port: 80}, {name: echo, port: 7000, targetPort: 7, protocol: SCTP}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: remote, namespace: dev}
spec:
  selector: {matchLabels: {app: remote}}
  template:
    metadata: {labels: {app: remote}}
    spec:
      nodeSelector: {kubernetes.io/hostname: node2}
      containers: [{name: web, image: "nginx:1.17.1"}]
---
apiVersion: v1
kind: Service
metadata: {name: remote, namespace: dev}
spec:
  type: LoadBalancer
  ipFamilyPolicy: PreferDualStack
  selector: {app: remote}
  ports: [{port: 80}]
---
apiVersion: v1
kind: Service
metadata: {name: names, namespace: kube-system}
spec:
  type: LoadBalancer
  externalTrafficPolicy: Local
  ipFamilyPolicy: PreferDualStack
  selector: {k8s-app: kube-dns}
  ports: [{port: 53, protocol: UDP}]
"""


@pytest.fixture
def addresses(newest: Kubectl) -> Iterator[dict[str, list[str]]]:
    """Of each Service, in each family; everything is running."""
    newest.machine.fairlead("image", "from-package", "libusrsctp-examples", "--tag", "echo:sctp").ok()
    newest("apply -f -", stdin=APPLICATIONS).ok()
    newest("rollout status ds/everywhere -n dev --timeout=30s").ok()
    newest("rollout status deployment/remote -n dev --timeout=30s").ok()
    found: dict[str, list[str]] = {}

    def have() -> None:
        for name, namespace in (("everywhere", "dev"), ("remote", "dev"), ("names", "kube-system")):
            service: Any = json.loads(newest(f"get svc {name} -n {namespace} -o json").ok().out)
            found[name] = [each["ip"] for each in service["status"]["loadBalancer"].get("ingress", ())]
            assert len(found[name]) == len(service["spec"]["ipFamilies"])

    eventually(have)
    yield found
    newest("delete svc names -n kube-system").ok()


def test_not_one_request_is_lost_but_in_the_seconds_after_a_death(
    newest: Kubectl, addresses: dict[str, list[str]]
) -> None:
    machine = newest.machine
    everywhere, remote, names = (addresses[name] for name in ("everywhere", "remote", "names"))
    eventually(lambda: all_answer(machine, everywhere[0], remote[-1]))
    windows: list[tuple[float, float]] = []
    with Asking(machine) as asking:
        asking.start("TCP to nodes with pods", everywhere[0])
        asking.start_sctp("SCTP to nodes with pods", everywhere[0], 7000)
        asking.start("UDP to nodes with pods", names[0], DNS)
        asking.start("TCP to any node", remote[-1])
        time.sleep(1.0)
        for process in [*_processes(machine, "kube-proxy"), *_processes(machine, "loadbalancer")]:
            machine.run(["kill", "-9", str(process)]).ok()
            time.sleep(0.7)
        time.sleep(1.5)
        for node in NODES:
            windows.append(kill_network(machine, node, WINDOW + 0.6))
            returned = time.monotonic()
            time.sleep(1.6)
    for what, each in asking.found.items():
        if what == "TCP to any node":  # its only pod died with the last node
            windows.append((windows[-1][0], returned + 1.0))
        began = windows[0][0]
        assert [round(when - began, 2) for when in lost(each, windows)] == [], what
        assert sum(well for _, well in each) > 200, what
    assert newest("get nodes").ok().out.count(" Ready") == 3


def test_by_sctp_too_the_client_is_seen(newest: Kubectl, addresses: dict[str, list[str]]) -> None:
    seen = set()
    for address in addresses["everywhere"]:
        eventually(lambda: all_answer(newest.machine, address))  # noqa: B023  # called at once
        with Asking(newest.machine) as asking:
            asking.start_sctp("", address, 7000)
            time.sleep(1.0)
        assert lost(asking.found[""], ()) == []
        seen.add(f"::ffff:{HOST}" if ":" not in address else f"{address.rpartition('::')[0]}::1")
    for pod in newest("get pods -n dev -l app=everywhere -o name").ok().out.split():
        log = newest(f"logs -n dev {pod} -c echo").ok().out
        assert set(re.findall(r"received from ([0-9a-f:.]+):\d+ ", log)) == seen


@pytest.mark.parametrize("family", [0, -1])
def test_what_is_open_stays_where_a_node_shall_get_nothing_new(
    newest: Kubectl, addresses: dict[str, list[str]], family: int
) -> None:
    address, machine = addresses["everywhere"][family], newest.machine
    eventually(lambda: all_answer(machine, address))
    label = "node.kubernetes.io/exclude-from-external-load-balancers"
    with ThreadPoolExecutor() as pool:
        kept = [keep(pool, machine, address, 8, 2.0), keep_by_sctp(pool, machine, address, 7000, 8, 2.0)]
        time.sleep(0.7)
        newest(f"label node node1 {label}=true").ok()
        found = [each.result() for each in kept]
        logs = [_log_of(newest, node) for node in ("node1", "node2")]
        assert found == [[8, 8, 8]] * 2
        with Asking(machine) as asking:
            asking.start("", address)
            time.sleep(0.5)
        assert lost(asking.found[""], ()) == []
    assert _log_of(newest, "node1") == logs[0]  # nothing new came
    assert _log_of(newest, "node2") != logs[1]
    newest(f"label node node1 {label}-").ok()


def _log_of(kubectl: Kubectl, node: str) -> str:
    pods = kubectl(f"get pods -n dev -l app=everywhere -o name --field-selector spec.nodeName={node}").ok().out
    return kubectl(f"logs -n dev {pods.strip()} -c web").ok().out


def _processes(machine: Machine, name: str) -> list[int]:
    report = json.loads(machine.fairlead("status", "--output", "json").ok().out)
    return [each["pid"] for each in report["processes"] if each["name"].startswith(name[:10])]
