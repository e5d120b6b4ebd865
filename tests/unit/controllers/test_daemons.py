"""A pod on every node that may have one, through updates of both kinds."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.api.types.apps import DaemonSet, DaemonSetSpec, RollingUpdate, UpdateStrategy
from fairlead.api.types.core import Node, Pod, Taint
from fairlead.api.types.meta import LabelSelector, ObjectMeta
from fairlead.controllers.daemons import Place, node_of, place, plan, pod_for, status_of
from fairlead.controllers.history import HASH
from tests.unit.controllers.objects import T0, node, pod

MASTER = Taint(key="node-role.kubernetes.io/control-plane", effect="NoSchedule")
AFFINITY = {
    "nodeAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [{"matchExpressions": [{"key": "disk", "operator": "In", "values": ["ssd"]}]}]
        }
    }
}


def daemon(
    spec: dict[str, Any] | None = None, *, surge: Any = 0, unavailable: Any = 1, strategy: str = ""
) -> DaemonSet:
    rolling = RollingUpdate(max_surge=surge, max_unavailable=unavailable)
    return DaemonSet(
        metadata=ObjectMeta(name="ds", namespace="default", uid="d", generation=2),
        spec=DaemonSetSpec(
            selector=LabelSelector(match_labels={"app": "ds"}),
            template={"metadata": {"labels": {"app": "ds"}}, "spec": spec or {}},
            update_strategy=UpdateStrategy(type=strategy or "RollingUpdate", rolling_update=rolling),
        ),
    )


def tainted(key: str, effect: str) -> Node:
    return node("n", taints=(Taint(key=key, effect=effect),))


def on(where: str, digest: str = "new", **more: Any) -> Pod:
    more = {"ready": True, "ready_since": -99} | more
    return pod(f"{where}-{digest}-{len(more)}", node=where, labels={HASH: digest}, **more)


@pytest.mark.parametrize(
    ("what", "spec", "it", "expected"),
    [
        ("anywhere", {}, node("n"), Place(True, True)),
        ("an unschedulable one too", {}, tainted("node.kubernetes.io/unschedulable", "NoSchedule"), Place(True, True)),
        (
            "one that is not ready too, to become so",
            {},
            tainted("node.kubernetes.io/not-ready", "NoExecute"),
            Place(True, True),
        ),
        ("not the control plane's", {}, node("n", taints=(MASTER,)), Place(False, True)),
        (
            "the control plane's, tolerated",
            {"tolerations": [{"operator": "Exists"}]},
            node("n", taints=(MASTER,)),
            Place(True, True),
        ),
        ("NoExecute drives out", {}, tainted("x", "NoExecute"), Place(False, False)),
        ("PreferNoSchedule says nothing", {}, tainted("x", "PreferNoSchedule"), Place(True, True)),
        ("not selected", {"nodeSelector": {"disk": "ssd"}}, node("n"), Place(False, False)),
        ("selected", {"nodeSelector": {"disk": "ssd"}}, node("n", labels={"disk": "ssd"}), Place(True, True)),
        ("not wanted by affinity", {"affinity": AFFINITY}, node("n"), Place(False, False)),
        ("wanted by affinity", {"affinity": AFFINITY}, node("n", labels={"disk": "ssd"}), Place(True, True)),
        (
            "no network yet, on the pod network",
            {},
            tainted("node.kubernetes.io/network-unavailable", "NoSchedule"),
            Place(False, True),
        ),
        (
            "no network yet, on the host's",
            {"hostNetwork": True},
            tainted("node.kubernetes.io/network-unavailable", "NoSchedule"),
            Place(True, True),
        ),
    ],
)
def test_place(what: str, spec: dict[str, Any], it: Node, expected: Place) -> None:
    assert place(daemon(spec), it) == expected, what


NODES = [node("n1"), node("n2"), node("n3")]
SERVING_OLD = [on("n1", "old"), on("n2", "old"), on("n3", "old")]


def named(found: Any) -> tuple[list[str], list[str]]:
    return sorted(found.create), sorted(f"{p.spec.node_name} {p.metadata.labels[HASH]}" for p in found.delete)


@pytest.mark.parametrize(
    ("what", "it", "pods", "create", "delete"),
    [
        ("none yet", daemon(), [], ["n1", "n2", "n3"], []),
        ("all there", daemon(), [on("n1"), on("n2"), on("n3")], [], []),
        ("one is going: its node waits", daemon(), [on("n1", going=True), on("n2"), on("n3")], [], []),
        (
            "two on a node: the older stays",
            daemon(),
            [on("n1"), on("n1", created=5), on("n2"), on("n3")],
            [],
            ["n1 new"],
        ),
        ("an update, one at a time", daemon(), SERVING_OLD, [], ["n1 old"]),
        ("an update, by share", daemon(unavailable="50%"), SERVING_OLD, [], ["n1 old", "n2 old"]),
        ("an update waits for a new one", daemon(), [on("n1", ready=False), *SERVING_OLD[1:]], [], []),
        (
            "broken old ones are replaced beyond that",
            daemon(),
            [on("n1", ready=False), on("n2", "old", ready=False), on("n3", "old")],
            [],
            ["n2 old"],
        ),
        ("on delete only", daemon(strategy="OnDelete"), SERVING_OLD, [], []),
        ("a surge comes before", daemon(surge=1, unavailable=0), SERVING_OLD, ["n1"], []),
        ("a surge waits", daemon(surge=1, unavailable=0), [on("n1", ready=False), *SERVING_OLD], [], []),
        ("a surge that serves replaces", daemon(surge=1, unavailable=0), [on("n1"), *SERVING_OLD], [], ["n1 old"]),
    ],
)
def test_plan(what: str, it: DaemonSet, pods: list[Pod], create: list[str], delete: list[str]) -> None:
    assert named(plan(it, "new", NODES, pods, T0)) == (create, delete), what


def test_pods_leave_nodes_that_no_longer_want_them_but_a_new_taint_drives_nobody_out() -> None:
    pods = [on("n1"), on("n2"), on("n3")]
    nodes = [node("n1", labels={"disk": "ssd"}), node("n2", labels={"disk": "ssd"}, taints=(MASTER,)), node("n3")]
    assert named(plan(daemon({"nodeSelector": {"disk": "ssd"}}), "new", nodes, pods, T0)) == ([], ["n3 new"])


def test_pods_that_ended_are_told_apart() -> None:
    """They are replaced too, but with a back-off."""
    found = plan(daemon(), "new", NODES, [on("n1", phase="Failed"), on("n2"), on("n3")], T0)
    assert [each.spec.node_name for each in found.ended] == ["n1"]
    assert (found.create, found.delete) == ((), ())


@given(
    st.integers(1, 6),
    st.one_of(st.tuples(st.just(0), st.integers(1, 4)), st.tuples(st.integers(1, 4), st.just(0))),
    st.lists(st.booleans(), max_size=40),
)
def test_an_update_ends_and_keeps_enough_serving(count: int, limits: tuple[int, int], luck: list[bool]) -> None:
    """`luck`: whether new pods become ready in a pass; after that, they do."""
    surge, unavailable = limits
    it, nodes = daemon(surge=surge, unavailable=unavailable), [node(f"n{n}") for n in range(count)]
    pods = [on(f"n{n}", "old") for n in range(count)]
    for index in range(len(luck) + 6 * count + 6):
        found = plan(it, "new", nodes, pods, T0)
        gone = {each.metadata.uid for each in found.delete}
        pods = [each for each in pods if each.metadata.uid not in gone]
        serving = {each.spec.node_name for each in pods if each.is_ready}
        assert len(serving) >= count - unavailable
        assert len(pods) <= count + surge
        if index >= len(luck) or luck[index]:
            pods = [each if each.is_ready else on(each.spec.node_name, created=index) for each in pods]
        pods += [on(name, ready=False, created=index) for name in found.create]
        if len(pods) == count and all(p.is_ready and p.metadata.labels[HASH] == "new" for p in pods):
            return
    pytest.fail("the update does not end")


def test_a_pod_is_bound_to_its_node_by_name_and_keeps_what_it_prefers() -> None:
    spec = {"affinity": {**AFFINITY, "podAffinity": {"x": 1}}, "tolerations": [{"key": "own", "operator": "Exists"}]}
    body = pod_for(daemon(spec), "abc", "n1")
    (term,) = body["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][
        "nodeSelectorTerms"
    ]
    assert term == {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n1"]}]}
    assert body["spec"]["affinity"]["podAffinity"] == {"x": 1}
    assert body["spec"]["tolerations"][0]["key"] == "own"
    assert len(body["spec"]["tolerations"]) == 7
    assert body["metadata"]["labels"] == {"app": "ds", HASH: "abc"}
    assert node_of(pod("x", affinity=body["spec"]["affinity"])) == "n1"


def test_the_status_counts_nodes_not_pods() -> None:
    nodes = [node("n1"), node("n2"), node("n3", taints=(MASTER,))]
    pods = [on("n1", "old"), on("n1", "new", created=5), on("n2", "new", ready=False), on("n3", "new")]
    status = status_of(daemon(), "new", nodes, pods, T0)
    assert (status.desired_number_scheduled, status.current_number_scheduled, status.number_misscheduled) == (2, 2, 1)
    assert (status.number_ready, status.number_available, status.number_unavailable) == (1, 1, 1)
    assert (status.updated_number_scheduled, status.observed_generation) == (1, 2)
