"""What others delete without anybody being told is found by looking, a little each time; what is others' own is not."""

import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fairlead.host import namespaces
from fairlead.host.iptables import Iptables
from fairlead.host.iptables_nft import IptablesNft
from fairlead.host.nft_watch import NftWatch
from fairlead.proxy.modes.iptables import IptablesMode
from fairlead.proxy.modes.nftables import NftablesMode, nftables
from fairlead.proxy.rules import Rules
from fairlead.services.model import ServicePort, ServicePortName
from tests.packetflow.modes import MODES, end, place
from tests.packetflow.services import A, B, C, service

pytestmark = pytest.mark.netns

LOCAL = service(endpoints=(A, C), external_policy="Local")
STICKY = replace(
    service("UDP", endpoints=(A, B), affinity=100, node_port=30081), id=ServicePortName("dev", "sticky", "", "UDP")
)
GUARDED_BY_RANGES: dict[str, Any] = {
    "balancers": ("192.168.109.201",),
    "source_ranges": ("192.168.109.0/28", "10.9.8.7/32"),
}
SERVICES: dict[str, tuple[ServicePort, ...]] = {
    "dev/web": (LOCAL,),
    "dev/sticky": (replace(STICKY, cluster_ip="10.97.97.98", external=()),),
    "dev/guarded": (
        replace(
            service(node_port=None, external=("192.168.109.201",), **GUARDED_BY_RANGES),
            id=ServicePortName("dev", "guarded", "", "TCP"),
            cluster_ip="10.97.97.96",
        ),
    ),
    "dev/none": (replace(service(node_port=None, external=()), cluster_ip="10.97.97.99"),),
}
IPTABLES = [
    "-t nat -D KUBE-SERVICES 1",
    "-t nat -F KUBE-SERVICES",
    "-t filter -F KUBE-SERVICES",
    "-t nat -F KUBE-NODEPORTS",
    "-t nat -D KUBE-POSTROUTING 1",
    "-t nat -D PREROUTING 1",
    "-t filter -D FORWARD 1",
    "-t filter -F KUBE-FORWARD",
    "-t nat -F {service}",
    "-t nat -D {service} 1",
    "-t nat -F {endpoint}",
]
NFTABLES = [
    "flush map ip kube-proxy service-ips",
    "flush map ip kube-proxy endpoints-tcp",
    "flush set ip kube-proxy hairpin-connections",
    "flush map ip kube-proxy no-endpoint-services",
    "flush set ip kube-proxy allowed-sources",
    "flush set ip kube-proxy guarded-services",
    "flush chain ip kube-proxy services",
    "flush chain ip kube-proxy {own}",
    "delete table ip kube-proxy",
]
USERSPACE = [
    "flush map ip kube-proxy-userspace portals-tcp",
    "flush map ip kube-proxy-userspace nodeports-udp",
    "flush set ip kube-proxy-userspace listening",
    "flush set ip kube-proxy-userspace guarded-services",
    "flush set ip kube-proxy-userspace allowed-sources",
    "flush map ip kube-proxy-userspace no-endpoint-services",
    "flush chain ip kube-proxy-userspace portals",
    "delete table ip kube-proxy-userspace",
]
CASES = [
    *(("userspace", command) for command in USERSPACE),
    *(("nftables", command) for command in NFTABLES),
    *(("iptables-nft", command) for command in IPTABLES),
    *(("iptables-legacy", command) for command in IPTABLES),
]


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Path]:
    namespaces.create(tmp_path / "one", ["net"])
    yield tmp_path / "one" / "net"
    namespaces.remove(tmp_path / "one")


def made(kind: str, network: Path) -> Any:
    node = place("node1", "IPv4")
    if kind == "userspace":  # it listens at the node's own address
        enter = ["nsenter", f"--net={network}", "ip"]
        subprocess.run([*enter, "addr", "add", f"{node.address}/32", "dev", "lo"], check=True, timeout=10)
        subprocess.run([*enter, "link", "set", "lo", "up"], check=True, timeout=10)
        return MODES["userspace"]("node1", network)
    if kind == "nftables":
        return namespaces.run_in(network, lambda: nftables(node))
    program = Iptables(kind, namespace=network)
    return IptablesMode(program if kind == "iptables-legacy" else IptablesNft(program, namespace=network), node)


def run(network: Path, kind: str, command: str, mode: Any = None) -> None:
    if mode is not None and "{" in command:
        chains = sorted(name for wanted in mode._applied.values() for name in wanted.chains)
        found = {
            "own": chains[0],
            "service": next((name for name in chains if "KUBE-SVC" in name), ""),
            "endpoint": next((name for name in chains if "KUBE-SEP" in name), ""),
        }
        command = command.format(**found)
    program = "nft" if kind in ("nftables", "userspace") else kind
    subprocess.run(["nsenter", f"--net={network}", program, *command.split()], check=True, timeout=10)


@pytest.mark.parametrize(("kind", "command"), CASES)
def test_what_is_deleted_is_found(network: Path, kind: str, command: str) -> None:
    mode = made(kind, network)
    mode.apply(SERVICES)
    before = mode.generation()
    assert mode.audit(list(SERVICES), fixed=True)
    run(network, kind, command, mode)
    assert mode.generation() != before
    assert not mode.audit(list(SERVICES), fixed=True)
    mode.restart()
    mode.apply(SERVICES)
    assert mode.audit(list(SERVICES), fixed=True)
    mode.clean_up()
    end(mode)


@pytest.mark.parametrize("kind", ["nftables", "userspace", "iptables-nft", "iptables-legacy"])
def test_what_others_make_for_themselves_is_no_damage(network: Path, kind: str) -> None:
    mode = made(kind, network)
    mode.apply(SERVICES)
    foreign = "add table ip mine" if kind in ("nftables", "userspace") else "-t nat -I PREROUTING -s 10.9.9.9 -j ACCEPT"
    run(network, kind, foreign)
    assert mode.audit(list(SERVICES), fixed=True)
    mode.clean_up()


def test_changes_of_our_own_are_no_damage(network: Path) -> None:
    for kind in ("nftables", "iptables-nft", "iptables-legacy"):
        mode = made(kind, network)
        mode.apply(SERVICES)
        for endpoints in ((B,), (), (A, B, C), (C,)):
            mode.apply({"dev/web": (replace(LOCAL, endpoints=endpoints),)})
            assert mode.audit(list(SERVICES), fixed=False)
        mode.clean_up()


def test_rules_are_looked_at_only_after_somebody_has_changed_something(network: Path) -> None:
    def work() -> Rules:
        return Rules({"IPv4": nftables(place("node1", "IPv4"))}, [], NftWatch())

    rules = namespaces.run_in(network, work)
    rules.apply(SERVICES)
    looks: list[Any] = []
    (mode,) = rules._modes.values()
    assert isinstance(mode, NftablesMode)
    audit = mode.audit

    def watched(keys: Sequence[str], *, fixed: bool) -> bool:
        looks.append(keys)
        return audit(keys, fixed=fixed)

    mode.audit = watched  # type: ignore[method-assign]

    def look() -> bool:
        rules._rest_until = 0.0
        return rules.audit()

    for _ in range(5):
        assert look()
    assert len(looks) == 1
    rules.apply({"dev/web": (replace(LOCAL, endpoints=(B,)),)})
    assert look()
    assert len(looks) == 1
    run(network, "nftables", "add table ip mine")
    assert look()
    assert len(looks) == 2
    run(network, "nftables", "flush map ip kube-proxy service-ips")
    assert not look()
    looked = len(looks)
    assert rules.audit()  # what has just taken its time is not done again at once
    assert len(looks) == looked
