"""Jobs: pods that end, until enough of them have ended well (pkg/controller/job, pkg/controller/ttlafterfinished)."""

import time
from typing import Any

import msgspec

from fairlead.api.status import ApiError
from fairlead.api.types.batch import Job, JobStatus
from fairlead.api.types.core import Pod
from fairlead.client.events import reference
from fairlead.client.workqueue import WorkQueue, run
from fairlead.controllers.ahead import Ahead
from fairlead.controllers.context import Context
from fairlead.controllers.jobs import COMPLETE, SUSPENDED, Plan, expires_in, finished, plan, status_of
from fairlead.controllers.pods import condition, controller_of, key
from fairlead.controllers.replicas import Replicas, from_template

RESOURCE, COMPONENT = "jobs.batch", "job-controller"
Json = dict[str, Any]


class JobController:
    def __init__(self, context: Context) -> None:
        self._client = context.client
        self._queue = WorkQueue()
        self._jobs = Ahead(context.jobs)
        self._recorder = context.recorder(COMPONENT)
        self._replicas = Replicas(context, "Job", RESOURCE, COMPONENT)
        context.jobs.add_handler(lambda name, _old, _new: self._queue.add(name))
        context.pods.add_handler(self._on_pod)

    async def run(self) -> None:
        await run(self._queue, 5, self._reconcile, "job")

    def _on_pod(self, _: str, old: Pod | None, new: Pod | None) -> None:
        for pod in (old, new):
            owner = controller_of(pod.metadata) if pod is not None else None
            if pod is not None and owner is not None and owner.kind == "Job":
                self._queue.add(f"{pod.metadata.namespace}/{owner.name}")

    async def _reconcile(self, name: str) -> None:
        job = self._jobs.get(name)
        if job is None or job.metadata.deletion_timestamp is not None:
            return
        if finished(job) is not None:
            await self._expire(job)
            return
        await self._replicas.claim(job)
        found = plan(job, self._replicas.of(job.metadata.uid), time.time())
        if found.later is not None:
            self._queue.add_after(key(job), found.later)
        failure: ApiError | None = None
        try:
            await self._replicas.delete(job, found.delete)
            await self._replicas.create(job, [from_template(job, "Job", job.spec.template)] * found.create)
        except ApiError as error:
            failure = error
        await self._report(job, found)
        if failure is not None:
            raise failure

    async def _report(self, job: Job, found: Plan) -> None:
        status = status_of(job, self._replicas.of(job.metadata.uid), found.ended, time.time())
        if status == job.status:
            return
        metadata, body = job.metadata, {"status": _body(status)}
        written = await self._client.patch(
            RESOURCE, metadata.name, metadata.namespace, body, subresource="status", type=Job
        )
        self._jobs.write(written)
        self._tell(job, written)

    def _tell(self, old: Job, new: Job) -> None:
        about = reference(new, "Job", "batch/v1")
        if (end := finished(new)) is not None and finished(old) is None:
            if end.type == COMPLETE:
                self._recorder.event(about, "Normal", "Completed", "Job completed")
            else:
                self._recorder.event(about, "Warning", end.reason, end.message)
        suspended = condition(new.status.conditions, SUSPENDED)
        was = condition(old.status.conditions, SUSPENDED)
        if suspended is not None and suspended.status != (was.status if was is not None else "False"):
            word = "Suspended" if suspended.status == "True" else "Resumed"
            self._recorder.event(about, "Normal", word, f"Job {word.lower()}")

    async def _expire(self, job: Job) -> None:
        later = expires_in(job, time.time())
        if later is None:
            return
        if later > 0:
            self._queue.add_after(key(job), later)
            return
        metadata = job.metadata
        try:
            await self._client.delete(
                RESOURCE, metadata.name, metadata.namespace, propagation="Foreground", uid=metadata.uid
            )
        except ApiError as error:
            if not error.is_not_found:
                raise


def _body(status: JobStatus) -> Json:
    """A merge patch: what is zero or unset now is taken away. `uncountedTerminatedPods` is empty, as in Kubernetes
    once all is counted."""
    body: Json = dict.fromkeys(("startTime", "completionTime", "active", "succeeded", "failed"))
    body |= {"terminating": 0, "ready": 0, "uncountedTerminatedPods": {}}
    body |= msgspec.to_builtins(status)
    return body
