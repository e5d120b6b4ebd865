"""What a series of probe results means for a container. Pure.

Source: kubelet `prober/worker.go`. A verdict changes only after a whole series of equal results; a container that just
started is taken as alive, not ready, and not started.
"""

from dataclasses import dataclass, replace
from typing import Final

from fairlead.api.types.core import Container, Probe
from fairlead.node.observed import Health

LIVENESS: Final = "liveness"
READINESS: Final = "readiness"
STARTUP: Final = "startup"

_INITIAL: Final = {LIVENESS: True, READINESS: False, STARTUP: False}


@dataclass(frozen=True, slots=True)
class Tally:
    """The results of one probe on one run. `decided`: a series was long enough at least once."""

    kind: str
    verdict: bool
    decided: bool = False
    result: bool | None = None
    streak: int = 0


def probes_of(container: Container) -> dict[str, Probe]:
    """The container's probes by kind."""
    kinds = {LIVENESS: container.liveness_probe, READINESS: container.readiness_probe, STARTUP: container.startup_probe}
    return {kind: probe for kind, probe in kinds.items() if probe is not None}


def untried(kind: str) -> Tally:
    return Tally(kind, _INITIAL[kind])


def count(tally: Tally, probe: Probe, success: bool) -> Tally:
    """The tally after one more result."""
    streak = tally.streak + 1 if tally.result is success else 1
    counted = replace(tally, result=success, streak=streak)
    needed = probe.success_threshold if success else probe.failure_threshold
    return replace(counted, verdict=success, decided=True) if streak >= max(needed, 1) else counted


def is_due(kind: str, probe: Probe, tallies: dict[str, Tally], running_for: float) -> bool:
    """Before the startup probe succeeded, no other probe runs; after that, it does not run any more."""
    if running_for < probe.initial_delay_seconds:
        return False
    startup = tallies.get(STARTUP)
    if kind == STARTUP:
        return startup is None or not startup.verdict
    return startup is None or startup.verdict


def health_of(container: Container, tallies: dict[str, Tally]) -> Health:
    """The verdict of all probes together."""
    probes = probes_of(container)
    for kind in (STARTUP, LIVENESS):
        tally = tallies.get(kind)
        if tally is not None and tally.decided and not tally.verdict:
            grace = probes[kind].termination_grace_period_seconds
            return Health(started=kind != STARTUP, ready=False, failed=kind, grace=grace)
    started = STARTUP not in tallies or tallies[STARTUP].verdict
    ready = started and (READINESS not in tallies or tallies[READINESS].verdict)
    return Health(started, ready)
