"""Which nodes take a pod, and what is said of those that do not."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.api.types.core import Pod, Taint, Toleration
from fairlead.scheduler.filter import refusal, summary
from fairlead.scheduler.model import NodeState, requests
from tests.unit.scheduler.objects import container, pod, required, state

MASTER = Taint(key="node-role.kubernetes.io/control-plane", effect="NoSchedule")
VALUED = Taint(key="dedicated", value="gpu", effect="NoExecute")
SSD = {"key": "disk", "operator": "In", "values": ["ssd"]}
CORDONED = Toleration(key="node.kubernetes.io/unschedulable", operator="Exists")


def untolerated(what: str) -> str:
    return f"node(s) had untolerated taint {{{what}}}"


UNMATCHED = "node(s) didn't match Pod's node affinity/selector"
NO_PORT = "node(s) didn't have free ports for the requested pod ports"


@pytest.mark.parametrize(
    ("what", "it", "where", "reasons"),
    [
        ("nothing is asked for", pod("p"), state("n"), ()),
        ("a taint", pod("p"), state("n", taints=(MASTER,)), (untolerated("node-role.kubernetes.io/control-plane: "),)),
        ("a taint with a value", pod("p"), state("n", taints=(VALUED,)), (untolerated("dedicated: gpu"),)),
        (
            "tolerated by value",
            pod("p", tolerations=[Toleration(key="dedicated", value="gpu")]),
            state("n", taints=(VALUED,)),
            (),
        ),
        (
            "tolerated for another value",
            pod("p", tolerations=[Toleration(key="dedicated", value="tpu")]),
            state("n", taints=(VALUED,)),
            (untolerated("dedicated: gpu"),),
        ),
        (
            "tolerated for another effect",
            pod("p", tolerations=[Toleration(key="dedicated", operator="Exists", effect="NoSchedule")]),
            state("n", taints=(VALUED,)),
            (untolerated("dedicated: gpu"),),
        ),
        (
            "everything tolerated",
            pod("p", tolerations=[Toleration(operator="Exists")]),
            state("n", taints=(VALUED,)),
            (),
        ),
        ("rather not is not no", pod("p"), state("n", taints=(Taint(key="x", effect="PreferNoSchedule"),)), ()),
        ("cordoned", pod("p"), state("n", unschedulable=True), ("node(s) were unschedulable",)),
        ("cordoned, tolerated", pod("p", tolerations=[CORDONED]), state("n", unschedulable=True), ()),
        ("another node", pod("p", node_name="m"), state("n"), ("node(s) didn't match the requested node name",)),
        ("a selector", pod("p", node_selector={"disk": "ssd"}), state("n"), (UNMATCHED,)),
        ("a selector that matches", pod("p", node_selector={"disk": "ssd"}), state("n", labels={"disk": "ssd"}), ()),
        ("affinity", pod("p", affinity=required({"matchExpressions": [SSD]})), state("n"), (UNMATCHED,)),
        ("no term matches nothing", pod("p", affinity=required({})), state("n", labels={"disk": "ssd"}), (UNMATCHED,)),
        (
            "one of two terms",
            pod(
                "p",
                affinity=required(
                    {"matchExpressions": [{"key": "x", "operator": "Exists"}]}, {"matchExpressions": [SSD]}
                ),
            ),
            state("n", labels={"disk": "ssd"}),
            (),
        ),
        (
            "pinned elsewhere, as DaemonSets' pods are",
            pod("p", affinity=required({"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["m"]}]})),
            state("n"),
            ("node(s) didn't satisfy plugin(s) [NodeAffinity]",),
        ),
        (
            "pinned here",
            pod("p", affinity=required({"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n"]}]})),
            state("n"),
            (),
        ),
        ("a port taken", pod("p", container(80)), state("n", pod("q", container(80))), (NO_PORT,)),
        (
            "a port of another address",
            pod("p", container(80, ip="10.0.0.1")),
            state("n", pod("q", container(80, ip="10.0.0.2"))),
            (),
        ),
        (
            "a port of all addresses",
            pod("p", container(80)),
            state("n", pod("q", container(80, ip="10.0.0.2"))),
            (NO_PORT,),
        ),
        ("as much as is free", pod("p", container(cpu="1500m")), state("n", pod("q", container(cpu="2.5"))), ()),
        (
            "more than is free, of all",
            pod("p", container(cpu="1501m", memory="9Gi")),
            state("n", pod("q", container(cpu="2.5"))),
            ("Insufficient cpu", "Insufficient memory"),
        ),
        ("nothing of what is overdrawn", pod("p", container(cpu="0")), state("n", pod("q", container(cpu="9"))), ()),
        ("too many pods", pod("p"), state("n", pod("q"), most="1"), ("Too many pods",)),
        (
            "what the node does not have",
            pod("p", container(extended={"example.com/gpu": "1"})),
            state("n"),
            ("Insufficient example.com/gpu",),
        ),
        (
            "the first rule broken is told alone",
            pod("p", container(cpu="99")),
            state("n", taints=(VALUED,)),
            (untolerated("dedicated: gpu"),),
        ),
    ],
)
def test_refusal(what: str, it: Pod, where: NodeState, reasons: tuple[str, ...]) -> None:
    found = refusal(it, where)
    assert (found.reasons if found is not None else ()) == reasons, what


@pytest.mark.parametrize(
    ("operator", "values", "labels", "matches"),
    [
        ("NotIn", ["a"], {"k": "b"}, True),
        ("NotIn", ["a"], {}, True),
        ("Exists", [], {"k": ""}, True),
        ("DoesNotExist", [], {"k": ""}, False),
        ("Gt", ["5"], {"k": "6"}, True),
        ("Gt", ["5"], {"k": "5"}, False),
        ("Lt", ["5"], {"k": "-6"}, True),
        ("Gt", ["5"], {"k": "many"}, False),
        ("Lt", ["5"], {}, False),
    ],
)
def test_operators(operator: str, values: list[str], labels: dict[str, str], matches: bool) -> None:
    term: dict[str, Any] = {"matchExpressions": [{"key": "k", "operator": operator, "values": values}]}
    assert (refusal(pod("p", affinity=required(term)), state("n", labels=labels)) is None) is matches


def test_the_summary_counts_and_sorts_as_kube_scheduler_does() -> None:
    it = pod("p", container(cpu="3"))
    states = [state("master", taints=(MASTER,)), state("n1", cpu="2"), state("n2", cpu="2", memory="0")]
    found = {each.name: why for each in states if (why := refusal(it, each)) is not None}
    assert summary(found) == (
        "0/3 nodes are available: "
        "1 node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }, 2 Insufficient cpu. "
        "preemption: 0/3 nodes are available: "
        "1 Preemption is not helpful for scheduling, 2 No preemption victims found for incoming pod."
    )


def test_without_nodes_that_is_what_is_said() -> None:
    assert summary({}) == "no nodes available to schedule pods"


def test_requests_are_the_most_that_is_needed_at_once() -> None:
    it = pod("p", container(cpu="1"), container(cpu="500m", memory="1Gi"))
    it.spec.init_containers = [container(cpu="3"), container(cpu="200m", memory="2Gi")]
    assert requests(it) == {"cpu": 3000, "memory": 2 * 2**30, "pods": 1}
    sidecar = container(cpu="1")
    sidecar.restart_policy = "Always"
    it.spec.init_containers = [sidecar, container(cpu="3")]
    assert requests(it)["cpu"] == 4000, "an init container runs beside the sidecars before it"
    it.spec.init_containers = [container(cpu="3"), sidecar]
    assert requests(it)["cpu"] == 3000


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.integers(0, 3000), st.integers(0, 2)), max_size=30))
def test_what_comes_and_goes_leaves_a_node_as_it_was(steps: list[tuple[int, bool, int, int]]) -> None:
    node, there = state("n"), dict[str, Pod]()
    for number, comes, cpu, port in steps:
        name = f"p{number}"
        if comes and name not in there:
            there[name] = pod(name, container(1000 + 10 * number + port, cpu=f"{cpu}m"))
            node.add(there[name])
        elif not comes:
            there.pop(name, None)
            node.remove(name)
    assert node.used.get("pods", 0) == len(there)
    assert node.used.get("cpu", 0) == sum(requests(each).get("cpu", 0) for each in there.values())
    assert len(node.ports) == len(there)
