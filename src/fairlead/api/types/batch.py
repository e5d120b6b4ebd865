"""The batch group: Job. Its template is kept as the JSON that came, as those of the apps group."""

import msgspec

from fairlead.api.types.meta import Condition, Json, LabelSelector, Object, Struct


class JobSpec(Struct):
    template: Json = {}
    selector: LabelSelector | None = None
    parallelism: int = 1
    completions: int | None = None  # None: done when one has succeeded and the others have ended
    backoff_limit: int = 6
    active_deadline_seconds: int | None = None
    ttl_seconds_after_finished: int | None = None
    suspend: bool = False
    pod_replacement_policy: str = "TerminatingOrFailed"


class JobStatus(Struct):
    conditions: list[Condition] = []
    start_time: str | None = None
    completion_time: str | None = None
    active: int = 0
    terminating: int = 0
    ready: int = 0
    succeeded: int = 0
    failed: int = 0


class Job(Object):
    spec: JobSpec = msgspec.field(default_factory=JobSpec)
    status: JobStatus = msgspec.field(default_factory=JobStatus)
