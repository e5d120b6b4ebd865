"""What the table holds after any changes is what it would hold if it were made anew."""

from hypothesis import given
from hypothesis import strategies as st

from fairlead.loadbalancer.device.plan import Changes, Elements, Planner, differences
from fairlead.loadbalancer.device.skeleton import BUCKETS, STICKY
from fairlead.loadbalancer.model import Balanced, Frontend

ADDRESSES = {"a": ("10.0.0.1", "fd00::1"), "b": ("10.0.0.2", "fd00::2"), "c": ("10.0.0.3", "fd00::3")}


class Kernel:
    """Holds elements; refuses to delete what is not there and to add what is there with another value."""

    def __init__(self) -> None:
        self.elements: Elements = {}
        self.applied: dict[str, Elements] = {}

    def apply(self, changes: Changes) -> None:
        removed, added = differences(self.applied, changes)
        for key, value in removed.items():
            assert self.elements.pop(key) == value
        for key, value in added.items():
            assert self.elements.setdefault(key, value) == value
        self.applied |= changes

    def nodes_of(self, frontend: Frontend) -> set[str]:
        """Which addresses of nodes its packets go to."""
        family = 6 if ":" in frontend.address else 4
        key = (frontend.address, frontend.protocol.lower(), frontend.port)
        group = self.elements[f"frontends{family}", key]
        numbers = {self.elements["buckets", (group, bucket)] for bucket in range(BUCKETS)}
        return {str(self.elements[f"nodes{family}", (number,)]) for number in numbers}


FRONTENDS = {key: Frontend(address, "TCP", 80) for key, address in (("x", "192.0.2.1"), ("y", "2001:db8::1"))}
STEP = st.tuples(
    st.sampled_from(sorted(FRONTENDS)),
    st.none() | st.tuples(st.booleans(), st.booleans(), st.sets(st.sampled_from("abc"), min_size=1)),
)


@given(st.lists(STEP, max_size=12), st.sets(st.sampled_from("abc"), min_size=1))
def test_after_any_changes_each_service_reaches_its_nodes_and_nothing_is_left_over(
    steps: list[tuple[str, tuple[bool, bool, set[str]] | None]], everywhere: set[str]
) -> None:
    planner, kernel = Planner(), Kernel()
    kernel.apply(planner.nodes(ADDRESSES, dead=()) | planner.everywhere(everywhere))
    for key, wanted in steps:
        if wanted is None:
            kernel.apply(planner.service(key, None))
            continue
        local, sticky, nodes = wanted
        balanced = Balanced((FRONTENDS[key],), sticky, local, 30000 if local else 0)
        kernel.apply(planner.service(key, balanced, nodes))
        serving = nodes if local else everywhere
        expected = {address for node in serving for address in ADDRESSES[node] if (":" in address) == (key == "y")}
        assert kernel.nodes_of(FRONTENDS[key]) == expected
    for key in FRONTENDS:
        kernel.apply(planner.service(key, None))
    kernel.apply({"nodes": {}} | planner.everywhere(()))
    assert kernel.elements == {}


def test_what_was_open_to_a_dead_node_meets_a_living_one_and_new_numbers_are_not_given() -> None:
    planner = Planner({"a": 7, "b": 3})
    found = planner.nodes(ADDRESSES, dead=["a"])["nodes"]
    assert found["nodes4", (3,)] == "10.0.0.2"
    assert found["nodes4", (7,)] in ("10.0.0.2", "10.0.0.3")
    assert planner.numbers == {"a": 7, "b": 3, "c": 1}
    assert planner.nodes(ADDRESSES, dead=ADDRESSES)["nodes"]["nodes4", (7,)] == "10.0.0.1"  # perhaps it is us


def test_who_sticks_is_drawn_by_its_address_alone() -> None:
    planner = Planner()
    balanced = Balanced((FRONTENDS["x"],), sticky=True, sources=("10.0.0.0/8", "fd00::/8"))
    elements = planner.service("x", balanced)["x"]
    key = ("192.0.2.1", "tcp", 80)
    assert elements == {
        ("guarded4", key): 1 | STICKY,
        ("allowed4", (*key, "10.0.0.0/8")): "",
    }
