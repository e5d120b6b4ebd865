"""A proxy that starts again takes over what the one before it has left, and changes only what has changed."""

import subprocess
import threading

import pytest

from fairlead.host import iptables_nft
from fairlead.services.model import Family, ServicePort
from tests.packetflow.conftest import Proxies
from tests.packetflow.lab import PATIENCE, Lab, in_family
from tests.packetflow.modes import MODES, end
from tests.packetflow.services import CLUSTER_IP, PORT, A, B, C, service, translated

pytestmark = pytest.mark.netns

Services = dict[str, tuple[ServicePort, ...]]


def _guarded(*ranges: str) -> ServicePort:
    address = "192.168.109.202"
    return service(
        name="guarded",
        endpoints=(A,),
        cluster_ip="10.97.97.96",
        node_port=None,
        external=(address,),
        balancers=(address,),
        source_ranges=ranges,
    )


LEFT: Services = {
    "dev/web": (service(endpoints=(A, B)),),
    "dev/guarded": (_guarded("192.168.109.0/28", "192.168.109.64/30"),),
    "dev/sticky": (
        service(name="sticky", endpoints=(A, B), affinity=60, cluster_ip="10.97.97.98", node_port=30081, external=()),
    ),
}
WANTED: Services = {
    "dev/web": (service(endpoints=(B, C)),),
    "dev/guarded": (_guarded("192.168.109.0/28", "192.168.109.68/30"),),
    "dev/local": (
        service(
            name="local",
            endpoints=(A, C),
            cluster_ip="10.97.97.99",
            node_port=30082,
            external=(),
            external_policy="Local",
        ),
    ),
}


def _in_family(services: Services, family: Family) -> Services:
    return {key: tuple(translated(port, family) for port in ports) for key, ports in services.items()}


def _handles(lab: Lab) -> str:
    command = [
        "nsenter",
        f"--net={lab.namespace('node1')}",
        "nft",
        "-a",
        "list",
        "chain",
        "ip",
        "kube-proxy",
        "services",
    ]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=10).stdout


@pytest.mark.parametrize("family", ["IPv4", "IPv6"])
def test_it_comes_to_what_starting_over_makes(proxies: Proxies, family: Family) -> None:
    left, wanted = (_in_family(each, family) for each in (LEFT, WANTED))
    first, second = (Proxies(proxies.lab, proxies.mode, family) for _ in range(2))
    first.apply(wanted)
    expected = first.rules("node1")
    first.clean_up()
    second.apply(left)
    for mode in second.nodes.values():
        end(mode)
    proxies.apply(wanted)
    assert proxies.rules("node1") == expected
    assert proxies.lab.connect("idle", in_family(CLUSTER_IP, family), "TCP", PORT, silence=PATIENCE).endpoint in (
        (in_family(B.address, family), B.port),
        (in_family(C.address, family), C.port),
    )


@pytest.mark.parametrize("mode", ["nftables"])
def test_rules_that_are_right_are_not_made_again(built: Lab, mode: str) -> None:
    before = MODES[mode]("node1", built.namespace("node1"))
    before.apply(LEFT)
    made = _handles(built)
    after = MODES[mode]("node1", built.namespace("node1"))
    try:
        after.apply(WANTED)
        assert _handles(built) == made
        enter = ["nsenter", f"--net={built.namespace('node1')}"]
        subprocess.run([*enter, "nft", "flush", "chain", "ip", "kube-proxy", "services"], check=True, timeout=10)
        again = MODES[mode]("node1", built.namespace("node1"))
        again.apply(WANTED)
        assert built.connect("idle", CLUSTER_IP, "TCP", PORT, silence=PATIENCE).verdict == "deliver"
    finally:
        after.clean_up()


@pytest.mark.parametrize(("mode", "at_once"), [("iptables", True), ("iptables", False), ("nftables", True)])
def test_no_connection_fails_while_proxies_start_one_after_another(
    built: Lab, mode: str, at_once: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not at_once:  # as with many Services: a transaction for each chain
        monkeypatch.setattr(iptables_nft, "SMALL", 0)
        monkeypatch.setattr(iptables_nft, "MOST", 1)
    state: Services = {"dev/web": (service(endpoints=(A, B)),)}
    first = MODES[mode]("node1", built.namespace("node1"))
    first.apply(state)
    stop, failed = threading.Event(), list[str]()

    def ask() -> None:
        while not stop.is_set():
            seen = built.connect("idle", CLUSTER_IP, "TCP", PORT, silence=PATIENCE)
            if seen.verdict != "deliver":
                failed.append(str(seen))

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        for _ in range(8):
            MODES[mode]("node1", built.namespace("node1")).apply(state)
    finally:
        stop.set()
        asking.join(10)
        first.clean_up()
    assert failed == []
