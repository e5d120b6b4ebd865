"""What we tell the kernel's IPVS and IP sets, as other programs see it, and as we read it back."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fairlead.host import ipvs, namespaces
from fairlead.host.ipset import Entry, Ipset, IpsetError, Set
from fairlead.host.ipvs import Change, Destination, Ipvs, IpvsError, Load, Server, Way
from tests.packetflow.lab import said

pytestmark = pytest.mark.netns

WEB = Server("TCP", "10.97.97.97", 80)
ONE, TWO = Destination("10.244.1.2", 8080), Destination("10.244.2.2", 8080)
SIX = Server("UDP", "fd00::1", 53)
SERVERS = {
    WEB: Way("rr", 10800),
    SIX: Way("rr"),
    Server("SCTP", "10.97.97.98", 9): Way("wlc"),
    Server("", "0.0.0.0", 0, 5): Way("sh"),
    Server("", "::", 0, 6): Way("mh", 0, 0x10),
}
SETS = [
    (Set("A", "hash:ip"), Entry("10.0.0.1"), "10.0.0.1"),
    (Set("B", "hash:ip,port"), Entry("10.0.0.1", "sctp", 80), "10.0.0.1,sctp:80"),
    (Set("C", "hash:ip,port", marks=True), Entry("10.0.0.1", "tcp", 80, "", 77), "10.0.0.1,tcp:80 skbmark 0x4d"),
    (Set("D", "hash:ip,port,ip"), Entry("10.0.0.1", "udp", 53, "10.0.0.2"), "10.0.0.1,udp:53,10.0.0.2"),
    (Set("E", "hash:ip,port,net"), Entry("10.0.0.1", "tcp", 80, "10.0.0.0/8"), "10.0.0.1,tcp:80,10.0.0.0/8"),
    (Set("F", "bitmap:port"), Entry(port=30080), "30080"),
]


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Path]:
    namespaces.create(tmp_path / "node", ["net"])
    _said(tmp_path / "node/net", "ip", "link", "set", "lo", "up")  # IPVS asks the routes what kind of address one is
    yield tmp_path / "node/net"
    namespaces.remove(tmp_path / "node")


def _said(network: Path, *argv: str) -> str:
    return said(network, *argv)


def test_ipvsadm_lists_what_we_made_and_we_read_it_back(network: Path) -> None:
    kernel = namespaces.run_in(network, Ipvs)
    kernel.change([Change(ipvs.NEW_SERVICE, server, way) for server, way in SERVERS.items()])
    kernel.change([Change(ipvs.NEW_DESTINATION, WEB, None, ONE), Change(ipvs.NEW_DESTINATION, WEB, None, TWO, 0)])
    assert kernel.servers() == SERVERS
    assert kernel.destinations(WEB) == {ONE: Load(1), TWO: Load(0)}
    listed = _said(network, "ipvsadm", "-Ln")
    assert "TCP  10.97.97.97:80 rr persistent 10800\n" in listed
    assert ["->", "10.244.1.2:8080", "Masq", "1", "0", "0"] in [line.split() for line in listed.splitlines()]
    assert ["->", "10.244.2.2:8080", "Masq", "0", "0", "0"] in [line.split() for line in listed.splitlines()]
    assert "UDP  [fd00::1]:53 rr\n" in listed
    assert "SCTP 10.97.97.98:9 wlc\n" in listed
    assert "FWM  5 sh\n" in listed
    kernel.close()


def test_what_is_there_is_set_and_what_is_gone_is_deleted(network: Path) -> None:
    kernel = namespaces.run_in(network, Ipvs)
    for _ in range(2):
        kernel.change([Change(ipvs.NEW_SERVICE, WEB, Way("lc")), Change(ipvs.NEW_DESTINATION, WEB, None, ONE, 3)])
    assert kernel.servers() == {WEB: Way("lc")}
    assert kernel.destinations(WEB) == {ONE: Load(3)}
    for _ in range(2):
        kernel.change([Change(ipvs.DELETE_DESTINATION, WEB, None, ONE), Change(ipvs.DELETE_SERVICE, WEB)])
    assert kernel.servers() == {}
    assert kernel.destinations(WEB) == {}
    with pytest.raises(IpvsError, match=r"TCP 10.97.97.97:80: No such file or directory"):
        kernel.change([Change(ipvs.NEW_SERVICE, WEB, Way("magic"))])
    kernel.close()


def test_more_than_fits_one_call(network: Path) -> None:
    kernel = namespaces.run_in(network, Ipvs)
    servers = {Server("TCP", f"10.96.{n // 250}.{n % 250}", 80): Way("rr") for n in range(3000)}
    kernel.change([Change(ipvs.NEW_SERVICE, server, way) for server, way in servers.items()])
    assert kernel.servers() == servers
    kernel.close()


def test_timeouts_as_ipvsadm_shows_them(network: Path) -> None:
    kernel = namespaces.run_in(network, Ipvs)
    kernel.set_timeouts(0, 33, 44)
    assert _said(network, "ipvsadm", "-L", "--timeout") == "Timeout (tcp tcpfin udp): 900 33 44\n"
    kernel.close()


@pytest.mark.parametrize(("kept", "entry", "text"), SETS, ids=[each[0].kind for each in SETS])
def test_sets_as_ipset_saves_them_and_we_read_them_back(network: Path, kept: Set, entry: Entry, text: str) -> None:
    kernel = namespaces.run_in(network, lambda: Ipset("IPv4"))
    assert kernel.entries(kept) is None
    for _ in range(2):
        kernel.create(kept)
        kernel.change([], [(kept, entry)])
    assert kernel.entries(kept) == {entry}
    assert f"add {kept.name} {text}\n" in _said(network, "ipset", "save", kept.name)
    for _ in range(2):
        kernel.change([(kept, entry)], [])
    assert kernel.entries(kept) == set()
    for _ in range(2):
        kernel.destroy(kept.name)
    assert kernel.entries(kept) is None
    kernel.close()


def test_sets_of_ipv6(network: Path) -> None:
    kernel = namespaces.run_in(network, lambda: Ipset("IPv6"))
    kept, entry = Set("G", "hash:ip,port,net"), Entry("fd00::1", "tcp", 80, "fd00::/64")
    kernel.create(kept)
    kernel.change([], [(kept, entry)])
    assert kernel.entries(kept) == {entry}
    kernel.close()


def test_a_set_that_kube_proxy_made_is_as_ours(network: Path) -> None:
    kernel = namespaces.run_in(network, lambda: Ipset("IPv4"))
    made = "create KUBE-CLUSTER-IP hash:ip,port family inet hashsize 1024 maxelem 65536"
    _said(network, "ipset", *made.split())
    kernel.create(Set("KUBE-CLUSTER-IP", "hash:ip,port"))
    with pytest.raises(IpsetError, match="KUBE-CLUSTER-IP: File exists"):
        kernel.create(Set("KUBE-CLUSTER-IP", "hash:ip"))
    kernel.close()
