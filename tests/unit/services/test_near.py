"""Which endpoints are meant for where a proxy is (pkg/proxy/topology_test.go has the same cases)."""

import pytest

from fairlead.services.model import Endpoint, Locality, near


def endpoint(number: int, zone: str = "", node: str = "", ready: bool = True) -> Endpoint:
    return Endpoint(f"10.0.0.{number}", 80, ready, for_zones=(zone,) if zone else (), for_nodes=(node,) if node else ())


@pytest.mark.parametrize(
    ("endpoints", "here", "numbers"),
    [
        ([endpoint(1, "a"), endpoint(2, "b")], Locality("n1", "a"), {1}),
        ([endpoint(1, "a"), endpoint(2, "b")], Locality("n1", ""), set()),
        ([endpoint(1, "a"), endpoint(2, "b")], Locality("n1", "c"), set()),
        ([endpoint(1, "a"), endpoint(2)], Locality("n1", "a"), set()),
        ([endpoint(1, "a"), endpoint(2, ready=False)], Locality("n1", "a"), {1}),
        ([endpoint(1, "a", ready=False), endpoint(2, "b")], Locality("n1", "a"), set()),
        ([endpoint(1, "a", "n1"), endpoint(2, "a", "n2")], Locality("n1", "a"), {1}),
        ([endpoint(1, "a", "n3"), endpoint(2, "a", "n2"), endpoint(3, "b", "n4")], Locality("n1", "a"), {1, 2}),
        ([], Locality("n1", "a"), set()),
    ],
)
def test_near(endpoints: list[Endpoint], here: Locality, numbers: set[int]) -> None:
    assert near(endpoints, here) == {(f"10.0.0.{number}", 80) for number in numbers}
