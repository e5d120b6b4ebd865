"""What the agent decides to do next for a pod."""

import msgspec
import pytest

from fairlead.api.types.core import Pod
from fairlead.node.backoff import BackOff, following, recovered, render
from fairlead.node.observed import HOOK, Failure, Health, Observed, Sandbox, Waiting
from fairlead.node.plan import CreateSandbox, Forget, Plan, Start, Stop, StopPod, plan, stop_order
from tests.unit.node.pods import NOW, exited, init, observed, pod, running


def deleted(pod_: Pod, grace: int = 30) -> Pod:
    metadata = msgspec.structs.replace(
        pod_.metadata, deletion_timestamp="2023-11-14T22:13:20Z", deletion_grace_period_seconds=grace
    )
    return msgspec.structs.replace(pod_, metadata=metadata)


def test_a_new_pod_gets_a_sandbox_first() -> None:
    assert plan(pod(), Observed(), NOW) == Plan((CreateSandbox(0),))


def test_all_containers_start_in_one_round_in_the_order_of_the_spec() -> None:
    assert plan(pod("a", "b"), observed(), NOW).actions == (Start("a", 0, None), Start("b", 0, None))


def test_a_pod_that_runs_needs_nothing() -> None:
    assert plan(pod(), observed(running()), NOW) == Plan()


def test_a_dead_sandbox_is_replaced_and_takes_its_containers_with_it() -> None:
    dead = Sandbox("old", 3, ("10.244.1.2",), alive=False)
    assert plan(pod(), observed(running(), sandbox=False), NOW).actions == (CreateSandbox(0),)
    state = Observed(sandbox=dead, runs={"web": (running(),)})
    assert plan(pod(), state, NOW).actions == (StopPod(0), CreateSandbox(4))


def test_the_first_restart_is_immediate_and_the_next_waits_ten_seconds() -> None:
    assert plan(pod(), observed(exited(code=1)), NOW).actions == (Start("web", 1, BackOff(10, NOW)),)
    state = observed(exited(code=1, attempt=1, ago=4), backoffs={"web": BackOff(10, NOW - 6)})
    message = "back-off 10s restarting failed container=web pod=web_dev(1-2)"
    assert plan(pod(), state, NOW) == Plan((), {"web": Waiting("CrashLoopBackOff", message)}, NOW + 6)
    assert plan(pod(), state, NOW + 6).actions == (Start("web", 2, BackOff(20, NOW + 6)),)


def test_backoff_doubles_to_five_minutes_and_is_forgotten_after_ten_good_ones() -> None:
    entry, delays = following(None, NOW), []
    for _ in range(7):
        delays.append(entry.delay)
        entry = following(entry, NOW)
    assert delays == [10, 20, 40, 80, 160, 300, 300]
    assert following(entry, NOW + 601) == BackOff(10, NOW + 601)
    assert entry.until(NOW + 601, NOW + 601) is None


def test_an_agent_that_restarts_continues_the_backoff_of_the_restarts_it_finds() -> None:
    assert [recovered(attempt, NOW) for attempt in (0, 1, 3)] == [None, BackOff(10, NOW), BackOff(40, NOW)]
    assert recovered(10_000, NOW) == BackOff(300, NOW)


@pytest.mark.parametrize(
    ("seconds", "text"), [(10, "10s"), (80, "1m20s"), (160, "2m40s"), (300, "5m0s"), (3661, "1h1m1s")]
)
def test_durations_read_as_in_go(seconds: float, text: str) -> None:
    assert render(seconds) == text


@pytest.mark.parametrize(
    ("policy", "code", "restarts"),
    [("Always", 0, True), ("Always", 1, True), ("OnFailure", 0, False), ("OnFailure", 1, True), ("Never", 1, False)],
)
def test_the_restart_policy_decides_what_an_exit_means(policy: str, code: int, restarts: bool) -> None:
    decided = plan(pod(restartPolicy=policy), observed(exited(code=code)), NOW)
    assert decided.actions == ((Start("web", 1, BackOff(10, NOW)),) if restarts else (StopPod(30),))


def test_a_finished_pod_has_ended_when_its_sandbox_is_gone() -> None:
    decided = plan(pod(restartPolicy="Never"), observed(exited(), sandbox=False), NOW)
    assert decided == Plan(ended=True)


def test_one_container_that_is_done_does_not_end_the_others() -> None:
    state = observed(exited("a"), running("b"))
    assert plan(pod("a", "b", restartPolicy="OnFailure"), state, NOW) == Plan()


def test_init_containers_run_one_after_the_other() -> None:
    spec = pod("web", initContainers=[init("one"), init("two")])
    assert plan(spec, observed(), NOW).actions == (Start("one", 0, None),)
    assert plan(spec, observed(running("one")), NOW).actions == ()
    assert plan(spec, observed(exited("one")), NOW).actions == (Start("two", 0, None),)
    assert plan(spec, observed(exited("one"), exited("two")), NOW).actions == (Start("web", 0, None),)


def test_a_failed_init_container_is_tried_again_unless_the_policy_is_never() -> None:
    state = observed(exited("one", code=1))
    spec = pod("web", initContainers=[init("one")])
    assert plan(spec, state, NOW).actions == (Start("one", 1, BackOff(10, NOW)),)
    spec = pod("web", initContainers=[init("one")], restartPolicy="Never")
    assert plan(spec, state, NOW).actions == (StopPod(30),)


def test_init_containers_do_not_run_again_once_the_others_ran() -> None:
    spec = pod("web", initContainers=[init("one")])
    assert plan(spec, observed(exited(code=1)), NOW).actions == (Start("web", 1, BackOff(10, NOW)),)


def test_what_follows_a_sidecar_waits_until_it_has_started() -> None:
    spec = pod("web", initContainers=[init("proxy", sidecar=True), init("one")])
    assert plan(spec, observed(), NOW).actions == (Start("proxy", 0, None),)
    assert plan(spec, observed(running("proxy"), healthy=False), NOW).actions == ()
    assert plan(spec, observed(running("proxy")), NOW).actions == (Start("one", 0, None),)
    assert plan(spec, observed(running("proxy"), exited("one")), NOW).actions == (Start("web", 0, None),)


def test_a_sidecar_restarts_beside_running_containers_and_does_not_keep_a_finished_pod() -> None:
    spec = pod("web", initContainers=[init("proxy", sidecar=True)], restartPolicy="Never")
    state = observed(exited("proxy"), running())
    assert plan(spec, state, NOW).actions == (Start("proxy", 1, BackOff(10, NOW)),)
    assert plan(spec, observed(running("proxy"), exited()), NOW).actions == (StopPod(30),)


@pytest.mark.parametrize("kind", ["liveness", "startup"])
def test_a_failed_probe_stops_the_run_with_the_probes_own_grace(kind: str) -> None:
    state = observed(running(), health={"web-0": Health(failed=kind)})
    why = f"Container web failed {kind} probe, will be restarted"
    assert plan(pod(), state, NOW).actions == (Stop("web-0", "web", 30, why),)
    state = observed(running(), health={"web-0": Health(failed=kind, grace=3)})
    assert plan(pod(), state, NOW).actions == (Stop("web-0", "web", 3, why),)


def test_a_container_whose_hook_after_the_start_failed_is_stopped() -> None:
    state = observed(running(), health={"web-0": Health(started=False, ready=False, failed=HOOK)})
    assert plan(pod(), state, NOW).actions == (Stop("web-0", "web", 30, "FailedPostStartHook"),)


def test_another_image_replaces_the_container() -> None:
    spec = pod()
    spec.spec.containers[0].image = "httpd"
    why = "Container web definition changed, will be restarted"
    assert plan(spec, observed(running()), NOW).actions == (Stop("web-0", "web", 30, why),)


def test_an_image_that_cannot_be_pulled_holds_one_container_and_not_the_other() -> None:
    texts = ((NOW - 1, "ErrImagePull", "no such image"), (NOW + 1, "ImagePullBackOff", 'Back-off pulling image "x"'))
    state = observed(failures={"a": Failure(texts, NOW + 10)})
    decided = plan(pod("a", "b"), state, NOW)
    assert decided.actions == (Start("b", 0, None),)
    assert (decided.waiting["a"].reason, decided.wake_at) == ("ErrImagePull", NOW + 1)
    later = plan(pod("a", "b"), state, NOW + 2)
    assert (later.waiting["a"].reason, later.wake_at) == ("ImagePullBackOff", NOW + 10)
    assert plan(pod("a"), state, NOW + 10).actions == (Start("a", 0, None),)


def test_deletion_stops_everything_with_the_grace_of_the_deletion() -> None:
    assert plan(deleted(pod(), 5), observed(running()), NOW).actions == (StopPod(5),)
    assert plan(deleted(pod()), observed(exited(), sandbox=False), NOW) == Plan(ended=True)
    assert plan(deleted(pod()), Observed(), NOW) == Plan(ended=True)


def test_a_pod_past_its_deadline_is_stopped_and_before_it_the_plan_wakes_then() -> None:
    spec = pod(activeDeadlineSeconds=150)
    assert plan(spec, observed(running()), NOW) == Plan(wake_at=NOW + 50)
    assert plan(spec, observed(running()), NOW + 50).actions == (StopPod(30),)


def test_runs_before_the_last_two_are_forgotten() -> None:
    state = observed(exited(attempt=0), exited(attempt=1), running(attempt=2))
    assert plan(pod(), state, NOW).actions == (Forget("web-0"),)


def test_sidecars_stop_last_and_in_reverse() -> None:
    spec = pod("web", initContainers=[init("a", sidecar=True), init("b", sidecar=True)])
    runs = (running("a"), running("b"), running("web"))
    assert [[run.container for run in group] for group in stop_order(spec, runs)] == [["web"], ["b"], ["a"]]
