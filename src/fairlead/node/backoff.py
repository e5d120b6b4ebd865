"""How long a container that keeps failing has to wait.

Source: client-go `util/flowcontrol/backoff.go` with kubelet's figures: 10 s, doubled up to 5 minutes, forgotten after
twice that without a failure.
"""

from dataclasses import dataclass
from typing import Final

INITIAL: Final = 10.0
LONGEST: Final = 300.0


@dataclass(frozen=True, slots=True)
class BackOff:
    """`delay` seconds from a failure to the next try; `updated_at`: when a try last began."""

    delay: float
    updated_at: float

    def until(self, failed_at: float, now: float) -> float | None:
        """When the next try may begin; None: now."""
        if now - self.updated_at > 2 * LONGEST or now - failed_at >= self.delay:
            return None
        return failed_at + self.delay


def following(previous: BackOff | None, now: float) -> BackOff:
    """What to remember when a try begins."""
    if previous is None or now - previous.updated_at > 2 * LONGEST:
        return BackOff(INITIAL, now)
    return BackOff(min(previous.delay * 2, LONGEST), now)


def recovered(attempt: int, started_at: float) -> BackOff | None:
    """An agent that restarts takes the back-off from the number of restarts that it finds."""
    if attempt == 0:
        return None
    return BackOff(min(INITIAL * 2 ** min(attempt - 1, 10), LONGEST), started_at)


def render(seconds: float) -> str:
    """A duration as Go prints it, in whole seconds: `10s`, `1m20s`, `5m0s`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes}m{rest}s"
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
