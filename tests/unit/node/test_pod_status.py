"""What is told of a pod."""

from typing import Any

import msgspec
import pytest

from fairlead.api.types.core import Pod, PodStatus
from fairlead.api.types.meta import Condition
from fairlead.node.backoff import BackOff
from fairlead.node.observed import Failure, Observed
from fairlead.node.plan import plan
from fairlead.node.pod_status import Node, status_of, told_before
from tests.unit.node.pods import NOW, exited, init, observed, pod, running

NODE = Node(("192.168.109.101",), "crun")


def status(pod_: Pod, state: Observed, now: float = NOW) -> PodStatus:
    return status_of(pod_, state, plan(pod_, state, now), NODE, now)


def conditions(told: PodStatus) -> dict[str, tuple[str, str]]:
    return {condition.type: (condition.status, condition.reason) for condition in told.conditions}


def test_a_pod_without_sandbox_is_pending_and_its_containers_are_being_created() -> None:
    told = status(pod(), Observed(started_at=NOW))
    assert told.phase == "Pending"
    waiting = told.container_statuses[0].state.waiting
    assert waiting is not None
    assert waiting.reason == "ContainerCreating"
    assert conditions(told) == {
        "PodReadyToStartContainers": ("False", ""),
        "Initialized": ("True", ""),
        "Ready": ("False", "ContainersNotReady"),
        "ContainersReady": ("False", "ContainersNotReady"),
        "PodScheduled": ("True", ""),
    }
    assert told.conditions[2].message == "containers with unready status: [web]"


def test_a_running_pod_tells_its_addresses_and_is_ready() -> None:
    told = status(pod(), observed(running()))
    assert (told.phase, told.pod_ip, told.host_ip, told.qos_class) == (
        "Running", "10.244.1.2", "192.168.109.101", "BestEffort",
    )  # fmt: skip
    assert told.pod_ips[0].ip == "10.244.1.2"
    container = told.container_statuses[0]
    assert (container.ready, container.started, container.restart_count) == (True, True, 0)
    assert (container.container_id, container.image_id) == ("crun://web-0", "sha256:1")
    assert {status for status, _ in conditions(told).values()} == {"True"}


def test_a_container_that_is_not_judged_yet_is_not_ready() -> None:
    told = status(pod(), observed(running(), healthy=False))
    assert told.phase == "Running"
    assert (told.container_statuses[0].ready, told.container_statuses[0].started) == (False, False)


def test_a_crash_loop_waits_and_tells_how_the_last_run_ended() -> None:
    state = observed(exited(code=1, attempt=2, ago=4), backoffs={"web": BackOff(20, NOW - 6)})
    told = status(pod(), state)
    container = told.container_statuses[0]
    assert told.phase == "Running"
    assert container.state.waiting is not None
    assert container.state.waiting.reason == "CrashLoopBackOff"
    assert container.state.waiting.message.startswith("back-off 20s restarting failed container=web pod=web_dev(")
    assert container.last_state.terminated is not None
    assert (container.last_state.terminated.exit_code, container.last_state.terminated.reason) == (1, "Error")
    assert container.restart_count == 2


def test_a_restarted_container_tells_of_the_run_before() -> None:
    told = status(pod(), observed(exited(code=137, reason="OOMKilled"), running(attempt=1)))
    container = told.container_statuses[0]
    assert container.restart_count == 1
    assert container.last_state.terminated is not None
    assert container.last_state.terminated.reason == "OOMKilled"


def test_an_image_that_cannot_be_had_keeps_the_pod_pending_with_the_reason() -> None:
    failure = Failure(((NOW, "ErrImagePull", "not found"),), NOW + 10)
    told = status(pod(), observed(failures={"web": failure}))
    assert told.phase == "Pending"
    assert told.container_statuses[0].state.waiting is not None
    assert told.container_statuses[0].state.waiting.reason == "ErrImagePull"


@pytest.mark.parametrize(
    ("policy", "codes", "phase"),
    [
        ("Never", (0, 0), "Succeeded"),
        ("Never", (0, 1), "Failed"),
        ("OnFailure", (0, 0), "Succeeded"),
        ("OnFailure", (0, 1), "Running"),
        ("Always", (0, 0), "Running"),
    ],
)
def test_the_phase_of_ended_containers_follows_the_restart_policy(
    policy: str, codes: tuple[int, int], phase: str
) -> None:
    state = observed(exited("a", codes[0]), exited("b", codes[1]))
    assert status(pod("a", "b", restartPolicy=policy), state).phase == phase


def test_a_completed_pod_says_so_in_its_conditions() -> None:
    told = status(pod(restartPolicy="Never"), observed(exited()))
    assert told.container_statuses[0].state.terminated is not None
    assert told.container_statuses[0].state.terminated.reason == "Completed"
    assert conditions(told)["Ready"] == ("False", "PodCompleted")
    assert conditions(told)["Initialized"] == ("True", "PodCompleted")


def test_while_init_containers_run_the_others_initialize() -> None:
    spec = pod("web", initContainers=[init("one"), init("two")])
    told = status(spec, observed(exited("one"), running("two")))
    assert told.phase == "Pending"
    assert [container.ready for container in told.init_container_statuses] == [True, False]
    assert told.container_statuses[0].state.waiting is not None
    assert told.container_statuses[0].state.waiting.reason == "PodInitializing"
    assert conditions(told)["Initialized"] == ("False", "ContainersNotInitialized")
    message = next(c.message for c in told.conditions if c.type == "Initialized")
    assert message == "containers with incomplete status: [two]"


def test_a_failed_init_container_fails_a_pod_that_never_restarts() -> None:
    spec = pod("web", initContainers=[init("one")], restartPolicy="Never")
    assert status(spec, observed(exited("one", code=1))).phase == "Failed"
    spec = pod("web", initContainers=[init("one")])
    state = observed(exited("one", code=1, attempt=1), backoffs={"one": BackOff(10, NOW - 1)})
    told = status(spec, state)
    assert told.phase == "Pending"
    assert told.init_container_statuses[0].state.waiting is not None
    assert told.init_container_statuses[0].state.waiting.reason == "CrashLoopBackOff"


def test_a_sidecar_counts_for_readiness() -> None:
    spec = pod("web", initContainers=[init("proxy", sidecar=True)])
    told = status(spec, observed(running("proxy"), running()))
    assert (told.phase, conditions(told)["Ready"][0]) == ("Running", "True")
    told = status(spec, observed(exited("proxy", attempt=1), running(), backoffs={"proxy": BackOff(10, NOW)}))
    assert conditions(told)["ContainersReady"] == ("False", "ContainersNotReady")


def test_readiness_gates_hold_a_pod_back() -> None:
    spec = pod(readinessGates=[{"conditionType": "example.com/lb"}])
    told = status(spec, observed(running()))
    assert conditions(told)["ContainersReady"] == ("True", "")
    assert conditions(told)["Ready"] == ("False", "ReadinessGatesNotReady")
    message = 'corresponding condition of pod readiness gate "example.com/lb" does not exist.'
    assert told.conditions[2].message == message


def test_a_readiness_gate_opens_by_a_condition_that_another_sets() -> None:
    spec = pod(readinessGates=[{"conditionType": "example.com/lb"}])
    told = status(spec, observed(running()))
    spec.status = PodStatus(conditions=[Condition("Ready", "Unknown"), Condition("example.com/lb", "True")])
    spec.status = told_before(spec, told)
    later = status(spec, observed(running()))
    assert conditions(later)["Ready"] == ("True", "")
    assert "example.com/lb" not in conditions(later)  # not ours to tell


def test_a_condition_keeps_the_time_of_its_last_change() -> None:
    spec, state = pod(), observed(running())
    spec.status = status(spec, state)
    later = status(spec, state, NOW + 100)
    assert {condition.last_transition_time for condition in later.conditions} == {"2023-11-14T22:13:20Z"}
    broken = status(spec, observed(exited(code=1, ago=0), backoffs={"web": BackOff(10, NOW)}), NOW + 5)
    times = {condition.type: condition.last_transition_time for condition in broken.conditions}
    assert (times["Ready"], times["PodScheduled"]) == ("2023-11-14T22:13:25Z", "2023-11-14T22:13:20Z")


def test_a_deadline_fails_the_pod() -> None:
    told = status(pod(activeDeadlineSeconds=5), observed(running()))
    assert (told.phase, told.reason) == ("Failed", "DeadlineExceeded")


def test_a_final_phase_is_never_taken_back() -> None:
    spec = pod()
    spec.status.phase = "Succeeded"
    assert status(spec, observed(running())).phase == "Succeeded"


@pytest.mark.parametrize(
    ("resources", "qos"),
    [
        ({}, "BestEffort"),
        ({"requests": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}}, "Guaranteed"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}}, "Burstable"),
    ],
)
def test_the_quality_of_service_follows_the_resources(resources: dict[str, Any], qos: str) -> None:
    spec = pod()
    body = msgspec.to_builtins(spec.spec) | {"containers": [{"name": "web", "resources": resources}]}
    spec = msgspec.convert({"metadata": {"name": "web"}, "spec": body}, Pod)
    assert status(spec, Observed(started_at=NOW)).qos_class == qos
