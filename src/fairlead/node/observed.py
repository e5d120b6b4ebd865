"""What the agent knows of one pod on this node: the values that planning and status are computed from."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from fairlead.node.backoff import BackOff


@dataclass(frozen=True, slots=True)
class Run:
    """One start of one container. Times are seconds since the epoch."""

    id: str
    container: str
    attempt: int  # how often the container was started before
    image: str
    image_id: str
    created_at: float
    started_at: float | None = None
    finished_at: float | None = None  # None: still running, or never started
    exit_code: int = 0  # 128 + signal for a killed one
    reason: str = ""  # beside Completed and Error: OOMKilled, StartError, ContainerStatusUnknown
    message: str = ""  # the termination message

    @property
    def running(self) -> bool:
        return self.started_at is not None and self.finished_at is None

    @property
    def exited(self) -> bool:
        return self.finished_at is not None

    @property
    def succeeded(self) -> bool:
        return self.exited and self.exit_code == 0


@dataclass(frozen=True, slots=True)
class Sandbox:
    """The pod's namespaces. `ips`: one of each family, the primary one first; none until the network is set up, and
    the node's own for hostNetwork."""

    id: str
    attempt: int
    ips: tuple[str, ...]
    alive: bool = True


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a container could not be started. `texts`: (from this time on, reason, message), in order of time."""

    texts: tuple[tuple[float, str, str], ...]
    retry_at: float

    def waiting(self, now: float) -> "Waiting":
        reason, message = next((r, m) for at, r, m in reversed(self.texts) if at <= now or at == self.texts[0][0])
        return Waiting(reason, message)


@dataclass(frozen=True, slots=True)
class Waiting:
    reason: str
    message: str = ""


HOOK = "PostStartHook"


@dataclass(frozen=True, slots=True)
class Health:
    """The verdicts of the probes and of the hook after the start on one run. A container without any has the verdict
    that lets it go on."""

    started: bool = True
    ready: bool = True
    failed: str = ""  # `liveness`, `startup` or HOOK: the run is to be killed
    grace: int | None = None  # the failed probe's own terminationGracePeriodSeconds


@dataclass(frozen=True, slots=True)
class Observed:
    """`runs`: per container, oldest first. `health`: per run id; a missing one is not judged yet."""

    sandbox: Sandbox | None = None
    runs: Mapping[str, tuple[Run, ...]] = field(default_factory=dict)
    failures: Mapping[str, Failure] = field(default_factory=dict)
    backoffs: Mapping[str, BackOff] = field(default_factory=dict)
    health: Mapping[str, Health] = field(default_factory=dict)
    started_at: float = 0.0  # when the agent first saw the pod
    problem: Waiting | None = None  # why the sandbox or the volumes are not there

    def last(self, container: str) -> Run | None:
        runs = self.runs.get(container)
        return runs[-1] if runs else None

    @property
    def running(self) -> tuple[Run, ...]:
        return tuple(run for runs in self.runs.values() for run in runs if run.running)
