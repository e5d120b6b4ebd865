"""Section 3.6: a LoadBalancer Service, whose address answers outside the cluster, whatever happens to the nodes."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.kubectl import Kubectl
from tests.e2e.machine import Machine, eventually

pytestmark = pytest.mark.e2e

FINALIZER = "service.kubernetes.io/load-balancer-cleanup"
HOST = "192.168.109.1"


def address_of(kubectl: Kubectl, name: str) -> str:
    """Once it has one."""
    found = ""

    def has() -> None:
        nonlocal found
        found = kubectl(f"get svc {name} -n dev -o jsonpath={{.status.loadBalancer.ingress[0].ip}}").ok().out
        assert found

    eventually(has)
    return found


def fetched(machine: Machine, address: str, times: int = 1) -> set[str]:
    """Pages that the host gets there."""
    loop = f"for i in $(seq {times}); do curl -sS --max-time 2 http://{address}; done"
    return set(machine.run(["sh", "-c", loop]).ok().out.split())


def test_its_address_answers_the_host_and_goes_with_it(
    kubectl: Kubectl, application: dict[str, str], chapter: Path
) -> None:
    kubectl(f"create -f {chapter}/service-loadbalancer.yaml").ok()
    address = address_of(kubectl, "service-loadbalancer")
    (row,) = kubectl.rows("get svc -n dev")
    assert (row["TYPE"], row["EXTERNAL-IP"]) == ("LoadBalancer", address)
    assert re.fullmatch(r"80:3\d{4}/TCP", row["PORT(S)"])
    assert address.startswith("192.168.109.2")
    eventually(lambda: _same(fetched(kubectl.machine, address, 30), set(application.values())))

    service = json.loads(kubectl("get svc service-loadbalancer -n dev -o json").ok().out)
    assert service["status"]["loadBalancer"]["ingress"] == [{"ip": address, "ipMode": "VIP"}]
    assert service["metadata"]["finalizers"] == [FINALIZER]
    told = kubectl("describe svc service-loadbalancer -n dev").ok().out
    assert re.search(r"LoadBalancer Ingress: +" + re.escape(address), told)
    for line in ("EnsuringLoadBalancer +.* service-controller +Ensuring load", "EnsuredLoadBalancer +.* Ensured load"):
        assert re.search(r"Normal +" + line, told)

    # From a node, which does not leave it for that: its own proxy knows the address.
    inside = kubectl.machine.on_node("node1", "curl", "-sS", "--max-time", "5", address).ok()
    assert inside.out.strip() in application.values()
    kubectl("delete svc service-loadbalancer -n dev").ok()
    assert kubectl.machine.run(["curl", "-sS", "--max-time", "1", address]).code in (7, 28)


def test_the_client_is_seen_where_the_policy_is_local(newest: Kubectl, application: dict[str, str]) -> None:
    newest("create -f -", stdin=_service("local", externalTrafficPolicy="Local")).ok()
    address = address_of(newest, "local")
    number = int(newest("get svc local -n dev -o jsonpath={.spec.healthCheckNodePort}").ok().out)
    assert 30000 <= number <= 32767
    eventually(lambda: _same(fetched(newest.machine, address, 20), set(application.values())))
    for pod in application:
        assert newest(f"logs {pod} -n dev --tail=1").ok().out.startswith(f"{HOST} - - ")


def test_only_source_ranges_may_come(newest: Kubectl, application: dict[str, str]) -> None:
    newest("create -f -", stdin=_service("guarded", loadBalancerSourceRanges=["203.0.113.0/24"])).ok()
    address = address_of(newest, "guarded")
    outside = ["curl", "-sS", "--max-time", "0.5", address]
    eventually(lambda: _same(newest.machine.run(outside).code, 28))
    patch = json.dumps({"spec": {"loadBalancerSourceRanges": [f"{HOST}/32"]}})
    newest.argv("patch", "svc", "guarded", "-n", "dev", "-p", patch).ok()
    eventually(lambda: _same(newest.machine.run(outside).code, 0))
    assert "LoadBalancerSourceRanges" in newest("describe svc guarded -n dev").ok().out


def test_both_families_and_no_node_ports(newest: Kubectl, application: dict[str, str]) -> None:
    fields = {"ipFamilyPolicy": "PreferDualStack", "allocateLoadBalancerNodePorts": False}
    newest("create -f -", stdin=_service("both", **fields)).ok()
    address_of(newest, "both")
    service = json.loads(newest("get svc both -n dev -o json").ok().out)
    assert "nodePort" not in service["spec"]["ports"][0]
    found = [each["ip"] for each in service["status"]["loadBalancer"]["ingress"]]
    assert [":" in each for each in found] == [False, True][: len(service["spec"]["ipFamilies"])]
    for address in found:
        host = f"[{address}]" if ":" in address else address
        eventually(lambda: _same(fetched(newest.machine, host, 20), set(application.values())))  # noqa: B023


def test_datagrams_too_and_one_address_for_two_services(newest: Kubectl) -> None:
    """The cluster's DNS, outside of it: over TCP by one Service and over UDP by another, on the same address."""
    selector = json.loads(newest("get svc kube-dns -n kube-system -o json").ok().out)["spec"]["selector"]
    for name in ("tcp", "udp"):
        body = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {
                "name": f"dns-{name}",
                "namespace": "kube-system",
                "annotations": {"loadbalancer.fairlead.dev/allow-shared-ip": "dns"},
            },
            "spec": {"type": "LoadBalancer", "selector": selector, "ports": [{"port": 53, "protocol": name.upper()}]},
        }
        newest("create -f -", stdin=json.dumps(body)).ok()
    try:
        jsonpath = "-o jsonpath={.status.loadBalancer.ingress[0].ip}"
        for option in ("+notcp", "+tcp"):

            def answers(option: str = option) -> None:
                address = newest(f"get svc dns-tcp -n kube-system {jsonpath}").ok().out
                assert address
                assert newest(f"get svc dns-udp -n kube-system {jsonpath}").ok().out == address
                dig = ["dig", option, "+short", "+time=1", "+tries=1", f"@{address}"]
                asked = newest.machine.run([*dig, "kubernetes.default.svc.cluster.local"])
                assert asked.out == "10.96.0.1\n"

            eventually(answers)
    finally:
        newest("delete svc dns-tcp dns-udp -n kube-system").ok()


def test_pools_that_run_out_are_told_and_more_addresses_end_the_wait(newest: Kubectl) -> None:
    config = json.loads(newest("get cm load-balancer -n kube-system -o json").ok().out)["data"]["config.yaml"]
    try:
        _set_pools(newest, re.sub(r'- "192[^"]*"', '- "192.168.109.240/32"', config))
        for name in ("one", "two"):
            newest("create -f -", stdin=_service(name)).ok()
        assert address_of(newest, "one") == "192.168.109.240"
        assert {row["NAME"]: row["EXTERNAL-IP"] for row in newest.rows("get svc -n dev")}["two"] == "<pending>"

        def told() -> None:
            text = newest("describe svc two -n dev").ok().out
            assert re.search(r"Warning +SyncLoadBalancerFailed .*no IPv4 address is free in pool lan", text)

        eventually(told)
        _set_pools(newest, config.replace("pools:", "pools:\n- {name: more, addresses: [192.168.109.10]}"))
        assert address_of(newest, "two") == "192.168.109.10"
    finally:
        _set_pools(newest, config)


def _set_pools(kubectl: Kubectl, text: str) -> None:
    patch = json.dumps({"data": {"config.yaml": text}})
    kubectl.argv("patch", "cm", "load-balancer", "-n", "kube-system", "--type=merge", "-p", patch).ok()


def _service(name: str, **spec: Any) -> str:
    body = {"type": "LoadBalancer", "selector": {"app": "nginx-pod"}, "ports": [{"port": 80, "targetPort": 80}], **spec}
    metadata = {"name": name, "namespace": "dev"}
    return json.dumps({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": body})


def _same(one: object, other: object) -> None:
    assert one == other
