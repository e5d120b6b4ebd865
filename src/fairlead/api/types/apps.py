"""The apps group: Deployment, ReplicaSet, DaemonSet, ControllerRevision; and the ReplicationController, which was
there before it.

A pod template is kept as the JSON that came (`Json`): controllers copy and hash it, and must lose no field of it.
"""

import msgspec

from fairlead.api.types.meta import Condition, IntOrString, Json, LabelSelector, Object, Struct


class RollingUpdate(Struct):
    max_unavailable: IntOrString | None = None
    max_surge: IntOrString | None = None


class UpdateStrategy(Struct):
    type: str = "RollingUpdate"
    rolling_update: RollingUpdate | None = None


class DeploymentSpec(Struct):
    selector: LabelSelector = msgspec.field(default_factory=LabelSelector)
    template: Json = {}
    replicas: int = 1
    strategy: UpdateStrategy = msgspec.field(default_factory=UpdateStrategy)
    min_ready_seconds: int = 0
    revision_history_limit: int | None = 10
    paused: bool = False
    progress_deadline_seconds: int | None = 600


class DeploymentStatus(Struct):
    observed_generation: int = 0
    replicas: int = 0
    updated_replicas: int = 0
    ready_replicas: int = 0
    available_replicas: int = 0
    unavailable_replicas: int = 0
    conditions: list[Condition] = []
    collision_count: int | None = None


class Deployment(Object):
    spec: DeploymentSpec = msgspec.field(default_factory=DeploymentSpec)
    status: DeploymentStatus = msgspec.field(default_factory=DeploymentStatus)


class ReplicaSetSpec(Struct, omit_defaults=False):
    selector: LabelSelector = msgspec.field(default_factory=LabelSelector)
    template: Json = {}
    replicas: int = 1
    min_ready_seconds: int = 0


class ReplicaSetStatus(Struct, omit_defaults=False):
    replicas: int = 0
    fully_labeled_replicas: int = 0
    ready_replicas: int = 0
    available_replicas: int = 0
    observed_generation: int = 0
    conditions: list[Condition] = []


class ReplicaSet(Object):
    spec: ReplicaSetSpec = msgspec.field(default_factory=ReplicaSetSpec)
    status: ReplicaSetStatus = msgspec.field(default_factory=ReplicaSetStatus)


class ReplicationControllerSpec(Struct, omit_defaults=False):
    selector: dict[str, str] = {}
    template: Json = {}
    replicas: int = 1
    min_ready_seconds: int = 0


class ReplicationController(Object):
    spec: ReplicationControllerSpec = msgspec.field(default_factory=ReplicationControllerSpec)
    status: ReplicaSetStatus = msgspec.field(default_factory=ReplicaSetStatus)


class DaemonSetSpec(Struct):
    selector: LabelSelector = msgspec.field(default_factory=LabelSelector)
    template: Json = {}
    update_strategy: UpdateStrategy = msgspec.field(default_factory=UpdateStrategy)
    min_ready_seconds: int = 0
    revision_history_limit: int | None = 10


class DaemonSetStatus(Struct, omit_defaults=False):
    current_number_scheduled: int = 0
    number_misscheduled: int = 0
    desired_number_scheduled: int = 0
    number_ready: int = 0
    observed_generation: int = 0
    updated_number_scheduled: int = 0
    number_available: int = 0
    number_unavailable: int = 0


class DaemonSet(Object):
    spec: DaemonSetSpec = msgspec.field(default_factory=DaemonSetSpec)
    status: DaemonSetStatus = msgspec.field(default_factory=DaemonSetStatus)


class ControllerRevision(Object):
    """`data`: a strategic merge patch that leads back to it."""

    data: Json = {}
    revision: int = 0
