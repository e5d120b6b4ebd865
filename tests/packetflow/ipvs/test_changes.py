"""Changes one after another, restarts, and what others do: the kernel holds what a proxy that starts now would make."""

import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fairlead.host.ipvs import NEW_SERVICE, Change, Server, Way
from fairlead.services.model import ServicePort
from tests.packetflow.conftest import Proxies
from tests.packetflow.lab import PATIENCE, said
from tests.packetflow.services import CLUSTER_IP, NODE_PORT, PORT, A, B, C, D, service
from tests.packetflow.test_changes import service_states

pytestmark = [pytest.mark.netns, pytest.mark.parametrize("proxies", ["ipvs"], indirect=True)]
KEPT = ("ipvs",)

State = tuple[ServicePort, ...]


def _said(proxies: Proxies, *argv: str) -> str:
    return said(proxies.lab.namespace("node1"), *argv)


def _restarted(proxies: Proxies, state: dict[str, State]) -> Any:
    """What a proxy that starts now leaves on node1."""
    mode = proxies.nodes["node1"]
    mode.restart()
    mode.apply(state)
    return proxies.rules("node1")


@settings(max_examples=5, suppress_health_check=list(HealthCheck))
@given(states=st.lists(service_states(), min_size=1, max_size=5))
def test_step_by_step_comes_to_what_starting_over_makes(proxies: Proxies, states: list[State]) -> None:
    for state in states:
        proxies.apply({"dev/web": state})
    assert _restarted(proxies, {"dev/web": states[-1]}) == (after := proxies.rules("node1"))
    proxies.apply({"dev/web": ()})
    proxies.apply({"dev/web": states[-1]})
    assert proxies.rules("node1") == after


def test_a_restart_takes_away_what_is_stale_and_nothing_that_is_not_ours(proxies: Proxies) -> None:
    proxies.apply({"dev/web": (service(endpoints=(A, B)),), "dev/old": (service("UDP", endpoints=(C,)),)})
    for command in ("-A -t 198.51.100.7:80 -s rr", "-A -f 7 -s rr"):
        _said(proxies, "ipvsadm", *command.split())
    _said(proxies, "ipset", "create", "MINE", "hash:ip")
    wanted = _restarted(proxies, {"dev/web": (service(endpoints=(A, B)),)})
    proxies.apply({"dev/web": ()})
    left = _said(proxies, "ipvsadm", "-Sn")
    assert left.splitlines() == ["-A -t 198.51.100.7:80 -s rr", "-A -f 7 -s rr"]
    assert not any(line.startswith("-A -u ") for line in wanted[0])
    assert "MINE" in _said(proxies, "ipset", "list", "-n")
    for command in ("-D -t 198.51.100.7:80", "-D -f 7"):
        _said(proxies, "ipvsadm", *command.split())
    _said(proxies, "ipset", "destroy", "MINE")


def test_a_weight_that_was_left_at_0_is_1_again_after_a_restart(proxies: Proxies) -> None:
    state: dict[str, State] = {"dev/web": (service(endpoints=(A, B)),)}
    proxies.apply(state)
    _said(proxies, *f"ipvsadm -e -t {CLUSTER_IP}:{PORT} -r {A.address}:80 -m -w 0".split())
    _restarted(proxies, state)
    assert f"-r {A.address}:80 -m -w 0" not in _said(proxies, "ipvsadm", "-Sn")


def test_a_restart_leaves_connections_alone_and_none_is_refused_meanwhile(proxies: Proxies) -> None:
    state: dict[str, State] = {"dev/web": (service(endpoints=(A, B, C), external_policy="Local"),)}
    proxies.apply(state)
    before = _said(proxies, "ipvsadm", "-Sn")
    with proxies.lab.open("idle", CLUSTER_IP, PORT):
        _restarted(proxies, state)
        assert _said(proxies, "ipvsadm", "-Sn") == before  # marks, too
        listed = _said(proxies, "ipvsadm", "-Lnc")
        assert f"{CLUSTER_IP}:{PORT}" in listed


def test_an_endpoint_that_goes_is_drained_and_comes_back(proxies: Proxies) -> None:
    server = f"-a -t {CLUSTER_IP}:{PORT} -r {A.address}:80 -m -w"
    mode: Any = proxies.nodes["node1"]
    proxies.apply({"dev/web": (service(endpoints=(A,)),)})
    with proxies.lab.open("idle", CLUSTER_IP, PORT) as connection:
        assert connection.recv(1000)
        proxies.apply({"dev/web": (service(endpoints=(B,)),)})
        mode.tend()
        assert f"{server} 0" in _said(proxies, "ipvsadm", "-Sn")
        assert proxies.lab.connect("idle", CLUSTER_IP, "TCP", PORT, silence=PATIENCE).endpoint == B[:2]
        proxies.apply({"dev/web": (service(endpoints=(A, B)),)})
        mode.tend()
        assert f"{server} 1" in _said(proxies, "ipvsadm", "-Sn")
    proxies.apply({"dev/web": (service(endpoints=(A, B, D)),)})
    proxies.apply({"dev/web": (service(endpoints=(A, B)),)})
    mode.tend()
    assert D.address not in _said(proxies, "ipvsadm", "-Sn")  # nobody was there


def test_the_endpoint_of_a_pod_that_is_deleted_has_a_deadline(
    proxies: Proxies, monkeypatch: pytest.MonkeyPatch
) -> None:
    mode: Any = proxies.nodes["node1"]
    proxies.apply({"dev/web": (service(endpoints=(A, B)),)})
    with proxies.lab.open("idle", CLUSTER_IP, PORT) as connection:
        assert connection.recv(1000)
        ending = A._replace(ready=False, terminating=True), B._replace(ready=False, terminating=True), C
        proxies.apply({"dev/web": (service(endpoints=ending),)})
        mode.tend()
        proxies.apply({"dev/web": (service(endpoints=(C,)),)})
        mode.tend()
        assert "-m -w 0" in _said(proxies, "ipvsadm", "-Sn")
        monkeypatch.setattr(time, "monotonic", lambda: time.perf_counter() + 1e6)
        mode.tend()
        assert "-m -w 0" not in _said(proxies, "ipvsadm", "-Sn")


def test_datagrams_have_no_end_so_their_endpoint_goes_at_once(proxies: Proxies) -> None:
    proxies.apply({"dev/web": (service("UDP", endpoints=(A, B)),)})
    proxies.lab.connect("idle", CLUSTER_IP, "UDP", PORT)
    proxies.apply({"dev/web": (service("UDP", endpoints=(B,)),)})
    assert A.address not in _said(proxies, "ipvsadm", "-Sn")


@pytest.mark.parametrize(
    "damage",
    [
        f"ipvsadm -D -t {CLUSTER_IP}:{PORT}",
        f"ipvsadm -d -t {CLUSTER_IP}:{PORT} -r {A.address}:80",
        "ipvsadm -C",
        f"ip addr del {CLUSTER_IP}/32 dev kube-ipvs0",
        "ip link del kube-ipvs0",
    ],
)
def test_what_somebody_deletes_comes_back(proxies: Proxies, damage: str) -> None:
    mode: Any = proxies.nodes["node1"]
    proxies.apply({"dev/web": (service(endpoints=(A, B)),)})
    before = proxies.rules("node1")
    mode.tend()
    assert proxies.rules("node1") == before
    _said(proxies, *damage.split())
    mode.tend()
    assert proxies.rules("node1") == before
    assert proxies.lab.connect("idle", CLUSTER_IP, "TCP", PORT, silence=PATIENCE).verdict == "deliver"


def test_node_ports_answer_at_addresses_that_the_node_gets_later(proxies: Proxies) -> None:
    mode: Any = proxies.nodes["node1"]
    proxies.apply({"dev/web": (service(endpoints=(A,)),)})
    proxies.lab.ip("node1", "addr add 192.168.109.201/32 dev eth0")
    mode.tend()
    assert proxies.lab.connect("client", "192.168.109.201", "TCP", NODE_PORT, silence=PATIENCE).verdict == "deliver"
    proxies.lab.ip("node1", "addr del 192.168.109.201/32 dev eth0")
    mode.tend()
    assert "192.168.109.201" not in _said(proxies, "ipvsadm", "-Sn")


def test_a_virtual_server_of_somebody_else_becomes_the_services(proxies: Proxies) -> None:
    mode: Any = proxies.nodes["node1"]
    mode._kernel.ipvs.change([Change(NEW_SERVICE, Server("TCP", CLUSTER_IP, PORT), Way("lc"))])
    proxies.apply({"dev/web": (service(endpoints=(A,), affinity=10800),)})
    assert f"-A -t {CLUSTER_IP}:{PORT} -s rr -p 10800" in _said(proxies, "ipvsadm", "-Sn")
