"""What Deployments say of themselves, in Kubernetes' words."""

import pytest

from fairlead.api.types.apps import Deployment, DeploymentStatus, ReplicaSet
from fairlead.api.types.meta import Condition
from fairlead.controllers.deployment_status import next_look, status_of
from fairlead.controllers.pods import condition
from tests.unit.controllers.objects import T0, at, deployment, replica_set


def progressing(reason: str, *, status: str = "True", since: float = 0) -> Condition:
    return Condition(
        type="Progressing",
        status=status,
        reason=reason,
        message="as told",
        last_update_time=at(since),
        last_transition_time=at(since),
    )


def told(it: Deployment, *conditions: Condition, replicas: int = 0, updated: int = 0, available: int = 0) -> Deployment:
    it.status = DeploymentStatus(
        replicas=replicas,
        updated_replicas=updated,
        ready_replicas=available,
        available_replicas=available,
        conditions=list(conditions),
    )
    return it


@pytest.mark.parametrize(
    ("what", "it", "new", "old", "created", "now", "expected"),
    [
        (
            "made",
            told(deployment(3)),
            replica_set("new", 3, actual=0),
            [],
            True,
            0,
            ("True", "NewReplicaSetCreated", 'Created new replica set "new"'),
        ),
        (
            "found",
            told(deployment(3), replicas=1, updated=1),
            replica_set("new", 3, actual=1, available=0),
            [],
            False,
            0,
            ("True", "FoundNewReplicaSet", 'Found new replica set "new"'),
        ),
        (
            "moving",
            told(deployment(3), progressing("NewReplicaSetCreated")),
            replica_set("new", 3, available=1),
            [],
            False,
            5,
            ("True", "ReplicaSetUpdated", 'ReplicaSet "new" is progressing.'),
        ),
        (
            "done",
            told(deployment(3), progressing("ReplicaSetUpdated"), replicas=3, updated=3, available=2),
            replica_set("new", 3),
            [],
            False,
            5,
            ("True", "NewReplicaSetAvailable", 'ReplicaSet "new" has successfully progressed.'),
        ),
        (
            "done stays done when a pod breaks",
            told(deployment(3), progressing("NewReplicaSetAvailable"), replicas=3, updated=3, available=3),
            replica_set("new", 3, available=1),
            [],
            False,
            9999,
            ("True", "NewReplicaSetAvailable", "as told"),
        ),
        (
            "a new template after one that was done",
            told(deployment(3), progressing("NewReplicaSetAvailable"), replicas=3, updated=3, available=3),
            replica_set("new", 1, actual=0),
            [replica_set("old", 3)],
            True,
            9999,
            ("True", "NewReplicaSetCreated", 'Created new replica set "new"'),
        ),
        (
            "not yet too late",
            told(deployment(3), progressing("ReplicaSetUpdated"), replicas=3, updated=3),
            replica_set("new", 3, available=0),
            [],
            False,
            600,
            ("True", "ReplicaSetUpdated", "as told"),
        ),
        (
            "too late",
            told(deployment(3), progressing("ReplicaSetUpdated"), replicas=3, updated=3),
            replica_set("new", 3, available=0),
            [],
            False,
            601,
            ("False", "ProgressDeadlineExceeded", 'ReplicaSet "new" has timed out progressing.'),
        ),
        (
            "late, but moving again",
            told(deployment(3), progressing("ProgressDeadlineExceeded", status="False"), replicas=3, updated=3),
            replica_set("new", 3, available=1),
            [],
            False,
            700,
            ("True", "ReplicaSetUpdated", 'ReplicaSet "new" is progressing.'),
        ),
        (
            "paused",
            told(deployment(3, paused=True), progressing("ReplicaSetUpdated"), replicas=3, updated=3),
            replica_set("new", 3, available=1),
            [],
            False,
            9999,
            ("Unknown", "DeploymentPaused", "Deployment is paused"),
        ),
        (
            "resumed, which starts the time again",
            told(deployment(3), progressing("DeploymentPaused", status="Unknown"), replicas=3, updated=3),
            replica_set("new", 3, available=0),
            [],
            False,
            9999,
            ("Unknown", "DeploymentResumed", "Deployment is resumed"),
        ),
    ],
)
def test_progress(
    what: str,
    it: Deployment,
    new: ReplicaSet,
    old: list[ReplicaSet],
    created: bool,
    now: float,
    expected: tuple[str, str, str],
) -> None:
    found = condition(status_of(it, new, old, created=created, now=T0 + now).conditions, "Progressing")
    assert found is not None
    assert (found.status, found.reason, found.message) == expected, what


def test_no_deadline_means_no_word_on_progress() -> None:
    it = told(deployment(3, progress_deadline_seconds=None), progressing("ReplicaSetUpdated"))
    assert condition(status_of(it, replica_set("new", 3), [], created=False, now=T0).conditions, "Progressing") is None


@pytest.mark.parametrize(("available", "status"), [(10, "True"), (8, "True"), (7, "False")])
def test_available_is_what_max_unavailable_allows(available: int, status: str) -> None:
    """A quarter of ten, rounded down: two may be missing."""
    found = status_of(deployment(10), replica_set("new", 10, available=available), [], created=False, now=T0)
    assert found.conditions[0].type == "Available"
    assert found.conditions[0].status == status
    assert found.unavailable_replicas == 10 - available


def test_moving_on_keeps_the_time_of_the_transition_but_not_of_the_update() -> None:
    it = told(deployment(3), progressing("ReplicaSetUpdated"), replicas=3, updated=3)
    found = condition(
        status_of(it, replica_set("new", 3, available=1), [], created=False, now=T0 + 50).conditions, "Progressing"
    )
    assert found is not None
    assert (found.last_transition_time, found.last_update_time) == (at(0), at(50))


def test_the_failure_of_a_replica_set_is_told_and_taken_back() -> None:
    broken = replica_set("new", 3, actual=0)
    broken.status.conditions = [Condition(type="ReplicaFailure", status="True", reason="FailedCreate", message="no")]
    status = status_of(told(deployment(3)), broken, [], created=False, now=T0)
    found = condition(status.conditions, "ReplicaFailure")
    assert found is not None
    assert (found.reason, found.message) == ("FailedCreate", "no")
    after = told(deployment(3), *status.conditions)
    assert condition(status_of(after, replica_set("new", 3), [], created=False, now=T0).conditions, found.type) is None


def test_the_deadline_is_looked_at_when_it_is_over_and_never_after_the_end() -> None:
    it = deployment(3)
    waiting = DeploymentStatus(conditions=[progressing("ReplicaSetUpdated")])
    assert next_look(it, waiting, T0 + 100) == 501
    for reason in ("NewReplicaSetAvailable", "ProgressDeadlineExceeded", "DeploymentPaused"):
        assert next_look(it, DeploymentStatus(conditions=[progressing(reason)]), T0) is None
