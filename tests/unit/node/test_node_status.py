"""What a node tells of itself."""

from pathlib import Path

from fairlead.api.types.core import NodeStatus
from fairlead.node import machine
from fairlead.node.node_status import Health, Identity, Machine, node_object, status_of
from tests.unit.node.pods import NOW

MACHINE = Machine(2, 4 << 30, 100 << 30, "6.1.0", "Debian GNU/Linux 12 (bookworm)", "amd64", "m", "u", "b")
LABELS = {"node-role.kubernetes.io/control-plane": ""}
IDENTITY = Identity("master", ("192.168.109.100", "fd00:192:168:109::100"), LABELS, "v1.32.0+fairlead", "crun://1.8.1")


def told(health: Health = Health(), before: NodeStatus | None = None, now: float = NOW) -> NodeStatus:  # noqa: B008
    return status_of(IDENTITY, MACHINE, health, [], before or NodeStatus(), now)


def test_a_node_registers_with_its_labels_and_its_pods_addresses() -> None:
    ranges = ["10.244.0.0/24", "fd00:10:244::/64"]
    node = node_object(IDENTITY, MACHINE, ranges, told())
    assert node.metadata.labels["kubernetes.io/hostname"] == "master"
    assert node.metadata.labels["node-role.kubernetes.io/control-plane"] == ""
    assert (node.spec.pod_cidr, node.spec.pod_cidrs) == ("10.244.0.0/24", ranges)
    assert node.address("InternalIP") == "192.168.109.100"
    told_of = [(each.type, each.address) for each in node.status.addresses]
    assert told_of == [
        ("InternalIP", "192.168.109.100"),
        ("InternalIP", "fd00:192:168:109::100"),
        ("Hostname", "master"),
    ]
    assert node.status.capacity["memory"] == "4194304Ki"


def test_a_ready_node_tells_what_is_degraded_and_goes_on() -> None:
    status = told(Health(degraded=("resource limits are not enforced: no cgroup controllers",)))
    ready = status.conditions[-1]
    assert (ready.type, ready.status, ready.reason) == ("Ready", "True", "KubeletReady")
    assert ready.message.endswith(". WARNING: resource limits are not enforced: no cgroup controllers")


def test_a_problem_makes_the_node_not_ready_and_the_time_of_change_moves() -> None:
    first = told()
    later = told(Health(problems=("container runtime is down",)), first, NOW + 10)
    transitions = {condition.type: condition.last_transition_time for condition in later.conditions}
    assert transitions["Ready"] == "2023-11-14T22:13:30Z"
    assert transitions["DiskPressure"] == "2023-11-14T22:13:20Z"
    assert {condition.last_heartbeat_time for condition in later.conditions} == {"2023-11-14T22:13:30Z"}


def test_this_machine_can_be_read(tmp_path: Path) -> None:
    found = machine.read(tmp_path / "not" / "there")
    assert found.cpus > 0
    assert found.memory > 1 << 20
    assert found.kernel
