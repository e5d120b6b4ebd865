"""EndpointSlices: everything is in them once, and a change touches as few as it can."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.api.types.core import Pod
from fairlead.api.types.discovery import EndpointSlice
from fairlead.api.types.meta import ObjectMeta
from fairlead.api.types.service import Service, ServicePort, ServiceSpec
from fairlead.controllers.endpoint_ports import TRIGGERED
from fairlead.controllers.slices import CONTROLLER, MANAGED_BY, MOST, SERVICE_NAME, Plan, plan
from tests.unit.controllers.objects import at, pod

NAMED = ServicePort(port=80, name="http", target_port="http")


def service(*ports: ServicePort, **spec: Any) -> Service:
    metadata = ObjectMeta(name="web", namespace="default", uid="s", creation_timestamp=at(0))
    return Service(
        metadata=metadata, spec=ServiceSpec(ports=list(ports or [ServicePort(port=80)]), selector={"a": "b"}, **spec)
    )


class Cluster:
    """Executes plans."""

    def __init__(self, it: Service | None = None) -> None:
        self.service = it or service()
        self.slices: dict[str, EndpointSlice] = {}
        self.made = 0

    def settle(self, pods: list[Pod]) -> Plan:
        found = plan(self.service, pods, list(self.slices.values()), {}, "IPv4", None)
        for each in found.create:
            assert each.metadata.generate_name == "web-"
            self.made += 1
            metadata = msgspec.structs.replace(each.metadata, name=f"web-{self.made}")
            self.slices[metadata.name] = msgspec.structs.replace(each, metadata=metadata)
        for each in found.update:
            assert each.metadata.name in self.slices
            self.slices[each.metadata.name] = each
        for each in found.delete:
            del self.slices[each.metadata.name]
        return found

    def holds(self) -> list[str]:
        return sorted(e.addresses[0] for each in self.slices.values() for e in each.endpoints)

    def sizes(self) -> list[int]:
        return sorted(len(each.endpoints) for each in self.slices.values())


def pods_of(count: int, start: int = 0, **more: Any) -> list[Pod]:
    return [pod(f"p{n}", ip=f"10.0.{n // 250}.{n % 250}", ready=True, **more) for n in range(start, start + count)]


@pytest.mark.parametrize(
    ("ready", "going", "publish", "conditions"),
    [
        (True, False, False, (True, True, False)),
        (False, False, False, (False, False, False)),
        (True, True, False, (False, True, True)),
        (False, True, False, (False, False, True)),
        (False, False, True, (True, False, False)),
        (True, True, True, (True, True, True)),
    ],
)
def test_conditions(ready: bool, going: bool, publish: bool, conditions: tuple[bool, bool, bool]) -> None:
    it = service(publish_not_ready_addresses=publish)
    (made,) = plan(it, [pod("a", ip="10.0.0.1", ready=ready, going=going)], [], {}, "IPv4", None).create
    found = made.endpoints[0].conditions
    assert (found.ready, found.serving, found.terminating) == conditions


def test_a_slice_says_whose_it_is_and_who_keeps_it() -> None:
    each = pod("a", ip="10.0.0.1", ready=True, ready_since=3, node="node1", hostname="a", subdomain="web")
    (made,) = plan(service(), [each], [], {"node1": "east"}, "IPv4", None).create
    assert made.metadata.labels == {SERVICE_NAME: "web", MANAGED_BY: CONTROLLER}
    assert made.metadata.annotations == {TRIGGERED: at(3)}
    (owner,) = made.metadata.owner_references
    assert (owner.kind, owner.uid, owner.controller, owner.block_owner_deletion) == ("Service", "s", True, True)
    (endpoint,) = made.endpoints
    assert (endpoint.node_name, endpoint.zone, endpoint.hostname) == ("node1", "east", "a")
    assert (made.ports[0].name, made.ports[0].port) == ("", 80)


def test_ended_pods_and_those_without_an_address_are_not_in_it() -> None:
    pods = [pod("a", ready=True), pod("b", ip="10.0.0.2", ready=True, phase="Succeeded")]
    (made,) = plan(service(), pods, [], {}, "IPv4", None).create
    assert made.endpoints == []


def test_without_endpoints_there_is_one_empty_slice_and_it_is_not_written_again() -> None:
    cluster = Cluster()
    cluster.settle([])
    assert cluster.sizes() == [0]
    assert cluster.settle([]) == Plan()


def test_the_first_endpoint_and_the_last_rewrite_the_slice_that_is_there() -> None:
    """Consumers never see the Service without a slice, and it keeps its name."""
    cluster = Cluster()
    cluster.settle([])
    for pods in (pods_of(1), []):
        found = cluster.settle(pods)
        assert (len(found.create), len(found.update), len(found.delete)) == (0, 1, 0)
    assert list(cluster.slices) == ["web-1"]


def test_pods_whose_ports_differ_have_slices_of_their_own() -> None:
    cluster = Cluster(service(NAMED))
    cluster.settle([*pods_of(2, ports={"http": 80}), *pods_of(1, start=2, ports={"http": 81})])
    assert cluster.sizes() == [1, 2]
    cluster.settle(pods_of(2, ports={"http": 80}))
    assert cluster.sizes() == [2]


def test_one_change_among_many_touches_one_slice_and_leaves_the_others_as_they_are() -> None:
    cluster = Cluster()
    pods = pods_of(450)
    cluster.settle(pods)
    assert cluster.sizes() == [50, 100, 100, 100, 100]
    pods[120] = pod("p120", ip="10.0.0.120", ready=False)
    for change in (pods, pods[:220] + pods[221:], [*pods, *pods_of(1, start=450)]):
        found = cluster.settle(change)
        assert (len(found.create), len(found.update), len(found.delete)) == (0, 1, 0)


def test_new_endpoints_go_where_all_fit_and_the_fullest_such_slice_is_taken() -> None:
    cluster = Cluster()
    pods = pods_of(200)
    cluster.settle(pods)
    pods = pods[:90] + pods[100:150]
    cluster.settle(pods)
    assert cluster.sizes() == [50, 90]
    found = cluster.settle([*pods, *pods_of(30, start=300)])
    assert len(found.update) == 1
    assert cluster.sizes() == [80, 90]


def test_labels_of_the_service_reach_all_slices() -> None:
    cluster = Cluster()
    cluster.settle(pods_of(150))
    cluster.service.metadata.labels = {"tier": "front"}
    assert len(cluster.settle(pods_of(150)).update) == 2
    assert all(each.metadata.labels["tier"] == "front" for each in cluster.slices.values())


def test_more_in_one_slice_than_may_be_is_spread() -> None:
    """Somebody wrote into it."""
    cluster = Cluster()
    cluster.settle(pods_of(100))
    cluster.slices["web-1"].endpoints += (
        plan(service(), pods_of(50, start=100), [], {}, "IPv4", None).create[0].endpoints
    )
    cluster.settle(pods_of(150))
    assert cluster.sizes() == [50, 100]


@given(
    st.lists(
        st.tuples(st.sets(st.integers(0, 30), max_size=30), st.integers(1, 6), st.sampled_from([8080, 8081])),
        min_size=1,
        max_size=6,
    )
)
def test_after_any_changes_every_pod_is_in_exactly_one_slice(steps: list[tuple[set[int], int, int]]) -> None:
    """Groups of pods come, go, and change their port."""
    cluster = Cluster(service(NAMED))
    for groups, size, port in steps:
        pods = [each for group in groups for each in pods_of(size, start=group * 10, ports={"http": port + group % 2})]
        cluster.settle(pods)
        assert cluster.holds() == sorted(each.status.pod_ip for each in pods)
        assert max(cluster.sizes()) <= MOST
        assert min(cluster.sizes()) > 0 or len(cluster.slices) == 1
        assert cluster.settle(pods) == Plan(), "a second pass has nothing to do"


@pytest.mark.parametrize(
    ("wanted", "zones", "nodes"),
    [(None, [], []), ("PreferClose", ["z1"], []), ("PreferSameZone", ["z1"], []), ("PreferSameNode", ["z1"], ["n1"])],
)
def test_endpoints_are_meant_for_their_own_place_where_the_service_wants_that(
    wanted: str | None, zones: list[str], nodes: list[str]
) -> None:
    ready = pod("p1", ip="10.0.0.1", ready=True, node="n1")
    ending = pod("p2", ip="10.0.0.2", ready=False, node="n1")
    found = plan(service(traffic_distribution=wanted), [ready, ending], [], {"n1": "z1"}, "IPv4", None)
    hints = {e.addresses[0]: e.hints for each in found.create for e in each.endpoints}
    assert hints["10.0.0.2"] is None
    told = hints["10.0.0.1"]
    assert [each.name for each in (told.for_zones if told else [])] == zones
    assert [each.name for each in (told.for_nodes if told else [])] == nodes


def test_slices_of_a_family_hold_the_pods_that_have_an_address_of_it() -> None:
    pods = [
        pod("a", ips=("10.0.0.1", "fd00::1"), ready=True),
        pod("b", ips=("10.0.0.2",), ready=True),
        pod("c", ips=("fd00::3",), ready=True),
    ]
    for family, addresses in (("IPv4", ["10.0.0.1", "10.0.0.2"]), ("IPv6", ["fd00::1", "fd00::3"])):
        (made,) = plan(service(), pods, [], {}, family, None).create
        assert made.address_type == family
        assert sorted(each for endpoint in made.endpoints for each in endpoint.addresses) == addresses
        assert made.metadata.generate_name == "web-"
        assert made.metadata.labels == {SERVICE_NAME: "web", MANAGED_BY: CONTROLLER}
    (empty,) = plan(service(), pods[1:2], [], {}, "IPv6", None).create
    assert empty.endpoints == [], "the family is the Service's, so it is said that nothing is there"
