"""Which ports of the node lead to a pod; the rules themselves are tried in a cluster."""

from typing import Any

import pytest

from fairlead.node.host_ports import host_ports, script
from fairlead.runtime.interface import HostPort
from tests.unit.node.pods import pod

Json = dict[str, Any]
BOTH = ("10.244.1.2", "fd00:10:244:1::2")


def led(ports: list[Json], ips: tuple[str, ...] = BOTH) -> list[tuple[str, str, int, str, int]]:
    found = host_ports(pod(containers=[{"name": "c", "ports": ports}]), ips)
    return [(each.protocol, each.host_ip, each.host_port, each.ip, each.port) for each in found]


@pytest.mark.parametrize(
    ("port", "expected"),
    [
        ({"containerPort": 80}, []),
        ({"containerPort": 80, "hostPort": 8080}, [("tcp", "", 8080, ip, 80) for ip in BOTH]),
        ({"containerPort": 53, "hostPort": 53, "protocol": "UDP"}, [("udp", "", 53, ip, 53) for ip in BOTH]),
        ({"containerPort": 80, "hostPort": 80, "hostIP": "0.0.0.0"}, [("tcp", "", 80, BOTH[0], 80)]),
        ({"containerPort": 80, "hostPort": 80, "hostIP": "::"}, [("tcp", "", 80, BOTH[1], 80)]),
        ({"containerPort": 80, "hostPort": 80, "hostIP": "192.0.2.1"}, [("tcp", "192.0.2.1", 80, BOTH[0], 80)]),
        ({"containerPort": 80, "hostPort": 80, "hostIP": "fd00::1"}, [("tcp", "fd00::1", 80, BOTH[1], 80)]),
    ],
)
def test_a_port_is_of_the_families_that_it_and_its_pod_have(port: Json, expected: list[Any]) -> None:
    assert led([port]) == expected
    assert led([port], BOTH[:1]) == [each for each in expected if each[3] == BOTH[0]]


def test_sidecars_have_ports_and_init_containers_that_end_have_none() -> None:
    ports = [{"containerPort": 80, "hostPort": 80}]
    both = [{"name": "a", "ports": ports}, {"name": "b", "restartPolicy": "Always", "ports": ports}]
    assert len(host_ports(pod(initContainers=both, containers=[{"name": "c"}]), BOTH[:1])) == 1


def test_the_first_who_has_a_port_keeps_it_and_nothing_is_left_of_none() -> None:
    text = script([HostPort("tcp", "", 80, "10.244.1.2", 80), HostPort("tcp", "", 80, "10.244.1.3", 80)])
    assert "80 : 10.244.1.2 . 80" in text
    assert "80 : 10.244.1.3" not in text
    assert script([]).split() == [
        word for ip in ("ip", "ip6") for do in ("add", "delete") for word in (do, "table", ip, "fairlead-host-ports")
    ]
