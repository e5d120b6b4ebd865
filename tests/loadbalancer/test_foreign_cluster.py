"""`fairlead loadbalancer --kubeconfig FILE` in a cluster that is none of ours, with the permissions of its manifest."""

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fairlead.loadbalancer.configuration import DEVICE, L2
from tests.loadbalancer.foreign import SYSTEM, Foreign
from tests.loadbalancer.lan import NODES, VIPS, Lan

pytestmark = pytest.mark.netns
FINALIZER = "service.kubernetes.io/load-balancer-cleanup"
EXCLUDED = {"node.kubernetes.io/exclude-from-external-load-balancers": "true"}
SLICES = "endpointslices.discovery.k8s.io"
ROLES = "clusterroles.rbac.authorization.k8s.io"
BOTH = [{"ip": each, "ipMode": "VIP"} for each in VIPS.values()]


@pytest.fixture
def device(built: Lan, tmp_path: Path) -> Iterator[Foreign]:
    with Foreign(built, tmp_path, "load-balancer-device.yaml", DEVICE).running() as cluster:
        yield cluster
    built.run("device", lambda: subprocess.run(["nft", "flush", "ruleset"], check=True))
    _forget(built)


@pytest.fixture
def nodes(built: Lan, tmp_path: Path) -> Iterator[Foreign]:
    with Foreign(built, tmp_path, "load-balancer-l2.yaml", L2).running() as cluster:
        yield cluster
    _forget(built)


def _forget(lan: Lan) -> None:
    lan.ip("client", "neigh flush all")


def _service(**spec: Any) -> dict[str, Any]:
    fields = {"type": "LoadBalancer", "ipFamilyPolicy": "RequireDualStack", "ports": [{"port": 80}], **spec}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "default"}, "spec": fields}


def _soon(check: Callable[[], object], seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            check()
        except (AssertionError, OSError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


def _shown(cluster: Foreign) -> Any:
    return cluster.get("services", "web")["status"]["loadBalancer"].get("ingress")


def _has(cluster: Foreign, wanted: object) -> Callable[[], None]:
    def check() -> None:
        assert _shown(cluster) == wanted

    return check


def _answered_by(lan: Lan, nodes: set[str], times: int = 20) -> Callable[[], None]:
    def check() -> None:
        for vip in VIPS.values():
            assert {lan.ask(vip, seconds=0.5).split()[0] for _ in range(times)} == nodes

    return check


def _goes(cluster: Foreign) -> None:
    """Deleted, it is gone as soon as nothing answers any more."""
    cluster.delete("services", "web")

    def gone() -> None:
        assert not cluster.has("services", "web")

    _soon(gone)
    _forget(cluster.lan)
    for vip in VIPS.values():
        with pytest.raises(OSError):  # refused, unreachable or silent
            cluster.lan.ask(vip, seconds=0.2)


def test_a_device_beside_a_foreign_cluster(device: Foreign, built: Lan) -> None:
    device.start("device")
    device.apply(_service())
    _soon(_has(device, BOTH))
    assert device.get("services", "web")["metadata"]["finalizers"] == [FINALIZER]
    _soon(_answered_by(built, set(NODES)))
    _soon(lambda: _same(device.reasons("web"), ["EnsuringLoadBalancer", "EnsuredLoadBalancer"]))

    with built.open(VIPS["IPv4"]) as opened:
        opened.send(b"?")
        first = opened.recv(100)
        device.kill("device")
        _answered_by(built, set(NODES))()  # by the kernel alone
        device.start("device")
        device.patch("nodes", first.split()[0].decode(), {"metadata": {"labels": EXCLUDED}}, None)
        _soon(_answered_by(built, set(NODES) - {first.split()[0].decode()}))
        opened.send(b"?")
        assert opened.recv(100) == first
    assert _shown(device) == BOTH
    assert device.reasons("web").count("EnsuredLoadBalancer") == 1
    _goes(device)


def test_nodes_of_a_foreign_cluster_that_answer_themselves(nodes: Foreign, built: Lan) -> None:
    for node in ("a", "b"):
        nodes.start(node, "--mode=l2", f"--node-name={node}")
    nodes.apply(_service(externalTrafficPolicy="Local"))
    _soon(_has(nodes, BOTH))
    for node in ("a", "b"):  # where the endpoints are
        nodes.apply(_slice(node)) if node == "a" else nodes.patch(SLICES, "web", _slice(node))
        _soon(_answered_by(built, {node}, 3))
    nodes.patch("services", "web", {"spec": {"externalTrafficPolicy": "Cluster"}})
    nodes.kill("b")
    _soon(_answered_by(built, {"a"}, 3), 2.0)
    nodes.start("b", "--mode=l2", "--node-name=b")
    _soon(lambda: _same("EnsuredLoadBalancer" in nodes.reasons("web"), True))
    _goes(nodes)


def _slice(node: str) -> dict[str, Any]:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "web", "namespace": "default", "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["10.244.0.1"], "nodeName": node}],
        "ports": [{"name": "", "port": 80, "protocol": "TCP"}],
    }


@pytest.mark.parametrize(("resource", "verb"), [("nodes", "list"), ("services/status", "patch"), ("events", "create")])
def test_a_permission_that_is_missing_is_named_and_waited_for(device: Foreign, resource: str, verb: str) -> None:
    role = device.get("clusterroles.rbac.authorization.k8s.io", "load-balancer-device")
    whole = role["rules"]
    lesser = [rule for rule in whole if resource not in rule["resources"]]
    device.patch(ROLES, "load-balancer-device", {"rules": lesser}, None)
    device.start("device")
    device.apply(_service())
    account = f"system:serviceaccount:{SYSTEM}:load-balancer-device"
    _soon(lambda: _in(f'User "{account}" cannot {verb} resource "{resource}" in API group ""', device.log("device")))
    device.patch(ROLES, "load-balancer-device", {"rules": whole}, None)
    _soon(_has(device, BOTH))
    _goes(device)


def _same(one: object, other: object) -> None:
    assert one == other


def _in(one: str, other: str) -> None:
    assert one in other
