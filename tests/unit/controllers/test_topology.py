"""Topology aware routing: every zone gets its share of the endpoints, or nobody gets hints."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from fairlead.api.types.core import Node, NodeStatus
from fairlead.api.types.meta import Condition, ObjectMeta
from fairlead.api.types.service import Service
from fairlead.controllers import topology
from fairlead.controllers.topology import Place, allocate

EVEN = {"a": 4000, "b": 4000}


def _in(**counts: int) -> dict[str, str | None]:
    return {f"{zone}{n:03}": zone for zone, count in counts.items() for n in range(count)}


def _zones(found: dict[str, str] | str) -> dict[str, int]:
    assert isinstance(found, dict), found
    return dict(Counter(found.values()))


def test_endpoints_that_are_spread_are_meant_for_their_own_zones() -> None:
    zones = _in(a=4, b=4)
    assert allocate(zones, {}, EVEN) == zones


def test_a_zone_with_too_few_is_given_some_of_the_others() -> None:
    assert _zones(allocate(_in(a=8, b=2), {}, EVEN)) == {"a": 5, "b": 5}
    assert _zones(allocate(_in(a=6, b=6, c=0), {}, {"a": 1000, "b": 1000, "c": 1000})) == {"a": 4, "b": 4, "c": 4}
    assert _zones(allocate(_in(a=6, b=6), {}, {"a": 1000, "b": 3000})) == {"a": 3, "b": 9}


def test_where_hints_would_overload_somebody_there_are_none() -> None:
    assert allocate(_in(a=1), {}, EVEN) == "Insufficient number of endpoints (1 endpoints, 2 zones)"
    assert str(allocate(_in(a=2, b=1), {}, EVEN)).startswith(
        "Unable to allocate minimum required endpoints to each zone"
    )
    assert str(allocate(_in(a=4, b=4), {}, {})).startswith("Insufficient Node information")
    assert allocate({**_in(a=4, b=4), "x": None}, {}, EVEN) == "One or more endpoints do not have a zone specified"


@given(st.tuples(*[st.integers(0, 12)] * 3), st.tuples(*[st.integers(1, 8)] * 3), st.randoms())
def test_hints_stay_while_nothing_changes(counts: tuple[int, ...], cores: tuple[int, ...], order: object) -> None:
    zones = _in(**dict(zip("abc", counts, strict=True)))
    by_zone = dict(zip("abc", cores, strict=True))
    found = allocate(zones, {}, by_zone)
    if not isinstance(found, str):
        assert found.keys() == zones.keys()
        shuffled = dict(sorted(zones.items(), key=lambda _: order.random()))  # type: ignore[attr-defined]
        assert allocate(shuffled, found, by_zone) == found
        some = next(iter(zones))
        left = allocate({each: zone for each, zone in zones.items() if each != some}, found, by_zone)
        assert isinstance(left, str) or some not in left


def test_nodes_count_by_their_processors_unless_they_are_of_the_control_plane_or_not_ready() -> None:
    def place(zone: str, *, ready: str = "True", **labels: str) -> Place:
        metadata = ObjectMeta(name="n", labels={topology.ZONE: zone, **labels} if zone else labels)
        status = NodeStatus(allocatable={"cpu": "1500m"}, conditions=[Condition(type="Ready", status=ready)])
        return Place.of(Node(metadata=metadata, status=status))

    master = place("", **{"node-role.kubernetes.io/control-plane": ""})
    both = [place("a"), place("a"), place("b"), place("c", ready="False"), master]
    assert topology.processors(both) == {"a": 3000, "b": 1500}
    assert topology.processors([*both, place("")]) == {}  # one that says no zone
    assert topology.processors([place("a"), master]) == {}  # one zone alone


def test_a_service_asks_by_its_annotation() -> None:
    def wanted(**annotations: str) -> bool:
        named = {f"service.kubernetes.io/{key.replace('_', '-')}": each for key, each in annotations.items()}
        return topology.is_wanted(Service(metadata=ObjectMeta(name="s", annotations=named)))

    assert wanted(topology_mode="Auto")
    assert wanted(topology_mode="auto")
    assert not wanted()
    assert not wanted(topology_mode="Disabled")
    assert not wanted(topology_mode="Auto", topology_aware_hints="disabled")
