"""What becomes of a node by the answers to its health checks. Pure.

A node that cannot serve gets no new connections and keeps those that it has; of one that is dead, which says nothing at
all, they are lost anyway, so another node may refuse them.
"""

from dataclasses import dataclass
from enum import Enum

INTERVAL, PATIENCE = 0.4, 0.6  # seconds between two checks, and until no answer is one
AGAIN = 0.1  # seconds until one that has failed is repeated
FALL, DEATH = 2, 3  # failures in a row
MOST = 500  # checks a second, however many Services want their own


class Outcome(Enum):
    WELL = "well"
    ILL = "ill"  # an answer that says no
    ABSENT = "absent"  # refused: somebody is there, and says that nobody listens
    SILENT = "silent"


class State(Enum):
    UNKNOWN = "unknown"
    WELL = "well"
    ILL = "ill"
    ABSENT = "absent"  # the proxy does not run; what it made of the kernel serves on
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Health:
    state: State = State.UNKNOWN
    failures: int = 0
    silences: int = 0


def after(health: Health, outcome: Outcome) -> Health:
    """One good answer makes well; it takes several bad ones to make ill, but of what was never well."""
    if outcome is Outcome.WELL:
        return Health(State.WELL)
    failures = health.failures + 1
    silences = health.silences + 1 if outcome is Outcome.SILENT else 0
    state = health.state
    if silences >= DEATH:
        state = State.DEAD
    elif state in (State.DEAD, State.ABSENT) and silences:
        pass  # nothing new
    elif failures >= FALL or state in (State.UNKNOWN, State.DEAD):
        state = State.ABSENT if outcome is Outcome.ABSENT else State.ILL
    return Health(state, min(failures, DEATH), min(silences, DEATH))


def wait(health: Health, checks: int) -> float:
    """Seconds until the next check, of so many in all."""
    if health.state is State.WELL and health.failures:
        return AGAIN
    return max(INTERVAL, checks / MOST)
