"""Fields of a Service that are about its load balancer: what is refused, with which words, and what a change leaves."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.apiserver.requests import CORE, MERGE, Api, service, serving

Json = dict[str, Any]
PATH = f"{CORE}/services/x"
BALANCER, LOCAL = {"type": "LoadBalancer"}, {"type": "LoadBalancer", "externalTrafficPolicy": "Local"}


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with serving(tmp_path) as api:
        yield api


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            {"loadBalancerSourceRanges": ["10.0.0.0/8"]},
            "spec.LoadBalancerSourceRanges: Forbidden: may only be used when `type` is 'LoadBalancer'",
        ),
        (
            {**BALANCER, "loadBalancerSourceRanges": ["10.0.0.0/8", "10.0.0.1"]},
            (
                'spec.LoadBalancerSourceRanges: Invalid value: "[10.0.0.0/8 10.0.0.1]": must be a list of IP ranges. '
                "For example, 10.240.0.0/24,10.250.0.0/24 "
            ),
        ),
        (
            {"allocateLoadBalancerNodePorts": False},
            "spec.allocateLoadBalancerNodePorts: Forbidden: may only be used when `type` is 'LoadBalancer'",
        ),
        (
            {"loadBalancerClass": "a.b/c"},
            "spec.loadBalancerClass: Forbidden: may only be used when `type` is 'LoadBalancer'",
        ),
        (
            {**BALANCER, "healthCheckNodePort": 30009},
            (
                "spec.healthCheckNodePort: Invalid value: 30009: may only be set when `type` is 'LoadBalancer' and "
                "`externalTrafficPolicy` is 'Local'"
            ),
        ),
    ],
)
async def test_what_cannot_be_is_refused(api: Api, spec: Json, message: str) -> None:
    answer = await api("POST", f"{CORE}/services", service("x", **spec))
    answer.failed(422, "Invalid")
    assert answer.message == f'Service "x" is invalid: {message}'


async def test_the_class_and_the_health_checks_port_may_not_change(api: Api) -> None:
    (await api("POST", f"{CORE}/services", service("x", **LOCAL, loadBalancerClass="a.b/c"))).ok()
    for change, message in (
        ({"loadBalancerClass": "a.b/d"}, 'spec.loadBalancerClass: Invalid value: "a.b/d": may not change once set'),
        ({"healthCheckNodePort": 32001}, "spec.healthCheckNodePort: Invalid value: 32001: field is immutable"),
    ):
        answer = await api("PATCH", PATH, {"spec": change}, MERGE)
        answer.failed(422, "Invalid")
        assert answer.message == f'Service "x" is invalid: {message}'


async def test_the_policy_of_traffic_from_outside_is_of_services_that_are_reached_from_there(api: Api) -> None:
    made = (await api("POST", f"{CORE}/services", service("x"))).ok()["spec"]
    assert "externalTrafficPolicy" not in made
    refused = await api("PATCH", PATH, {"spec": {"externalTrafficPolicy": "Local"}}, MERGE)
    refused.failed(422, "Invalid")
    assert refused.message == (
        'Service "x" is invalid: spec.externalTrafficPolicy: Invalid value: "Local": '
        "may only be set for externally-accessible services"
    )
    opened = await api("PATCH", PATH, {"spec": {"externalIPs": ["198.51.100.32"]}}, MERGE)
    assert opened.ok()["spec"]["externalTrafficPolicy"] == "Cluster"
    (await api("PATCH", PATH, {"spec": {"externalTrafficPolicy": "Local"}}, MERGE)).ok()
    closed = await api("PATCH", PATH, {"spec": {"externalIPs": None}}, MERGE)
    assert "externalTrafficPolicy" not in closed.ok()["spec"]


async def test_a_distribution_that_nobody_knows_is_refused(api: Api) -> None:
    answer = await api("POST", f"{CORE}/services", service("x", trafficDistribution="PreferFar"))
    answer.failed(422, "Invalid")
    assert 'spec.trafficDistribution: Unsupported value: "PreferFar": supported values: "PreferClose"' in answer.message


async def test_a_health_check_has_a_port_as_long_as_the_policy_is_local(api: Api) -> None:
    spec: Json = {**LOCAL, "allocateLoadBalancerNodePorts": False}
    made = (await api("POST", f"{CORE}/services", service("x", **spec))).ok()["spec"]
    number = made["healthCheckNodePort"]
    assert "nodePort" not in made["ports"][0]
    kept = await api("PATCH", PATH, {"metadata": {"labels": {"a": "b"}}}, MERGE)
    assert kept.ok()["spec"]["healthCheckNodePort"] == number
    without = await api("PATCH", PATH, {"spec": {"externalTrafficPolicy": "Cluster"}}, MERGE)
    assert "healthCheckNodePort" not in without.ok()["spec"]
    again = await api("POST", f"{CORE}/services", service("y", **LOCAL, healthCheckNodePort=number))
    assert again.ok()["spec"]["healthCheckNodePort"] == number


@pytest.mark.parametrize(
    ("number", "why"),
    [
        (31999, "provided port is already allocated"),
        (80, "provided port is not in the valid range. The range of valid ports is 30000-32767"),
    ],
)
async def test_a_health_checks_port_that_cannot_be_given_is_an_error_of_the_server(
    api: Api, number: int, why: str
) -> None:
    (await api("POST", f"{CORE}/services", service("x", **LOCAL, healthCheckNodePort=31999))).ok()
    answer = await api("POST", f"{CORE}/services", service("y", **LOCAL, healthCheckNodePort=number))
    answer.failed(500, "InternalError")
    told = f"failed to allocate requested HealthCheck NodePort {number}: {why}"
    assert answer.message == f"Internal error occurred: {told}"


@pytest.mark.parametrize(
    ("type_", "ranges", "message"),
    [
        ("LoadBalancer", "", ""),
        ("LoadBalancer", "10.0.0.0/8, 192.0.2.0/24", ""),
        ("LoadBalancer", "10.0.0.0/8,", 'Invalid value: "10.0.0.0/8,": must be a list of IP ranges. For example, '),
        ("LoadBalancer", "10.0.0.1", 'Invalid value: "10.0.0.1": must be a list of IP ranges. For example, '),
        ("ClusterIP", "10.0.0.0/8", "Forbidden: may only be used when `type` is 'LoadBalancer'"),
    ],
)
async def test_source_ranges_by_annotation_are_read_as_the_field_is(
    api: Api, type_: str, ranges: str, message: str
) -> None:
    name = "service.beta.kubernetes.io/load-balancer-source-ranges"
    body = service("x", type_)
    body["metadata"]["annotations"] = {name: ranges}
    answer = await api("POST", f"{CORE}/services", body)
    if message:
        answer.failed(422, "Invalid")
        assert answer.message.startswith(f'Service "x" is invalid: metadata.annotations[{name}]: {message}')
    else:
        answer.ok()


async def test_node_ports_that_are_not_given_by_themselves_can_be_asked_for_and_stay(api: Api) -> None:
    ports = [{"name": "a", "port": 80, "nodePort": 30080}, {"name": "b", "port": 81}]
    spec: Json = {**BALANCER, "allocateLoadBalancerNodePorts": False, "ports": ports}
    made = (await api("POST", f"{CORE}/services", service("x", **spec))).ok()["spec"]["ports"]
    assert [each.get("nodePort") for each in made] == [30080, None]
    taken = await api("POST", f"{CORE}/services", service("y", type="NodePort", ports=[{"port": 1, "nodePort": 30080}]))
    assert "provided port is already allocated" in taken.failed(422, "Invalid")["message"]

    (await api("PATCH", PATH, {"spec": {"allocateLoadBalancerNodePorts": True}}, MERGE)).ok()
    off = await api("PATCH", PATH, {"spec": {"allocateLoadBalancerNodePorts": False}}, MERGE)
    assert all(each.get("nodePort") for each in off.ok()["spec"]["ports"])  # whoever wants them gone says so


async def test_a_status_has_a_mode_with_each_address_and_nothing_that_is_none(api: Api) -> None:
    (await api("POST", f"{CORE}/services", service("x", **BALANCER))).ok()

    async def show(**ingress: str) -> Any:
        body = {"status": {"loadBalancer": {"ingress": [ingress]}}}
        return await api("PATCH", f"{PATH}/status", body, MERGE)

    shown = (await show(ip="192.0.2.1")).ok()["status"]["loadBalancer"]["ingress"]
    assert shown == [{"ip": "192.0.2.1", "ipMode": "VIP"}]
    (await show(hostname="lb.example.com")).ok()
    for given in (
        {"ip": "192.0.2"},
        {"hostname": "a_b"},
        {"hostname": "192.0.2.1"},
        {"hostname": "a", "ipMode": "VIP"},
    ):
        (await show(**given)).failed(422, "Invalid")
    (await show(ip="192.0.2.1", ipMode="Other")).failed(422, "Invalid")
    gone = (await api("PATCH", PATH, {"spec": {"type": "ClusterIP"}}, MERGE)).ok()
    assert gone["status"] == {"loadBalancer": {}}
    assert "allocateLoadBalancerNodePorts" not in gone["spec"]
