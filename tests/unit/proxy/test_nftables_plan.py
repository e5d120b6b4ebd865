"""The nftables plan: slots of endpoints, and the elements of a Service."""

from hypothesis import given
from hypothesis import strategies as st

from fairlead.proxy.mode import Node
from fairlead.proxy.modes.nftables.plan import elements_script, moves, plan
from fairlead.proxy.slots import arrange
from fairlead.services.model import Endpoint, ServicePort, ServicePortName

NODE1 = Node("node1", "10.244.0.0/16")
ADDRESSES = st.lists(st.integers(1, 9).map(lambda n: Endpoint(f"10.244.0.{n}", 80)), unique=True, max_size=8)


@given(ADDRESSES, ADDRESSES)
def test_slots_have_no_holes_and_who_stays_moves_only_to_fill_one(
    before: list[Endpoint], after: list[Endpoint]
) -> None:
    first = arrange((), before)
    second = arrange(first, after)
    assert sorted(second) == sorted((each.address, each.port) for each in after)
    moved = [each for slot, each in enumerate(second) if each in first and first.index(each) != slot]
    gone = [each for each in first if each not in second]
    assert len(moved) <= len(gone)


def service(*endpoints: Endpoint, **more: object) -> ServicePort:
    return ServicePort(ServicePortName("dev", "web", "", "TCP"), "10.97.97.97", 80, endpoints=endpoints, **more)  # type: ignore[arg-type]


def test_a_frontend_leads_to_the_chain_of_its_endpoint_count() -> None:
    found = plan([service(Endpoint("10.244.1.2", 8080), Endpoint("10.244.2.2", 8080))], NODE1, {})
    assert found.elements["service-ips", ("10.97.97.97", "tcp", 80)] == "goto lb-2"
    assert found.lines["endpoints-tcp", ("10.97.97.97", 80)] == (("10.244.1.2", 8080), ("10.244.2.2", 8080))
    assert found.hairpins == ("10.244.1.2", "10.244.2.2")


def test_without_endpoints_a_connection_is_refused() -> None:
    found = plan([service(node_port=30080)], NODE1, {})
    assert found.elements == {
        ("no-endpoint-services", ("10.97.97.97", "tcp", 80)): "goto reject-chain",
        ("no-endpoint-nodeports", ("tcp", 30080)): "goto reject-chain",
    }


def test_a_node_without_local_endpoints_drops_what_another_node_could_serve() -> None:
    port = service(Endpoint("10.244.1.2", 80, node="node1"), node_port=30080, external_policy="Local")
    assert (
        plan([port], Node("node2", "10.244.0.0/16"), {}).elements["no-endpoint-nodeports", ("tcp", 30080)]
        == "goto drop-chain"
    )
    here = plan([port], NODE1, {})
    chain = str(here.elements["service-nodeports", ("tcp", 30080)]).removeprefix("goto ")
    assert here.chains[chain][-1] == "meta l4proto tcp dnat ip to numgen random mod 1 map { 0 : 10.244.1.2 . 80 }"


def test_affinity_has_a_set_for_each_endpoint_with_its_timeout() -> None:
    found = plan([service(Endpoint("10.244.1.2", 80), Endpoint("10.244.2.2", 80), affinity=10800)], NODE1, {})
    assert set(found.affinity_sets.values()) == {10800}
    assert len(found.affinity_sets) == 2


def test_a_changed_value_is_a_removal_and_an_addition() -> None:
    key = ("service-ips", ("10.97.97.97", "tcp", 80))
    assert elements_script({key: "goto lb-2"}, {key: "goto lb-3"}, "ip") == [
        "delete element ip kube-proxy service-ips { 10.97.97.97 . tcp . 80 }",
        "add element ip kube-proxy service-ips { 10.97.97.97 . tcp . 80 : goto lb-3 }",
    ]


@given(ADDRESSES, ADDRESSES)
def test_a_change_of_endpoints_touches_only_the_slots_that_hold_others(
    before: list[Endpoint], after: list[Endpoint]
) -> None:
    line = ("endpoints-tcp", ("10.97.97.97", 80))
    old = {line: arrange((), before)}
    new = {line: arrange(old[line], after)}
    removed, added = moves(old, new)
    there = dict(enumerate(old[line]))
    for (_, (_, _, slot)), target in removed.items():
        assert there.pop(slot) == target
    for (_, (_, _, slot)), target in added.items():
        assert slot not in there
        there[slot] = target  # type: ignore[assignment]
    assert there == dict(enumerate(new[line]))
    assert len(added) <= len({*after} ^ {*before})
