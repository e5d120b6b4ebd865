"""What holds for every configuration: sets and their written form, and applying."""

from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fairlead.api.ownership import managers
from fairlead.api.ownership.changes import ConflictsError, Versions, applied
from fairlead.api.ownership.fields import NONE, Fields
from fairlead.api.ownership.managers import ANCIENT, MOST_UPDATERS, Manager, Owned, Owners, capped
from fairlead.api.ownership.shapes import shape_of
from fairlead.api.ownership.walks import compare, set_of

Json = dict[str, Any]

SHAPE = shape_of("v1", "Service")
VERSIONS = Versions("v1", NONE, lambda _: SHAPE, lambda obj, _version, _other: obj)
ONE, TWO = Manager.who_applies("one", ""), Manager.who_applies("two", "")

elements = st.sampled_from(["f:a", "f:b.c/d", 'k:{"port":80,"protocol":"TCP"}', 'v:"x"', "v:1", "i:0", "i:10"])
sets = st.lists(st.lists(elements, min_size=1, max_size=4).map(tuple), max_size=8).map(Fields.of)
texts = st.sampled_from(["", "1", "2"])
entries = st.dictionaries(st.sampled_from("abc"), texts, max_size=3)
ports = st.lists(
    st.fixed_dictionaries(
        {"port": st.sampled_from([80, 443])},
        optional={"protocol": st.sampled_from(["TCP", "UDP"]), "name": texts, "nodePort": st.integers(1, 2)},
    ),
    max_size=3,
    unique_by=lambda port: (port["port"], port.get("protocol", "TCP")),
)


def services(labels: str = "abc") -> st.SearchStrategy[Json]:
    metadata = st.fixed_dictionaries(
        {"name": st.just("x")},
        optional={"labels": st.dictionaries(st.sampled_from(labels), texts), "annotations": entries},
    )
    spec = st.fixed_dictionaries(
        {}, optional={"ports": ports, "selector": entries, "type": texts, "externalIPs": st.lists(texts, max_size=2)}
    )
    head = {"apiVersion": st.just("v1"), "kind": st.just("Service")}
    return st.fixed_dictionaries({**head, "metadata": metadata}, optional={"spec": spec})


def filled(value: Any) -> Any:
    """Without what is empty: structs stay where a manager had some, and nobody owns that they are there."""
    match value:
        case dict():
            kept = {key: filled(item) for key, item in value.items()}
            return {key: item for key, item in kept.items() if item not in (None, {}, [])}
        case list():
            return [filled(item) for item in value]
    return value


def forced(live: Json, configuration: Json, owners: Owners, manager: Manager) -> tuple[Json, Owners]:
    return applied(live, configuration, owners, manager, VERSIONS, "now", force=True)


@given(sets)
def test_a_set_is_what_was_written_of_it(fields: Fields) -> None:
    assert Fields.from_wire(fields.to_wire()) == fields
    assert Fields.of(fields) == fields


@given(sets, sets)
def test_sets_of_fields_are_sets_of_paths(left: Fields, right: Fields) -> None:
    assert set(left | right) == set(left) | set(right)
    assert set(left & right) == set(left) & set(right)
    assert set(left - right) == set(left) - set(right)
    covered = {path for path in left if any(path[:length] in right for length in range(1, len(path) + 1))}
    assert set(left.without(right)) == set(left) - covered
    assert all((path in left) for path in left)


@settings(max_examples=30, deadline=None)
@given(services(), services())
def test_what_differs_is_told_from_both_sides(old: Json, new: Json) -> None:
    forth, back = compare(old, new, SHAPE), compare(new, old, SHAPE)
    assert (forth.added, forth.removed, forth.modified) == (back.removed, back.added, back.modified)
    assert not compare(old, old, SHAPE).modified


@settings(max_examples=30, deadline=None)
@given(services(), services())
def test_what_is_applied_twice_changes_nothing_the_second_time(live: Json, configuration: Json) -> None:
    first, owners = forced(live, configuration, {}, ONE)
    second, again = applied(first, configuration, owners, ONE, VERSIONS, "later", force=False)
    assert (second, again) == (first, owners)


@settings(max_examples=30, deadline=None)
@given(services(), services())
def test_what_is_applied_is_there_and_owned(live: Json, configuration: Json) -> None:
    new, owners = forced(live, configuration, {}, ONE)
    assert not compare(configuration, new, SHAPE).modified
    assert not compare(configuration, new, SHAPE).removed
    fields = owners[ONE].fields if ONE in owners else NONE
    assert not fields - set_of(configuration, SHAPE)


@settings(max_examples=30, deadline=None)
@given(services("ab"), services("cd"))
def test_managers_who_agree_or_never_meet_may_come_in_any_order(left: Json, right: Json) -> None:
    try:
        a, owners = forced({}, left, {}, ONE)
        both, after = applied(a, right, owners, TWO, VERSIONS, "now", force=False)
        b, owners = forced({}, right, {}, TWO)
        turned, turned_after = applied(b, left, owners, ONE, VERSIONS, "now", force=False)
    except ConflictsError:
        assume(False)
    assert after == turned_after
    changed = compare(both, turned, SHAPE)  # the order of a list's elements is the applier's
    assert not changed.added | changed.removed | changed.modified


@settings(max_examples=30, deadline=None)
@given(services(), services())
def test_what_a_manager_leaves_out_goes_unless_another_owns_it(mine: Json, theirs: Json) -> None:
    first, owners = forced({}, mine, {}, ONE)
    both, owners = forced(first, theirs, owners, TWO)
    nothing = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"}}
    left, owners = forced(both, nothing, owners, ONE)
    assert ONE not in owners
    changed = compare(filled(theirs), filled(left), SHAPE)
    assert not changed.removed | changed.modified
    gone, owners = forced(left, nothing, owners, TWO)
    assert not owners
    assert filled(gone) == nothing


def test_the_oldest_of_too_many_updates_become_one() -> None:
    fields = Fields.of([("f:data", "f:a")])
    owners = {
        Manager.who_updates(f"m{number:02}", "v1"): Owned(fields, "v1", f"2024-01-01T00:00:{number:02}Z")
        for number in range(MOST_UPDATERS + 3)
    }
    left = capped(owners)
    assert len(left) == MOST_UPDATERS
    ancient = left[Manager.who_updates(ANCIENT, "v1")]
    assert ancient.time == "2024-01-01T00:00:03Z"
    assert [entry["manager"] for entry in managers.render(left)][:2] == [ANCIENT, "m04"]
