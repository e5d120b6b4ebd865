"""Jobs: how many pods a Job needs next, when it ends, and what its status says of it."""

from typing import Any

import pytest

from fairlead.api.types.batch import Job, JobSpec, JobStatus
from fairlead.api.types.core import ContainerState, ContainerStateTerminated, ContainerStatus, Pod
from fairlead.api.types.meta import Condition, ObjectMeta
from fairlead.controllers.jobs import COMPLETE, FAILED, REACHED, TOO_LONG, TOO_OFTEN, expires_in, plan, status_of
from tests.unit.controllers.objects import T0, at, pod


def job(status: JobStatus | None = None, **spec: Any) -> Job:
    return Job(
        metadata=ObjectMeta(name="pi", namespace="default", uid="u"),
        spec=JobSpec(**{"completions": 1, **spec}),
        status=status or JobStatus(start_time=at(0)),
    )


def pods(running: int = 0, succeeded: int = 0, failed: int = 0, going: int = 0, ended: float = 0) -> list[Pod]:
    found = [pod(f"r{n}") for n in range(running)] + [pod(f"g{n}", going=True) for n in range(going)]
    for phase, count in (("Succeeded", succeeded), ("Failed", failed)):
        found += [end(pod(f"{phase}{n}", phase=phase), ended) for n in range(count)]
    return found


def end(made: Pod, moment: float) -> Pod:
    state = ContainerState(terminated=ContainerStateTerminated(finished_at=at(moment)))
    made.status.container_statuses = [ContainerStatus(name="c", state=state)]
    return made


NEEDS: list[tuple[dict[str, Any], list[Pod], int, int]] = [
    ({}, [], 1, 0),
    ({"completions": 5, "parallelism": 2}, [], 2, 0),
    ({"completions": 5, "parallelism": 2}, pods(running=1, succeeded=2), 1, 0),
    ({"completions": 5, "parallelism": 3}, pods(running=1, succeeded=4), 0, 0),
    ({"completions": 5, "parallelism": 1}, pods(running=3), 0, 2),
    ({"completions": None, "parallelism": 3}, [], 3, 0),
    ({"completions": None, "parallelism": 3}, pods(running=2, succeeded=1), 0, 0),
    ({"suspend": True, "parallelism": 3, "completions": 3}, pods(running=2), 0, 2),
    ({}, pods(going=1), 1, 0),
    ({"pod_replacement_policy": "Failed"}, pods(going=1), 0, 0),
    ({"parallelism": 0}, [], 0, 0),
]


@pytest.mark.parametrize(("spec", "there", "created", "deleted"), NEEDS)
def test_as_many_pods_run_as_are_missing_and_not_more_than_may_at_once(
    spec: dict[str, Any], there: list[Pod], created: int, deleted: int
) -> None:
    found = plan(job(**spec), there, T0)
    assert (found.create, len(found.delete), found.ended) == (created, deleted, None)


ENDS: list[tuple[dict[str, Any], list[Pod], float, Any]] = [
    ({}, pods(succeeded=1), 1, (COMPLETE, REACHED)),
    ({"completions": 2, "parallelism": 2}, pods(succeeded=2, running=1), 1, (COMPLETE, REACHED)),
    ({"completions": None}, pods(succeeded=1), 1, (COMPLETE, REACHED)),
    ({"completions": None}, pods(succeeded=1, running=1), 1, None),
    ({"completions": 0}, [], 1, (COMPLETE, REACHED)),
    ({"backoff_limit": 1}, pods(failed=1), 1, None),
    ({"backoff_limit": 1}, pods(failed=2), 1, (FAILED, TOO_OFTEN)),
    ({"backoff_limit": 0}, pods(failed=1, running=1), 1, (FAILED, TOO_OFTEN)),
    ({"active_deadline_seconds": 10}, pods(running=1), 9, None),
    ({"active_deadline_seconds": 10}, pods(running=1), 10, (FAILED, TOO_LONG)),
]


@pytest.mark.parametrize(("spec", "there", "now", "ended"), ENDS)
def test_when_a_job_ends_and_why(spec: dict[str, Any], there: list[Pod], now: float, ended: Any) -> None:
    found = plan(job(**spec), there, T0 + now)
    assert found.ended == ended
    if ended is not None:
        assert found.create == 0
        assert len(found.delete) == sum(each.status.phase == "Running" for each in there)


def test_a_container_that_restarts_too_often_ends_the_job() -> None:
    restless = pod("a", restart_policy="OnFailure")
    restless.status.container_statuses = [ContainerStatus(name="c", restart_count=3)]
    assert plan(job(backoff_limit=4), [restless], T0).ended is None
    assert plan(job(backoff_limit=3), [restless], T0).ended == (FAILED, TOO_OFTEN)


def test_after_each_failure_the_next_pod_waits_twice_as_long_until_one_succeeds() -> None:
    endless = job(completions=9, parallelism=9, backoff_limit=99)
    first = plan(endless, pods(failed=1, ended=100), T0 + 103)
    assert (first.create, first.later) == (0, 7)
    assert plan(endless, pods(failed=3, ended=100), T0 + 103).later == 37
    assert plan(endless, pods(failed=99, ended=100), T0 + 103).later == 597
    assert plan(endless, pods(failed=1, ended=100), T0 + 110).create == 9
    well = [*pods(failed=3, ended=100), *pods(succeeded=1, ended=101)]
    assert plan(endless, well, T0 + 103).create == 8


def test_a_deadline_is_looked_at_when_it_comes() -> None:
    assert plan(job(active_deadline_seconds=30), pods(running=1), T0 + 12).later == 18


def test_the_end_is_announced_while_pods_are_still_going() -> None:
    ended = (FAILED, TOO_LONG)
    going = status_of(job(), pods(going=1), ended, T0 + 5)
    assert [(each.type, each.reason) for each in going.conditions] == [("FailureTarget", "DeadlineExceeded")]
    assert (going.terminating, going.completion_time) == (1, None)
    found = plan(job(status=going), [], T0 + 6)
    assert found.ended == ended
    done = status_of(job(status=going), [], found.ended, T0 + 6)
    assert [each.type for each in done.conditions] == ["FailureTarget", FAILED]


def test_a_job_that_completes_says_when() -> None:
    done = status_of(job(JobStatus()), pods(succeeded=1), (COMPLETE, REACHED), T0 + 5)
    assert (done.start_time, done.completion_time) == (at(5), at(5))
    assert (done.succeeded, done.active) == (1, 0)
    assert [each.type for each in done.conditions] == ["SuccessCriteriaMet", COMPLETE]


def test_a_pod_that_has_succeeded_counts_also_when_it_is_taken_away() -> None:
    status = JobStatus(start_time=at(0), succeeded=1)
    assert plan(job(status, completions=2, parallelism=2), [], T0).create == 1


def test_a_suspended_job_says_so_and_begins_anew_when_it_goes_on() -> None:
    halted = status_of(job(suspend=True), [], None, T0 + 1)
    assert (halted.start_time, [(c.type, c.status) for c in halted.conditions]) == (None, [("Suspended", "True")])
    resumed = status_of(job(halted), [], None, T0 + 7)
    assert (resumed.start_time, [(c.type, c.status) for c in resumed.conditions]) == (at(7), [("Suspended", "False")])


def test_what_has_finished_expires_when_its_time_is_over() -> None:
    end = Condition(type=COMPLETE, status="True", last_transition_time=at(10))
    status = JobStatus(conditions=[end])
    assert expires_in(job(status), T0) is None
    assert expires_in(job(status, ttl_seconds_after_finished=30), T0 + 15) == 25
    assert expires_in(job(status, ttl_seconds_after_finished=0), T0 + 15) == 0
    assert expires_in(job(ttl_seconds_after_finished=0), T0 + 15) is None
