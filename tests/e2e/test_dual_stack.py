"""A cluster of both families, as `fairlead up` makes it: addresses of nodes and pods, Services of two families, and
packets of IPv6 from everywhere (the page "IPv4/IPv6 dual-stack", and KEP-563)."""

import json
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.kubectl import Kubectl
from tests.e2e.machine import Machine, eventually

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not Path("/proc/net/if_inet6").exists(), reason="this kernel has no IPv6"),
]

Json = dict[str, Any]
PODS, SERVICES = ip_network("fd00:10:244::/56"), ip_network("fd00:10:96::/112")
SERVICE = """\
apiVersion: v1
kind: Service
metadata: {name: both, namespace: dev}
spec:
  type: NodePort
  ipFamilyPolicy: PreferDualStack
  selector: {app: nginx-pod}
  ports: [{port: 80}]
"""


def got(kubectl: Kubectl, what: str) -> Json:
    found: Json = json.loads(kubectl(f"get {what} -o json").ok().out)
    return found


def addresses_of(kubectl: Kubectl) -> dict[str, list[str]]:
    """Pod name to addresses."""
    pods = got(kubectl, "pods -n dev")["items"]
    return {pod["metadata"]["name"]: [each["ip"] for each in pod["status"]["podIPs"]] for pod in pods}


def page(machine: Machine, node: str | None, address: str, port: int = 80) -> str:
    """As seen from a node, or from the host."""
    command = ["curl", "-sS", "--max-time", "5", "--retry", "5", "--retry-connrefused", f"http://[{address}]:{port}"]
    return (machine.on_node(node, *command) if node else machine.run(command)).ok().out.strip()


def test_nodes_and_pods_have_addresses_of_both_families(newest: Kubectl, application: dict[str, str]) -> None:
    for index, node in enumerate(got(newest, "nodes")["items"]):
        told = [each["address"] for each in node["status"]["addresses"] if each["type"] == "InternalIP"]
        assert told == [f"192.168.109.{100 + index}", f"fd00:192:168:109::{100 + index}"]
        assert node["spec"]["podCIDRs"][0] == node["spec"]["podCIDR"] == f"10.244.{index}.0/24"
        assert ip_network(node["spec"]["podCIDRs"][1]) == list(PODS.subnets(new_prefix=64))[index]
    for pod in got(newest, "pods -n dev")["items"]:
        status = pod["status"]
        first, second = (each["ip"] for each in status["podIPs"])
        assert first == status["podIP"] == application[pod["metadata"]["name"]]
        assert ip_address(second) in PODS
        (host, _) = (each["ip"] for each in status["hostIPs"])
        assert host == status["hostIP"]
    name, (first, second) = next(iter(addresses_of(newest).items()))
    hosts = newest(f"exec -n dev {name} -- cat /etc/hosts").ok().out
    assert f"{first}\t{name}\n{second}\t{name}\n" in hosts
    proxies = got(newest, "pods -n kube-system -l k8s-app=kube-proxy")["items"]
    assert all(each["status"]["podIPs"] == each["status"]["hostIPs"] for each in proxies)


def test_a_service_has_one_family_where_it_asks_for_nothing(newest: Kubectl, application: dict[str, str]) -> None:
    newest("expose deployment pc-deployment -n dev --name=plain --port=80").ok()
    spec = got(newest, "svc plain -n dev")["spec"]
    assert (spec["ipFamilyPolicy"], spec["ipFamilies"], len(spec["clusterIPs"])) == ("SingleStack", ["IPv4"], 1)


def test_a_service_of_both_families_is_reached_by_both(newest: Kubectl, application: dict[str, str]) -> None:
    machine = newest.machine
    newest("create -f -", stdin=SERVICE).ok()
    spec = got(newest, "svc both -n dev")["spec"]
    assert (spec["ipFamilies"], spec["clusterIP"]) == (["IPv4", "IPv6"], spec["clusterIPs"][0])
    six = spec["clusterIPs"][1]
    assert ip_address(six) in SERVICES
    described = newest("describe svc both -n dev").ok().out
    assert f"{spec['clusterIPs'][0]},{six}" in described

    def sliced() -> None:
        slices = got(newest, "endpointslices -n dev -l kubernetes.io/service-name=both")["items"]
        found = {each["addressType"]: sorted(a for e in each["endpoints"] for a in e["addresses"]) for each in slices}
        pods = addresses_of(newest).values()
        assert found == {"IPv4": sorted(four for four, _ in pods), "IPv6": sorted(other for _, other in pods)}

    eventually(sliced)
    pages = set(application.values())
    node_port = spec["ports"][0]["nodePort"]
    for node in ("master", "node1"):
        assert page(machine, node, six) in pages
    assert {page(machine, None, f"fd00:192:168:109::{number}", node_port) for number in (100, 101, 102)} <= pages
    name = next(iter(application))
    assert newest(f"exec -n dev {name} -- curl -sS --max-time 5 http://[{six}]").ok().out.strip() in pages
    reached = {page(machine, "master", six) for _ in range(30)}
    assert reached == pages, "each endpoint has its share"


def test_a_service_becomes_single_and_its_ipv6_address_is_refused(newest: Kubectl, application: dict[str, str]) -> None:
    newest("create -f -", stdin=SERVICE).ok()
    six = got(newest, "svc both -n dev")["spec"]["clusterIPs"][1]
    assert page(newest.machine, "node2", six) in application.values()
    newest('patch svc both -n dev -p {"spec":{"ipFamilyPolicy":"SingleStack"}}').ok()
    assert len(got(newest, "svc both -n dev")["spec"]["clusterIPs"]) == 1

    def gone() -> None:
        slices = got(newest, "endpointslices -n dev -l kubernetes.io/service-name=both")["items"]
        assert [each["addressType"] for each in slices] == ["IPv4"]
        answer = newest.machine.on_node("node2", "curl", "-sS", "--max-time", "2", f"http://[{six}]")
        assert answer.code != 0

    eventually(gone)


def test_pods_reach_each_other_by_ipv6_across_nodes(newest: Kubectl, application: dict[str, str]) -> None:
    pods = addresses_of(newest)
    for one in pods:
        for other, (four, six) in pods.items():
            told = newest(f"exec -n dev {one} -- curl -sS --max-time 5 http://[{six}]").ok().out.strip()
            assert told == four, f"{one} to {other}"


def test_no_packet_for_a_pod_or_service_of_ipv6_leaves_by_the_machines_uplink(
    newest: Kubectl, application: dict[str, str]
) -> None:
    """Whatever default route the machine has; and a node has none."""
    machine = newest.machine
    machine.run(["sh", "-c", "ip link add up0 type bridge; ip link set up0 up; ip -6 route add default dev up0"]).ok()
    try:
        for target in (next(iter(addresses_of(newest).values()))[1], "fd00:10:96::a"):
            assert "No route to host" in machine.run(["ip", "-6", "route", "get", target]).err
        for node in ("master", "node1"):
            assert "unreachable" in machine.on_node(node, "ip", "-6", "route", "get", "2001:db8::1").err
    finally:
        machine.run(["ip", "link", "del", "up0"]).ok()
