"""A Service that has a load balancer, changed by kubectl: what answers outside is what it says, at once."""

import json
from typing import Any

import pytest

from tests.e2e.asking import all_answer, url
from tests.e2e.kubectl import Kubectl
from tests.e2e.machine import Machine, eventually
from tests.e2e.test_section_3_6_loadbalancer import _service, _set_pools, address_of

pytestmark = pytest.mark.e2e

WEB = {"name": "web", "port": 80, "targetPort": 80}
OTHER = {"name": "other", "port": 8080, "targetPort": 80}
DATAGRAMS = {"name": "datagrams", "port": 80, "targetPort": 80, "protocol": "UDP"}


def change(kubectl: Kubectl, **spec: Any) -> Any:
    """The Service's spec after it."""
    patch = json.dumps({"spec": spec})
    changed = kubectl.argv("patch", "svc", "web", "-n", "dev", "--type=merge", "-p", patch, "-o", "json").ok()
    return json.loads(changed.out)["spec"]


def answers(machine: Machine, address: str, port: int = 80) -> bool:
    return machine.run(["curl", "-sS", "--max-time", "0.5", f"{url(address)}:{port}"]).code == 0


def soon(machine: Machine, address: str, *, at: tuple[int, ...] = (), not_at: tuple[int, ...] = ()) -> None:
    def right() -> None:
        assert [port for port in (*at, *not_at) if answers(machine, address, port)] == list(at)

    eventually(right, 2.0)


def test_ports_protocols_policy_and_type_change_while_it_serves(newest: Kubectl, application: dict[str, str]) -> None:
    machine = newest.machine
    newest("create -f -", stdin=_service("web")).ok()
    address = address_of(newest, "web")
    soon(machine, address, at=(80,), not_at=(8080,))
    change(newest, ports=[OTHER])
    soon(machine, address, at=(8080,), not_at=(80,))
    spec = change(newest, ports=[WEB, DATAGRAMS, OTHER])
    assert spec["ports"][0]["nodePort"] == spec["ports"][1]["nodePort"]  # of one number, in two protocols
    soon(machine, address, at=(80, 8080))
    (row,) = newest.rows("get svc -n dev")
    assert (row["EXTERNAL-IP"], row["PORT(S)"].count("/UDP")) == (address, 1)

    assert change(newest, externalTrafficPolicy="Local")["healthCheckNodePort"] >= 30000
    soon(machine, address, at=(80, 8080))
    assert "healthCheckNodePort" not in change(newest, externalTrafficPolicy="Cluster", sessionAffinity="ClientIP")
    soon(machine, address, at=(80, 8080))
    assert len({machine.run(["curl", "-sS", url(address)]).ok().out for _ in range(8)}) == 1

    assert all("nodePort" not in port for port in change(newest, type="ClusterIP")["ports"])
    soon(machine, address, not_at=(80, 8080))
    assert "finalizers" not in newest("get svc web -n dev -o json").ok().out
    change(newest, type="NodePort")
    change(newest, type="LoadBalancer", allocateLoadBalancerNodePorts=False)
    soon(machine, address_of(newest, "web"), at=(80, 8080))
    told = newest("describe svc web -n dev").ok().out
    for message in ("LoadBalancer -> ClusterIP", "NodePort -> LoadBalancer", "Cluster -> Local", "Local -> Cluster"):
        assert message in told


def test_a_pool_that_is_gone_takes_its_addresses_along_and_a_broken_one_changes_nothing(
    newest: Kubectl, application: dict[str, str]
) -> None:
    machine = newest.machine
    config = json.loads(newest("get cm load-balancer -n kube-system -o json").ok().out)["data"]["config.yaml"]
    newest("create -f -", stdin=_service("web")).ok()
    before = address_of(newest, "web")
    try:
        soon(machine, before, at=(80,))
        _set_pools(newest, config[: config.index("pools:")] + "pools: [{name: new, addresses: [192.168.109.15]}]")
        soon(machine, "192.168.109.15", at=(80,))
        assert address_of(newest, "web") == "192.168.109.15"
        assert not answers(machine, before)
        _set_pools(newest, config.replace("192.168.109.200", "192.168.109.300"))

        def told() -> None:
            events = "get events -n kube-system --field-selector involvedObject.name=load-balancer"
            assert "InvalidConfiguration" in newest(events).ok().out

        eventually(told)
        all_answer(machine, "192.168.109.15")
    finally:
        _set_pools(newest, config)
