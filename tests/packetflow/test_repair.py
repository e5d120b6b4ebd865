"""Rules that somebody else deletes are noticed, and what a mode does itself is not taken for it."""

import subprocess
from collections.abc import Iterator

import pytest

from fairlead.host import namespaces
from fairlead.host.nft_watch import NftWatch
from fairlead.services.model import ServicePort
from tests.packetflow.conftest import Proxies
from tests.packetflow.lab import Lab
from tests.packetflow.services import CLUSTER_IP, PORT, A, B, C, service

pytestmark = pytest.mark.netns

DAMAGE = {
    "ebpf": ["nft delete table ip kube-proxy"],
    "nftables": ["nft delete table ip kube-proxy", "nft flush chain ip kube-proxy services"],
    "userspace": ["nft delete table ip kube-proxy-userspace", "nft flush map ip kube-proxy-userspace portals-tcp"],
    "iptables": ["iptables -t nat -F KUBE-SERVICES", "iptables -t nat -F PREROUTING"],
}
CASES = [(mode, command) for mode, commands in DAMAGE.items() for command in commands]


@pytest.fixture
def watch(built: Lab) -> Iterator[NftWatch]:
    watch = namespaces.run_in(built.namespace("node1"), NftWatch)
    yield watch
    watch.close()


def _damage(lab: Lab, command: str) -> None:
    argv = ["nsenter", f"--net={lab.namespace('node1')}", *command.split()]
    subprocess.run(argv, check=True, timeout=10)


@pytest.mark.parametrize(("proxies", "command"), CASES, indirect=["proxies"])
def test_what_is_deleted_is_noticed_and_made_again(proxies: Proxies, watch: NftWatch, command: str) -> None:
    mode = proxies.nodes["node1"]
    state: dict[str, tuple[ServicePort, ...]] = {"dev/web": (service(endpoints=(A, B)),)}
    with watch.quiet():
        proxies.apply(state)
    assert not watch.damaged(mode.owns)
    before = proxies.rules("node1")
    _damage(proxies.lab, command)
    assert watch.damaged(mode.owns)
    mode.restart()
    with watch.quiet():
        mode.apply(state)
    assert not watch.damaged(mode.owns)
    assert proxies.rules("node1") == before
    assert proxies.lab.connect("idle", CLUSTER_IP, "TCP", PORT).verdict == "deliver"


def test_what_others_do_with_their_own_is_not(proxies: Proxies, watch: NftWatch) -> None:
    with watch.quiet():
        proxies.apply({"dev/web": (service(endpoints=(A,)),)})
        proxies.apply({"dev/web": (service(endpoints=(C,), affinity=1),)})
    for command in (
        "nft add table ip other",
        "nft add chain ip other mine",
        "nft delete chain ip other mine",
        "nft delete table ip other",
    ):
        _damage(proxies.lab, command)
    assert not watch.damaged(proxies.nodes["node1"].owns)
