"""The cluster itself: up, down, up again after a crash; what is left behind is nothing, and what was stored is kept."""

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.machine import FAIRLEAD, REPOSITORY, Machine, eventually, sandbox

pytestmark = pytest.mark.e2e

IPV6 = Path("/proc/net/if_inet6").exists()
CHAPTER = REPOSITORY / "examples/chapter"


@pytest.fixture
def empty() -> Iterator[Machine]:
    with sandbox() as machine:
        yield machine


def _processes(machine: Machine) -> list[str]:
    """All but the sandbox's own first process and this listing."""
    lines = machine.run(["ps", "-eo", "pid=,stat=,comm="]).ok().out.splitlines()
    rows = [line.split(None, 2) for line in lines]
    return [name for pid, state, name in rows if pid != "1" and not state.startswith("Z") and name != "ps"]


def _left(machine: Machine) -> dict[str, str]:
    """What a cluster could leave behind, by where."""
    return {
        "processes": " ".join(_processes(machine)),
        "links": machine.run(["ip", "-o", "link"]).ok().out.replace("\n", " ").split("1: lo:")[0],
        "rules": machine.run(["nft", "list", "ruleset"]).ok().out,
        "routes": machine.run(["ip", "route"]).ok().out + machine.run(["ip", "-6", "route"]).ok().out,
        "namespaces": machine.run(["ip", "netns"]).ok().out,
        "mounts": machine.run(["sh", "-c", "grep ' /run/fairlead/\\| /var/lib/fairlead/' /proc/mounts || true"]).out,
        "run": machine.run(["ls", "/run/fairlead"]).ok().out,
    }


def _crash(machine: Machine) -> None:
    """As if the power had gone: all processes end at once."""
    machine.run(["sh", "-c", "for pid in $(ps -eo pid=); do [ $pid = 1 ] || [ $pid = $$ ] || kill -9 $pid; done; true"])
    deadline = time.monotonic() + 5
    while _processes(machine):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _application(machine: Machine) -> None:
    machine.on_node("master", "kubectl", "create", "namespace", "dev").ok()
    machine.on_node("master", "kubectl", "create", "-f", str(CHAPTER / "deployment.yaml")).ok()
    machine.on_node("master", "kubectl", "create", "-f", str(CHAPTER / "service-clusterip.yaml")).ok()
    _available(machine)


def _available(machine: Machine) -> None:
    wait = ["kubectl", "rollout", "status", "-n", "dev", "deployment/pc-deployment", "--timeout=30s"]
    machine.on_node("master", *wait).ok()
    machine.on_node("node1", "curl", "-sS", "--retry", "5", "--retry-connrefused", "10.97.97.97").ok()


def test_nothing_is_left_after_down_and_what_was_stored_is_kept(empty: Machine) -> None:
    empty.fairlead("image", "from-package", "nginx", "--tag", "nginx:1.17.1").ok()
    before = _left(empty)
    empty.fairlead("up").ok()
    _application(empty)
    service = empty.on_node("master", "kubectl", "get", "service", "-n", "dev", "-o", "json").ok().out
    empty.fairlead("down").ok()
    assert _left(empty) == before

    empty.fairlead("up").ok()
    _available(empty)
    assert empty.on_node("master", "kubectl", "get", "service", "-n", "dev", "-o", "json").ok().out == service
    empty.fairlead("down", "--delete-state").ok()
    assert _left(empty) == before
    assert empty.run(["ls", "/var/lib/fairlead"]).ok().out == "images\n"


def test_a_cluster_that_died_whole_is_started_again(empty: Machine) -> None:
    empty.fairlead("image", "from-package", "nginx", "--tag", "nginx:1.17.1").ok()
    before = _left(empty)
    empty.fairlead("up").ok()
    _application(empty)
    _crash(empty)
    assert empty.fairlead("status").code == 1
    empty.fairlead("up").ok()
    _available(empty)
    _crash(empty)
    empty.fairlead("down").ok()
    assert _left(empty) == before


def test_a_reboot_forgets_run_and_keeps_state(empty: Machine) -> None:
    empty.fairlead("up", "--nodes", "1").ok()
    empty.on_node("master", "kubectl", "create", "configmap", "kept").ok()
    _crash(empty)
    empty.run(["sh", "-c", "umount -l /run/fairlead; mount -t tmpfs run /run/fairlead"]).ok()
    empty.fairlead("up").ok()
    empty.on_node("master", "kubectl", "get", "configmap", "kept").ok()
    empty.fairlead("down").ok()


def test_two_clusters_beside_each_other(empty: Machine) -> None:
    before = _left(empty)
    empty.fairlead("up", "--nodes", "1").ok()
    assert "fairlead shell --name other master" in empty.fairlead("up", "--name", "other", "--nodes", "2").ok().out
    nodes = empty.fairlead("exec", "--name", "other", "master", "--", "kubectl", "get", "nodes", "-o", "name").ok().out
    assert nodes == "node/master\nnode/node1\n"
    empty.fairlead("down", "--name", "other").ok()
    assert empty.on_node("master", "kubectl", "get", "nodes", "-o", "name").ok().out == "node/master\n"
    empty.fairlead("down").ok()
    assert _left(empty) == before


@pytest.mark.skipif(not IPV6, reason="this kernel has no IPv6")
def test_the_families_of_a_cluster_are_chosen_once(empty: Machine) -> None:
    empty.fairlead("up", "--nodes", "1", "--ip-family", "ipv4").ok()
    assert "fd00:" not in empty.run(["ip", "-6", "route"]).ok().out
    plain = empty.on_node("master", "kubectl", "get", "nodes,pods", "-A", "-o", "yaml").ok().out
    assert "fd00:" not in plain
    empty.fairlead("down").ok()
    refused = empty.fairlead("up", "--ip-family", "dual")
    assert "is kept with --ip-family ipv4: `fairlead down --delete-state` first" in refused.err
    empty.fairlead("down", "--delete-state").ok()


@pytest.mark.skipif(not IPV6, reason="this kernel has no IPv6")
def test_a_cluster_of_ipv6_alone(empty: Machine) -> None:
    empty.fairlead("image", "from-package", "nginx", "--tag", "nginx:1.17.1").ok()
    before = _left(empty)
    empty.fairlead("up", "--nodes", "2", "--ip-family", "ipv6").ok()
    kubectl = ["kubectl", "-n", "dev"]
    empty.on_node("master", "kubectl", "create", "namespace", "dev").ok()
    empty.on_node("master", *kubectl, "create", "-f", str(CHAPTER / "deployment.yaml")).ok()
    empty.on_node("master", *kubectl, "expose", "deployment/pc-deployment", "--port=80", "--type=NodePort").ok()
    empty.on_node("master", *kubectl, "rollout", "status", "deployment/pc-deployment", "--timeout=30s").ok()
    spec = json.loads(empty.on_node("master", *kubectl, "get", "svc/pc-deployment", "-o", "json").ok().out)["spec"]
    assert (spec["ipFamilies"], spec["ipFamilyPolicy"]) == (["IPv6"], "SingleStack")
    node_port = spec["ports"][0]["nodePort"]
    for url in (f"http://[{spec['clusterIP']}]", f"http://[fd00:192:168:109::101]:{node_port}"):
        page = empty.on_node("master", "curl", "-sS", "--retry", "5", "--retry-connrefused", "--max-time", "5", url)
        assert "Welcome to nginx!" in page.ok().out
    inside = empty.on_node("master", *kubectl, "exec", "deployment/pc-deployment", "--", "cat", "/etc/resolv.conf")
    assert inside.ok().out.startswith("nameserver fd00:10:96::a\n")
    by_name = ["curl", "-sS", "--max-time", "5", "http://pc-deployment"]
    page = empty.on_node("master", *kubectl, "exec", "deployment/pc-deployment", "--", *by_name)
    assert "Welcome to nginx!" in page.ok().out
    assert empty.on_node("master", "curl", "-sS", "http://[fd00:192:168:109::101]:10256/healthz").ok().out
    _reached_at_load_balancers(empty, kubectl)
    empty.fairlead("down", "--delete-state").ok()
    assert _left(empty) == before


def _reached_at_load_balancers(machine: Machine, kubectl: list[str]) -> None:
    """From the host: one that the device serves, and one that a node answers for."""
    config = ["kubectl", "-n", "kube-system", "patch", "cm", "load-balancer", "--type=merge", "-p"]
    pools = """\
apiVersion: loadbalancer.fairlead.dev/v1alpha1
kind: LoadBalancerConfiguration
defaultClass: fairlead.dev/device
pools:
- {name: lan, addresses: ["fd00:192:168:109::200"]}
- {name: l2, class: fairlead.dev/l2, addresses: ["fd00:192:168:109::20"]}
"""
    machine.on_node("master", *config, json.dumps({"data": {"config.yaml": pools}})).ok()
    machine.on_node("master", "kubectl", "apply", "-f", str(CHAPTER.parent / "load-balancer-l2.yaml")).ok()
    for way in ("device", "l2"):
        spec = {"type": "LoadBalancer", "loadBalancerClass": f"fairlead.dev/{way}", "selector": {"app": "nginx-pod"}}
        body = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": way},
            "spec": {**spec, "ports": [{"port": 80}]},
        }
        machine.on_node("master", *kubectl, "create", "-f", "-", stdin=json.dumps(body)).ok()
    for address in ("fd00:192:168:109::200", "fd00:192:168:109::20"):

        def answers(address: str = address) -> None:
            assert "Welcome to nginx!" in machine.run(["curl", "-sS", "--max-time", "1", f"http://[{address}]"]).out

        eventually(answers)
    machine.on_node("master", *kubectl, "delete", "svc", "device", "l2").ok()  # returns when they have let go


def test_up_twice_and_down_twice_say_so(empty: Machine) -> None:
    assert "was not running" in empty.fairlead("down").ok().out
    described = json.loads(empty.fairlead("up", "--nodes", "1", "--output", "json").ok().out)
    assert described["name"] == "default"
    assert described["seconds"]
    assert "is running already" in empty.fairlead("up").ok().out
    report = json.loads(empty.fairlead("status", "--output", "json").ok().out)
    assert [node["name"] for node in report["nodes"]] == ["master"]
    assert sum(each["pss"] for each in report["processes"]) > 0
    empty.fairlead("down").ok()


@pytest.mark.parametrize("seconds", [0.0, 0.2, 0.6])  # after the first that it makes, however long its imports take
def test_an_interrupted_up_leaves_what_down_takes_away(empty: Machine, seconds: float) -> None:
    before = _left(empty)
    enter = ["nsenter", "--target", str(empty.pid), "--net", "--mount", "--pid", "--", str(FAIRLEAD), "up"]
    with subprocess.Popen(enter, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as up:
        empty.run(["sh", "-c", "until [ -e /var/lib/fairlead/default ]; do sleep 0.01; done"], seconds=20).ok()
        time.sleep(seconds)
        empty.run(["pkill", "-INT", "-o", "-f", "fairlead up"])
        up.send_signal(signal.SIGINT)
        _, errors = up.communicate(timeout=30)
    assert "Traceback" not in errors
    empty.fairlead("down").ok()
    assert _left(empty) == before


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["exec", "node1", "--", "true"], "is not running"),
        (["kubeconfig"], "was never started"),
        (["up", "--nodes", "0"], "--nodes"),
        (["up", "--proxy-mode", "magic"], "--proxy-mode"),
        (["up", "--name", "a/b"], "--name"),
        (["up", "--name", "images"], "--name"),
        (["image", "rm", "none:1"], "none:1"),
        (["image", "load", "/none.tar"], "/none.tar"),
        (["image", "from-package", "no-such-package", "--tag", "x:1"], "no-such-package"),
    ],
)
def test_what_cannot_be_is_told_in_a_line(empty: Machine, arguments: list[str], text: str) -> None:
    told = empty.fairlead(*arguments)
    assert told.code != 0
    assert text in told.err
    assert "Traceback" not in told.err
