"""Who answers for an address: everybody comes to the same answer, and nobody moves who need not."""

from hypothesis import given
from hypothesis import strategies as st

from fairlead.loadbalancer.l2.choice import SILENT, Members, holder, lease_name, with_endpoints
from fairlead.services.trimmed import Conditions, TrimmedEndpoint

NODES = st.sets(st.sampled_from(["a", "b", "c", "d"]))


@given(st.ip_addresses().map(str), st.sampled_from(["", "a", "b", "z"]), NODES)
def test_who_holds_it_keeps_it_and_else_one_is_named_by_all(address: str, held_by: str, candidates: set[str]) -> None:
    chosen = holder(address, held_by, candidates)
    if held_by in candidates:
        assert chosen == held_by
    else:
        assert chosen in (candidates or {""})
        assert holder(address, "", sorted(candidates, reverse=True)) == chosen


def test_addresses_are_spread() -> None:
    nodes = {"a", "b", "c"}
    found = [holder(f"192.0.2.{number}", "", nodes) for number in range(60)]
    assert all(10 <= found.count(node) <= 30 for node in nodes)


def test_who_gives_no_sign_for_a_while_is_dead_by_our_own_clock() -> None:
    members = Members()
    members.saw("a", "12:00:00", 100.0)
    members.saw("b", "11:00:00", 100.0)  # its clock is wrong: that is nothing to us
    assert members.alive(101.0) == {"a", "b"}
    members.saw("a", "12:00:01", 101.0)
    members.saw("b", "11:00:00", 101.0)  # told again, and no new sign
    assert members.next_death(101.0) == 100.0 + SILENT - 101.0
    assert members.alive(101.5) == {"a"}
    members.forget("a")
    assert members.alive(101.5) == set()
    assert members.next_death(101.5) is None


@given(st.ip_addresses().map(str))
def test_names_of_leases_are_names_of_objects(address: str) -> None:
    name = lease_name(address)
    assert name[-1].isalnum()
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-.")


def test_nodes_whose_endpoints_end_serve_where_there_are_no_others() -> None:
    ready, ending = Conditions(ready=True), Conditions(ready=False, serving=True, terminating=True)
    ill = Conditions(ready=False, serving=False, terminating=True)

    def nodes(*found: tuple[str | None, Conditions]) -> str:
        endpoints = [TrimmedEndpoint(node_name=node, conditions=conditions) for node, conditions in found]
        return "".join(sorted(with_endpoints(endpoints)))

    assert nodes(("a", ready), ("b", Conditions()), ("c", ending), ("d", ill), (None, ready)) == "ab"
    assert nodes(("c", ending), ("d", ill), ("e", Conditions(ready=False, serving=True))) == "c"
    assert nodes(("d", ill)) == ""
