"""The eBPF mode: what sockets of a node and its pods meet, beside what all modes do; and what becomes of it when its
process ends."""

import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fairlead.host import bpf, namespaces
from fairlead.proxy.mode import Audited, CountsConnections
from fairlead.proxy.modes.ebpf import Programs, refused
from fairlead.services.model import ServicePort, ServicePortName
from tests.packetflow.conftest import Proxies
from tests.packetflow.lab import NODES, PATIENCE, Lab, in_family
from tests.packetflow.modes import MODES, end
from tests.packetflow.services import CLUSTER_IP, NODE_PORT, PORT, A, B, C, service, translated

pytestmark = [pytest.mark.netns, pytest.mark.parametrize("proxies", ["ebpf"], indirect=True)]

MAPPED = f"::ffff:{CLUSTER_IP}"
SIX = in_family(CLUSTER_IP, "IPv6")


@pytest.fixture
def datagrams(proxies: Proxies) -> Iterator[socket.socket]:
    """A socket in a pod that is connected to nobody."""
    with proxies.lab.run("idle", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as made:
        made.settimeout(PATIENCE)
        yield made


def _ask(asking: socket.socket, address: str = CLUSTER_IP) -> tuple[str, Any]:
    """Which endpoint has answered, and who the socket is told that it was."""
    asking.sendto(b"?", (address, PORT))
    answer, sender = asking.recvfrom(1000)
    return answer.decode().split('"')[3], sender[:2]


def test_a_datagram_is_answered_by_the_service_it_was_sent_to(proxies: Proxies, datagrams: socket.socket) -> None:
    proxies.apply({"dev/web": (service("UDP", endpoints=(A, C)),)})
    assert {_ask(datagrams)[1] for _ in range(5)} == {(CLUSTER_IP, PORT)}


def test_datagrams_of_one_socket_stay_together_until_their_endpoint_goes(
    proxies: Proxies, datagrams: socket.socket
) -> None:
    proxies.apply({"dev/web": (service("UDP", endpoints=(A, B, C)),)})
    ((first, _),) = {_ask(datagrams) for _ in range(12)}
    left = tuple(each for each in (A, B, C) if each.address != first)
    proxies.apply({"dev/web": (service("UDP", endpoints=left),)})
    ((second, _),) = {_ask(datagrams) for _ in range(12)}
    assert second in [each.address for each in left]


def test_other_sockets_draw_for_themselves(proxies: Proxies) -> None:
    """Each of 30 comes to the same of two endpoints once in 500 million runs."""
    proxies.apply({"dev/web": (service("UDP", endpoints=(A, B)),)})

    def once() -> str:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.settimeout(PATIENCE)
            return _ask(asking)[0]

    assert {proxies.lab.run("idle", once) for _ in range(30)} == {A.address, B.address}


def test_where_nobody_is_the_sender_is_told_at_once(proxies: Proxies, datagrams: socket.socket) -> None:
    proxies.apply({"dev/web": (service("UDP"), service("TCP"))})
    with pytest.raises(ConnectionRefusedError):
        datagrams.sendto(b"?", (CLUSTER_IP, PORT))
    with proxies.lab.run("idle", socket.socket) as connecting:
        connecting.setblocking(False)  # no packet could have come back yet
        with pytest.raises(ConnectionRefusedError):
            connecting.connect((CLUSTER_IP, PORT))


@pytest.mark.parametrize(
    ("kind", "address"),
    [(socket.AF_INET, CLUSTER_IP), (socket.AF_INET, NODES["node1"]), (socket.AF_INET6, MAPPED), (socket.AF_INET6, SIX)],
)
def test_a_connection_is_named_as_it_was_dialled(proxies: Proxies, kind: int, address: str) -> None:
    six = Proxies(proxies.lab, "ebpf", "IPv6")  # both families are served by programs at the same hooks
    try:
        proxies.apply({"dev/web": (service(endpoints=(A,)),)})
        six.apply({"dev/web": (translated(service(endpoints=(A,)), "IPv6"),)})
        number = NODE_PORT if address == NODES["node1"] else PORT
        connection = proxies.lab.run("idle", lambda: socket.socket(kind))
        with connection:
            connection.settimeout(PATIENCE)
            connection.connect((address, number))
            assert connection.getpeername()[:2] == (address, number)
            wanted = in_family(A.address, "IPv6") if address == SIX else A.address
            assert f'"address": "{wanted}"' in connection.recv(1000).decode()
    finally:
        six.clean_up()


@pytest.mark.parametrize(("family", "address"), [("IPv4", MAPPED), ("IPv6", SIX)])
def test_datagrams_of_sockets_of_ipv6(proxies: Proxies, family: Any, address: str) -> None:
    chosen = Proxies(proxies.lab, "ebpf", family)
    try:
        chosen.apply({"dev/web": (translated(service("UDP", endpoints=(A,)), family),)})
        with proxies.lab.run("idle", lambda: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)) as asking:
            asking.settimeout(PATIENCE)
            assert _ask(asking, address) == (in_family(A.address, family), (address, PORT))
    finally:
        chosen.clean_up()


def test_processes_that_are_in_no_folder_of_the_node_are_served_by_packets(proxies: Proxies) -> None:
    proxies.apply({"dev/web": (service(endpoints=(B,)),)})

    def stranger() -> Any:
        with socket.create_connection((CLUSTER_IP, PORT), timeout=PATIENCE) as connection:
            return connection.recv(1000).decode(), connection.getpeername()

    for role in ("idle", "node1"):
        answer, peer = namespaces.run_in(proxies.lab.namespace(role), stranger)
        assert B.address in answer
        assert peer == (CLUSTER_IP, PORT)


def _rounds(lab: Lab, over: threading.Event, seen: list[str]) -> None:
    """Connections one after another, from a pod."""

    def dial() -> None:
        with socket.create_connection((CLUSTER_IP, PORT), timeout=PATIENCE) as connection:
            seen.append(connection.recv(1000).decode().split('"')[3])

    while not over.is_set() and len(seen) < 20_000:
        try:
            lab.run("idle", dial)
        except OSError as error:
            seen.append(str(error))


def test_a_proxy_that_starts_again_leaves_no_gap_and_nothing_stale(proxies: Proxies) -> None:
    """Its predecessor was killed: it has taken nothing away."""
    lab = proxies.lab
    proxies.apply({"dev/web": (service(endpoints=(A,)),), "dev/gone": (_elsewhere(),)})
    over, seen = threading.Event(), list[str]()
    asking = threading.Thread(target=_rounds, args=(lab, over, seen))
    asking.start()
    try:
        for _ in range(5):
            new = MODES["ebpf"]("node1", lab.namespace("node1"))
            new.apply({"dev/web": (service(endpoints=(A,)),)})
            end(new)
            time.sleep(0.02)
    finally:
        over.set()
        asking.join()
    assert set(seen) == {A.address}
    maps = Programs(lab.namespace("node1").with_name("cgroup"), "IPv4").find_maps()
    assert len(list(maps["slots"].items())) == 1
    assert len(list(maps["frontends"].items())) == 3  # the cluster's address, the external one, the node's port
    for each in maps.values():
        each.close()


def _elsewhere() -> ServicePort:
    return ServicePort(ServicePortName("dev", "gone", "", "TCP"), "10.97.97.98", PORT, endpoints=(B,))


def test_what_is_known_of_clients_and_sockets_outlives_the_proxy(proxies: Proxies, datagrams: socket.socket) -> None:
    lab = proxies.lab
    state: dict[str, tuple[ServicePort, ...]] = {
        "dev/web": (service(endpoints=(A, B, C), affinity=60), service("UDP", endpoints=(A, B, C)))
    }
    proxies.apply(state)
    first = lab.connect("idle", CLUSTER_IP, "TCP", PORT, silence=PATIENCE).endpoint
    came = _ask(datagrams)
    with lab.open("idle", CLUSTER_IP, PORT) as connection:
        for _ in range(4):
            new = MODES["ebpf"]("node1", lab.namespace("node1"))
            new.apply(state)
            end(new)
            assert lab.connect("idle", CLUSTER_IP, "TCP", PORT, silence=PATIENCE).endpoint == first
            assert _ask(datagrams) == came
            assert connection.getpeername() == (CLUSTER_IP, PORT)


def test_programs_go_when_the_mode_is_cleaned_up_by_another_process(proxies: Proxies) -> None:
    folder = proxies.lab.namespace("node1").with_name("cgroup")
    proxies.apply({"dev/web": (service(endpoints=(A,)),)})
    other = Programs(folder, "IPv4")
    assert other.are_there()
    other.clean_up()
    assert not Programs(folder, "IPv4").are_there()
    assert Programs(proxies.lab.namespace("node2").with_name("cgroup"), "IPv4").are_there()


def test_connections_are_counted_by_service(proxies: Proxies, datagrams: socket.socket) -> None:
    """By all of its addresses, over the proxy's end, and not those of a Service that is gone."""
    lab = proxies.lab
    state: dict[str, tuple[ServicePort, ...]] = {
        "dev/web": (service(endpoints=(A, B)), service("UDP", endpoints=(A,))),
        "dev/none": (ServicePort(ServicePortName("dev", "none", "", "TCP"), "10.97.97.98", PORT),),
    }
    proxies.apply(state)
    for address, number in ((CLUSTER_IP, PORT), (NODES["node1"], NODE_PORT), (CLUSTER_IP, PORT)):
        lab.connect("idle", address, "TCP", number)
    for _ in range(2):
        lab.connect("idle", "10.97.97.98", "TCP", PORT)
        _ask(datagrams)  # is one flow
    new = MODES["ebpf"]("node1", lab.namespace("node1"))
    assert isinstance(new, CountsConnections)
    new.apply(state)
    lab.connect("idle", CLUSTER_IP, "TCP", PORT)
    found = {(each.port.name, each.port.protocol): each[1:] for each in new.connections()}
    assert found == {("web", "TCP"): (4, 0), ("web", "UDP"): (1, 0), ("none", "TCP"): (0, 2)}
    new.apply({"dev/none": ()})
    assert {each.port.name for each in new.connections()} == {"web"}
    new.apply(state)
    assert {each.port.name for each in new.connections()} == {"web"}
    end(new)


@pytest.mark.parametrize("damage", ["a program is detached", "an element is deleted"])
def test_what_somebody_takes_away_is_found_and_made_again(proxies: Proxies, damage: str) -> None:
    folder, mode = proxies.lab.namespace("node1").with_name("cgroup"), proxies.nodes["node1"]
    state: dict[str, tuple[ServicePort, ...]] = {"dev/web": (service(endpoints=(A, B)),)}
    proxies.apply(state)
    assert isinstance(mode, Audited)
    assert mode.audit(list(state), fixed=True)
    before = mode.generation()
    if damage == "a program is detached":
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        program = bpf.program_by_id(bpf.attached(descriptor, "connect4")[0])
        bpf.detach(descriptor, "connect4", program)
        os.close(program)
        os.close(descriptor)
        time.sleep(0.6)
        assert mode.generation() != before
    else:
        maps = Programs(folder, "IPv4").find_maps()
        ((key, _), *_more) = maps["slots"].items()
        maps["slots"].delete(key)
        for each in maps.values():
            each.close()
    assert proxies.lab.connect("idle", CLUSTER_IP, "TCP", PORT, silence=PATIENCE).verdict == "deliver"  # meanwhile
    assert not mode.audit(list(state), fixed=True)
    mode.restart()
    mode.apply(state)
    assert mode.audit(list(state), fixed=True)


def test_where_programs_cannot_be_the_reason_is_told(proxies: Proxies, tmp_path: Path) -> None:
    assert refused(proxies.lab.namespace("node1").with_name("cgroup")) is None
    assert refused(None) == "the node's cgroup2 hierarchy is not mounted here"
    assert "No such file or directory" in (refused(tmp_path / "nowhere") or "")
    assert refused(tmp_path) is not None  # no folder of cgroup2
