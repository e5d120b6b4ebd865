"""containerStatuses: what is told of each container. Pure.

Source: kubelet `kubelet_pods.go` convertToAPIContainerStatuses.
"""

from collections.abc import Mapping

from fairlead.api import time as api_time
from fairlead.api.types.core import (
    Container,
    ContainerState,
    ContainerStateRunning,
    ContainerStateTerminated,
    ContainerStateWaiting,
    ContainerStatus,
    Pod,
)
from fairlead.node.observed import Health, Observed, Run, Waiting
from fairlead.node.plan import is_sidecar

NOT_JUDGED = Health(started=False, ready=False)


def of_containers(
    pod: Pod, containers: list[Container], observed: Observed, waiting: Mapping[str, Waiting], scheme: str
) -> list[ContainerStatus]:
    """One status a container, in the order of the spec. `scheme` is the runtime's name in containerID."""
    # Once there are init containers, everything that did not run yet is said to be initializing.
    default = Waiting("PodInitializing" if pod.spec.init_containers else "ContainerCreating")
    ended = pod.metadata.deletion_timestamp is not None or pod.is_terminated
    statuses = []
    for container in containers:
        why = waiting.get(container.name)
        init = container in pod.spec.init_containers
        run = _Subject(container, init and not is_sidecar(container), why, default, ended, scheme)
        statuses.append(run.status(observed))
    return statuses


class _Subject:
    def __init__(
        self, container: Container, runs_to_end: bool, why: Waiting | None, default: Waiting, ended: bool, scheme: str
    ) -> None:
        self._container, self._runs_to_end = container, runs_to_end
        self._why, self._default, self._ended, self._scheme = why, default, ended, scheme

    def status(self, observed: Observed) -> ContainerStatus:
        runs = observed.runs.get(self._container.name, ())
        if not runs:
            waiting = self._why or self._default
            state = ContainerState(waiting=ContainerStateWaiting(waiting.reason, waiting.message))
            return ContainerStatus(self._container.name, state=state, image=self._container.image, started=False)
        last = runs[-1]
        state, previous = self._state(last), ContainerState()
        if last.exited and self._why is not None and not self._ended:
            # What ended and is to start again waits; how it ended moves to lastState.
            state = ContainerState(waiting=ContainerStateWaiting(self._why.reason, self._why.message))
            previous = self._state(last)
        elif len(runs) > 1 and runs[-2].exited:
            previous = self._state(runs[-2])
        health = observed.health.get(last.id, NOT_JUDGED)
        started = last.running and health.started
        return ContainerStatus(
            name=self._container.name,
            state=state,
            last_state=previous,
            ready=last.succeeded if self._runs_to_end else started and health.ready,
            restart_count=last.attempt,
            image=last.image,
            image_id=last.image_id,
            container_id=f"{self._scheme}://{last.id}",
            started=started and not self._runs_to_end,
        )

    def _state(self, run: Run) -> ContainerState:
        if run.exited:
            return ContainerState(terminated=_terminated(run, self._scheme))
        if run.running:
            return ContainerState(running=ContainerStateRunning(api_time.render(run.started_at or 0)))
        return ContainerState(waiting=ContainerStateWaiting(self._default.reason))


def _terminated(run: Run, scheme: str) -> ContainerStateTerminated:
    return ContainerStateTerminated(
        exit_code=run.exit_code,
        reason=run.reason or ("Completed" if run.exit_code == 0 else "Error"),
        message=run.message,
        started_at=None if run.started_at is None else api_time.render(run.started_at),
        finished_at=None if run.finished_at is None else api_time.render(run.finished_at),
        container_id=f"{scheme}://{run.id}",
    )
