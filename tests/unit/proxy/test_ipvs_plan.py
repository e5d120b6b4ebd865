"""What a Service becomes in the ipvs mode."""

from itertools import product
from typing import Any

import pytest

from fairlead.host.ipset import Entry
from fairlead.host.ipvs import Server, Way
from fairlead.proxy.ipvs_settings import IpvsSettings
from fairlead.proxy.mode import Node
from fairlead.proxy.modes.ipvs.difference import Difference, between
from fairlead.proxy.modes.ipvs.marks import FIRST, Marks
from fairlead.proxy.modes.ipvs.plan import Place, Wanted, needs_mark, plan
from fairlead.proxy.modes.ipvs.sets import LONGEST, sets
from fairlead.services.model import FAMILIES, Endpoint, ServicePort, ServicePortName

SETS = sets("IPv4")
HERE, THERE = Endpoint("10.244.1.2", 80, node="node1"), Endpoint("10.244.2.2", 80, node="node2")
WEB = ServicePortName("dev", "web", "", "TCP")
OWN = "192.168.109.101"


def _place(scheduler: str = "rr") -> Place:
    node = Node("node1", "10.244.0.0/16", address=OWN, ipvs=IpvsSettings(scheduler))
    return Place(node, SETS, frozenset({OWN}), (OWN,))


def _service(**fields: Any) -> ServicePort:
    return ServicePort(WEB, "10.97.97.97", 80, **fields)


def _planned(port: ServicePort, scheduler: str = "rr") -> Wanted:
    return plan([port], _place(scheduler), {WEB: FIRST})


def _names(wanted: Wanted, address: str) -> set[str]:
    return {
        name
        for name, kept in SETS.items()
        for each, entry in wanted.entries
        if each is kept and entry.address == address
    }


def test_a_cluster_ip_is_a_virtual_server_as_the_chapter_shows_it() -> None:
    wanted = _planned(_service(endpoints=(HERE, THERE), affinity=10800))
    server = Server("TCP", "10.97.97.97", 80)
    assert wanted.servers == {server: Way("rr", 10800)}
    assert wanted.destinations == {server: frozenset({HERE[:2], THERE[:2]})}
    assert list(wanted.bound) == ["10.97.97.97"]
    assert _names(wanted, "10.97.97.97") == {"CLUSTER-IP", "IPVS-IPS"}
    loop_back = {entry for kept, entry in wanted.entries if kept is SETS["LOOP-BACK"]}
    assert loop_back == {Entry("10.244.1.2", "tcp", 80, "10.244.1.2")}  # what is elsewhere cannot dial itself from here


@pytest.mark.parametrize(("internal", "external"), list(product(("Cluster", "Local"), repeat=2)))
def test_where_only_others_have_endpoints_policy_local_is_silence(internal: Any, external: Any) -> None:
    port = _service(
        endpoints=(THERE,),
        internal_policy=internal,
        external_policy=external,
        external=("203.0.113.1",),
        node_port=30080,
    )
    wanted = _planned(port)
    assert ("NOT-HERE" in _names(wanted, "10.97.97.97")) == (internal == "Local")
    for address in ("203.0.113.1", OWN):
        assert ("LOCAL-ONLY" in _names(wanted, address)) == (external == "Local")
    assert not any("NO-ENDPOINTS" in _names(wanted, each) for each in ("10.97.97.97", "203.0.113.1", OWN))


def test_where_nobody_has_any_it_is_refused() -> None:
    wanted = _planned(_service(external_policy="Local", internal_policy="Local", node_port=30080))
    assert _names(wanted, "10.97.97.97") == {"CLUSTER-IP", "IPVS-IPS", "NO-ENDPOINTS"}
    assert set(wanted.destinations.values()) == {frozenset()}


def test_pods_come_to_all_endpoints_by_a_mark_where_outsiders_come_to_some() -> None:
    port = _service(endpoints=(HERE, THERE), external_policy="Local", external=("203.0.113.1",))
    assert needs_mark(port, _place().node)
    wanted = _planned(port)
    assert wanted.destinations[Server("TCP", "203.0.113.1", 80)] == {HERE[:2]}
    assert wanted.destinations[Server("", "0.0.0.0", 0, FIRST)] == {HERE[:2], THERE[:2]}
    assert (SETS["SHORT-CUT"], Entry("203.0.113.1", "tcp", 80, "", FIRST)) in wanted.entries
    assert not needs_mark(_service(endpoints=(HERE,), external_policy="Local", node_port=1), _place().node)
    assert not needs_mark(_service(endpoints=(HERE, THERE), external_policy="Local"), _place().node)


def test_an_external_address_that_the_node_has_is_not_bound_again() -> None:
    assert list(_planned(_service(external=(OWN,))).bound) == ["10.97.97.97"]


def test_a_source_range_of_everything_is_two_halves() -> None:
    ranges = {"balancers": ("203.0.113.1",), "source_ranges": ("0.0.0.0/0",)}
    wanted = _planned(_service(external=("203.0.113.1",), **ranges))
    allowed = {entry.other for kept, entry in wanted.entries if kept is SETS["LOAD-BALANCER-SOURCE-CIDR"]}
    assert allowed == {"0.0.0.0/1", "128.0.0.0/1"}
    itself = (SETS["LOAD-BALANCER-SOURCE-IP"], Entry("203.0.113.1", "tcp", 80, "203.0.113.1"))
    assert itself in wanted.entries  # the node is in the range, and dials the address as itself


def test_node_ports_of_sctp_are_told_with_the_nodes_addresses() -> None:
    port = ServicePort(ServicePortName("dev", "web", "", "SCTP"), "10.97.97.97", 80, node_port=30080)
    wanted = plan([port], _place(), {})
    assert (SETS["NODE-PORT-SCTP-HASH"], Entry(OWN, "sctp", 30080)) in wanted.entries


def test_the_scheduler_is_the_configured_one() -> None:
    assert set(_planned(_service(endpoints=(HERE,)), "lc").servers.values()) == {Way("lc")}
    assert set(_planned(_service(endpoints=(HERE,)), "mh").servers.values()) == {Way("mh", 0, 0x10)}


def test_the_change_of_one_endpoint_is_two_changes_of_the_kernel() -> None:
    others = [Endpoint(f"10.244.3.{n}", 80) for n in range(50)]
    before, after = (_planned(_service(endpoints=(*others, each))) for each in (HERE, THERE))
    change = Difference()
    between(before, after, change)
    assert len(change.changed) == 2
    assert not change.gone


def test_a_virtual_server_that_goes_from_one_service_to_another_is_made_anew() -> None:
    mine = _planned(_service(endpoints=(HERE,)))
    change = Difference()
    between(Wanted(), mine, change)
    between(mine, Wanted(), change)
    change.hand_on(mine.servers)
    assert not change.gone
    assert [each.command for each in change.changed] == [3, 1, 5]  # deleted, made, and its destination


def test_marks_are_kept_and_given_again() -> None:
    marks = Marks(1 << 17)
    other = WEB._replace(name="other")
    marks.adopt(WEB, FIRST)
    marks.keep("dev/other", [other])
    assert marks.given == {WEB: FIRST, other: FIRST * 4}  # twice FIRST is the bit that means something else
    marks.keep("dev/web", [])
    marks.keep("dev/other", [other])
    assert marks.given == {other: FIRST * 4}
    marks.keep("dev/web", [WEB])
    assert marks.given[WEB] == FIRST


def test_names_of_sets_fit_the_kernel_and_differ() -> None:
    names = [each.name for family in FAMILIES for each in sets(family).values()]
    assert len(set(names)) == len(names)
    assert max(map(len, names)) == LONGEST
