"""How nodes become well, ill and dead, and how soon."""

from collections.abc import Iterable

import pytest

from fairlead.loadbalancer.device.health import PATIENCE, Health, Outcome, State, after, wait

OUTCOMES = {"+": Outcome.WELL, "-": Outcome.ILL, "x": Outcome.ABSENT, ".": Outcome.SILENT}


def history(outcomes: Iterable[str]) -> list[str]:
    health, found = Health(), []
    for each in outcomes:
        health = after(health, OUTCOMES[each])
        found.append(health.state.value)
    return found


@pytest.mark.parametrize(
    ("outcomes", "state"),
    [
        ("+", "well"),
        ("-", "ill"),  # never seen well: no benefit of the doubt
        (".", "ill"),
        ("+-", "well"),
        ("+-+-+-", "well"),
        ("+--", "ill"),
        ("+-.", "ill"),
        ("+..", "ill"),
        ("+...", "dead"),
        ("+..-.", "ill"),
        ("+...-", "ill"),  # it says something again
        ("+....", "dead"),
        ("...+", "well"),
        ("+x", "well"),
        ("+xx.", "absent"),
        ("+xx...", "dead"),
        ("+xx-", "ill"),
        ("+--x", "absent"),
        ("x", "absent"),
    ],
)
def test_the_last_answers_decide(outcomes: str, state: str) -> None:
    assert history(outcomes)[-1] == state


def test_a_node_that_falls_silent_gets_nothing_new_within_two_seconds() -> None:
    """It dies just after it was asked, every later question waits for its whole patience."""
    seconds, health = 0.0, Health(State.WELL)
    while health.state is State.WELL:
        seconds += wait(health, checks=3) + PATIENCE
        health = after(health, Outcome.SILENT)
    assert seconds < 2.0


def test_many_checks_take_turns() -> None:
    assert wait(Health(State.WELL), checks=3000) == pytest.approx(6.0)
