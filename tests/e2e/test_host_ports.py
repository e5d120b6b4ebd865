"""`hostPort`: a port of the node leads to a pod, in each family, from everywhere, while the pod is there."""

import json
import time
from typing import Any

import pytest

from tests.e2e.kubectl import Kubectl
from tests.e2e.machine import Machine, eventually

pytestmark = pytest.mark.e2e

NODE = ("192.168.109.101", "[fd00:192:168:109::101]")


def pod(name: str, *ports: dict[str, Any]) -> str:
    container = {"name": "web", "image": "nginx:1.17.1", "ports": list(ports)}
    spec = {"nodeName": "node1", "containers": [container], "terminationGracePeriodSeconds": 0}
    return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec})


def curl(machine: Machine, node: str | None, url: str) -> str:
    """The page; empty where nobody takes the connection."""
    command = ["curl", "-sS", "--max-time", "3", url]
    return (machine.on_node(node, *command) if node else machine.run(command)).out


def test_a_port_of_the_node_leads_to_the_pod_while_it_is_there(newest: Kubectl) -> None:
    machine = newest.machine
    newest("create -n dev -f -", stdin=pod("first", {"containerPort": 80, "hostPort": 8088})).ok()
    newest("wait -n dev --for=condition=Ready pod/first --timeout=20s").ok()
    for address in NODE:
        for place in (None, "master", "node1"):
            assert "Welcome to nginx!" in curl(machine, place, f"http://{address}:8088"), (place, address)
        itself = newest(f"exec -n dev first -- curl -sS --max-time 3 http://{address}:8088")
        assert "Welcome to nginx!" in itself.ok().out, "a pod reaches itself"
    assert "Welcome to nginx!" in curl(machine, "node1", "http://127.0.0.1:8088")
    assert curl(machine, "node2", "http://192.168.109.102:8088") == "", "the pod's node only"
    address = newest("get pod -n dev first -o jsonpath={.status.podIP}").ok().out
    said = newest("logs -n dev first").ok().out
    assert "192.168.109.1 - -" in said, "clients keep their address"
    assert f"{address} - -" not in said, "but for the pod itself, whose answers would not come back by the node"

    machine.run(["pkill", "-KILL", "-x", "fl-agent-node1"]).ok()  # another agent takes over what it finds
    assert "Welcome to nginx!" in curl(machine, None, f"http://{NODE[0]}:8088")
    time.sleep(0.5)
    newest("delete pod -n dev first --wait").ok()
    eventually(lambda: _refused(machine, *(f"http://{address}:8088" for address in NODE)))

    def nothing_is_left() -> None:  # the server is killed before its port is taken away
        assert "fairlead-host-ports" not in machine.on_node("node1", "nft", "list", "tables").ok().out

    eventually(nothing_is_left)


def test_a_port_of_one_address_is_not_of_the_others(newest: Kubectl) -> None:
    machine = newest.machine
    named = {"containerPort": 80, "hostPort": 8090, "hostIP": "fd00:192:168:109::101"}
    newest("create -n dev -f -", stdin=pod("second", named)).ok()
    newest("wait -n dev --for=condition=Ready pod/second --timeout=20s").ok()
    assert "Welcome to nginx!" in curl(machine, "master", f"http://{NODE[1]}:8090")
    _refused(machine, f"http://{NODE[0]}:8090")


def _refused(machine: Machine, *urls: str) -> None:
    for url in urls:
        assert curl(machine, None, url) == ""
