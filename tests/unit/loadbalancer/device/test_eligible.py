"""Who gets new connections where not all is well."""

import pytest

from fairlead.loadbalancer.device.eligible import eligible
from fairlead.loadbalancer.device.health import State

STATES = {"w": State.WELL, "i": State.ILL, "a": State.ABSENT, "d": State.DEAD, "u": State.UNKNOWN}


@pytest.mark.parametrize(
    ("proxies", "own", "fell", "found"),
    [
        ("www", "wiw", {}, "ac"),  # nodes a, b, c
        ("www", "wiw", {"b": 9.0}, "ac"),
        ("wdw", "www", {}, "ac"),
        ("www", "iai", {"a": 9.0}, "b"),  # nobody said no for b
        ("www", "iiu", {"a": 9.0}, "c"),
        ("www", "iii", {}, "abc"),  # none was ever well
        ("www", "iii", {"a": 4.0, "b": 9.0}, "b"),  # b's endpoints end, and are served until then
        ("www", "iii", {"a": 8.5, "b": 9.0}, "ab"),  # both at once
        ("wdw", "iii", {"a": 4.0, "b": 9.0}, "a"),
        ("ddd", "iii", {"a": 9.0}, "abc"),
    ],
)
def test_the_well_come_first_then_who_may_be_then_who_was(
    proxies: str, own: str, fell: dict[str, float], found: str
) -> None:
    def states(letters: str) -> dict[str, State]:
        return {node: STATES[letter] for node, letter in zip("abc", letters, strict=True)}

    assert eligible("abc", states(proxies), states(own), fell) == list(found)


def test_who_leaves_gets_nothing_new_and_without_nodes_nobody_does() -> None:
    assert eligible("b", dict.fromkeys("ab", State.WELL), dict.fromkeys("ab", State.WELL), {}) == ["b"]
    assert eligible("", {}, {}, {}) == []
