"""Packets through the device: which node they come to, from whom, and what a change does to what is open."""

import contextlib
import socket
import time

import pytest

from fairlead.services.model import Family
from tests.loadbalancer.conftest import Balancing
from tests.loadbalancer.lan import CLIENT, NODES, VIPS

pytestmark = pytest.mark.netns
FAMILIES = pytest.mark.parametrize("family", VIPS)
PROTOCOLS = pytest.mark.parametrize("protocol", ["TCP", "UDP"])


@FAMILIES
@PROTOCOLS
def test_connections_are_spread_over_the_nodes_which_see_the_client(
    balancing: Balancing, family: Family, protocol: str
) -> None:
    balancing.start()
    answers = {balancing.lan.ask(VIPS[family], protocol) for _ in range(40)}
    assert answers == {f"{node} {CLIENT[family == 'IPv6']}" for node in NODES}


@FAMILIES
def test_what_is_open_stays_where_it_is_when_nodes_come_and_go(balancing: Balancing, family: Family) -> None:
    balancing.start()
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(balancing.lan.open(VIPS[family])) for _ in range(12)]
        first = [_say(each) for each in opened]
        for nodes in ("ab", "b", "abc", "c"):
            balancing.apply(balancing.planner.everywhere(nodes))
            assert [_say(each) for each in opened] == first
            assert balancing.lan.asked(VIPS[family], 20) <= set(nodes)
        balancing.restart()
        balancing.start("a")
        assert [_say(each) for each in opened] == first
        assert balancing.lan.asked(VIPS[family], 5) == {"a"}


@FAMILIES
def test_what_is_open_to_a_dead_node_is_refused_by_a_living_one(balancing: Balancing, family: Family) -> None:
    balancing.start("a")
    with balancing.lan.open(VIPS[family]) as opened:
        assert _say(opened).startswith("a ")
        balancing.apply(balancing.planner.nodes(NODES, dead=["a"]) | balancing.planner.everywhere(["b", "c"]))
        with pytest.raises(ConnectionResetError):
            _say(opened)
    assert balancing.lan.asked(VIPS[family], 10) <= {"b", "c"}


@FAMILIES
def test_a_restart_while_a_node_is_dead_keeps_what_is_open_to_the_others(balancing: Balancing, family: Family) -> None:
    balancing.start()
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(balancing.lan.open(VIPS[family])) for _ in range(12)]
        first = {each: _say(each) for each in opened}
        for dead in NODES:
            living = [node for node in NODES if node != dead]
            balancing.apply(balancing.planner.nodes(NODES, dead=[dead]) | balancing.planner.everywhere(living))
            numbers = balancing.device.numbers()
            assert {numbers[NODES[node][0]] for node in living} == {balancing.planner.number(node) for node in living}
            balancing.apply(balancing.planner.nodes(NODES, dead=()) | balancing.planner.everywhere(NODES))
        assert [_say(each) for each in opened] == list(first.values())


@FAMILIES
def test_who_sticks_comes_to_one_node_whatever_its_port(balancing: Balancing, family: Family) -> None:
    balancing.start(sticky=True)
    for protocol in ("TCP", "UDP"):
        assert len(balancing.lan.asked(VIPS[family], 12, protocol)) == 1


@FAMILIES
@PROTOCOLS
def test_only_who_is_in_the_source_ranges_is_let_through(balancing: Balancing, family: Family, protocol: str) -> None:
    balancing.start(sources=("203.0.113.0/24", "2001:db8::/32"))
    with pytest.raises(TimeoutError):
        balancing.lan.ask(VIPS[family], protocol, seconds=0.3)
    balancing.serve(sources=("192.0.2.0/28", "203.0.113.0/24", f"{CLIENT[1]}/128"))
    balancing.lan.ask(VIPS[family], protocol)
    balancing.restart()
    balancing.start(sources=("203.0.113.0/24", "2001:db8::/32"))
    with pytest.raises(TimeoutError):
        balancing.lan.ask(VIPS[family], protocol, seconds=0.3)


@FAMILIES
def test_a_service_of_its_own_nodes_reaches_these_alone(balancing: Balancing, family: Family) -> None:
    balancing.start(nodes=("c",))
    assert balancing.lan.asked(VIPS[family], 10) == {"c"}
    balancing.serve(nodes=("a", "b"))
    assert balancing.lan.asked(VIPS[family], 20) == {"a", "b"}


@FAMILIES
def test_datagrams_in_fragments_come_together_at_one_node(balancing: Balancing, family: Family) -> None:
    balancing.start()
    for _ in range(6):
        assert balancing.lan.ask(VIPS[family], "UDP", size=4000).split()[0] in NODES


def test_a_port_that_no_service_has_is_refused_and_an_address_that_nobody_has_is_silent(balancing: Balancing) -> None:
    balancing.start()

    def dial(address: str, port: int) -> None:
        socket.create_connection((address, port), timeout=0.3).close()

    for vip in VIPS.values():
        with pytest.raises(ConnectionRefusedError):
            balancing.lan.run("client", lambda: dial(vip, 81))  # noqa: B023  # run at once
    balancing.device.own([VIPS["IPv4"]])
    with pytest.raises((TimeoutError, OSError)):
        balancing.lan.run("client", lambda: dial(VIPS["IPv6"], 81))


def test_a_restart_loses_nobody(balancing: Balancing) -> None:
    balancing.start()
    deadline, asked = time.monotonic() + 1.0, 0
    restarted = False
    while time.monotonic() < deadline:
        if not restarted and asked > 20:
            balancing.restart()
            balancing.start()
            restarted = True
        balancing.lan.ask(VIPS["IPv4"], seconds=0.5)
        asked += 1
    assert restarted


def _say(connection: socket.socket) -> str:
    connection.send(b"?")
    return connection.recv(100).decode()
