"""The kernel's settings and the choices of the section `ipvs`, on a node."""

from dataclasses import replace
from typing import Any

import pytest

from fairlead.host.ipvs import NEW_SERVICE, Change, Server, Way
from fairlead.proxy.ipvs_settings import IpvsSettings
from tests.packetflow.conftest import Proxies
from tests.packetflow.lab import said
from tests.packetflow.modes import change_node
from tests.packetflow.services import CLUSTER_IP, PORT, A, service

pytestmark = [pytest.mark.netns, pytest.mark.parametrize("proxies", ["ipvs"], indirect=True)]

ALWAYS = {
    "net.ipv4.vs.conntrack": "1",
    "net.ipv4.vs.expire_nodest_conn": "1",
    "net.ipv4.vs.expire_quiescent_template": "1",
    "net.ipv4.ip_forward": "1",
}


def _said(proxies: Proxies, *argv: str) -> str:
    return said(proxies.lab.namespace("node1"), *argv)


def test_what_is_asked_for_is_set(proxies: Proxies) -> None:
    wanted = IpvsSettings("lc", strict_arp=True, exclude_cidrs=("198.51.100.0/24",), timeouts=(700, 70, 17))
    change_node(proxies.nodes["node1"], ipvs=wanted)
    mode: Any = proxies.nodes["node1"]
    proxies.apply({"dev/web": (replace(service(endpoints=(A,)), external=("198.51.100.9",)),)})
    assert f"-A -t {CLUSTER_IP}:{PORT} -s lc\n" in _said(proxies, "ipvsadm", "-Sn")
    assert _said(proxies, "ipvsadm", "-L", "--timeout") == "Timeout (tcp tcpfin udp): 700 70 17\n"
    for name, value in {**ALWAYS, "net.ipv4.conf.all.arp_ignore": "1", "net.ipv4.conf.all.arp_announce": "2"}.items():
        assert _said(proxies, "sysctl", "-n", name).strip() == value, name
    # A virtual server in an excluded range is left where no Service is at it any more.
    mode._kernel.ipvs.change([Change(NEW_SERVICE, Server("TCP", "198.51.100.9", PORT), Way("lc"))])
    mode.restart()
    mode.apply({"dev/web": (service(endpoints=(A,)),)})
    assert f"-A -t 198.51.100.9:{PORT} -s lc\n" in _said(proxies, "ipvsadm", "-Sn")
    _said(proxies, "ipvsadm", "-C")


def test_a_node_answers_arp_as_before_where_it_is_not_asked_to_be_strict(proxies: Proxies) -> None:
    before = _said(proxies, "sysctl", "-n", "net.ipv4.conf.all.arp_ignore")
    proxies.apply({"dev/web": (service(endpoints=(A,)),)})
    assert _said(proxies, "sysctl", "-n", "net.ipv4.conf.all.arp_ignore") == before
