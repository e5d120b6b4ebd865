"""Who may take a Lease, and when: never by comparing two machines' clocks."""

import pytest

from fairlead.api.types.discovery import Lease, LeaseSpec
from fairlead.client.leader import Observed, claim

MOMENT = "2026-01-01T00:00:00.000000Z"


def held(holder: str, renewed: str = "r1", transitions: int = 4) -> Lease:
    spec = LeaseSpec(
        holder_identity=holder,
        lease_duration_seconds=15,
        acquire_time="a1",
        renew_time=renewed,
        lease_transitions=transitions,
    )
    return Lease(spec=spec)


@pytest.mark.parametrize(
    ("what", "lease", "seen", "now", "won"),
    [
        ("a new one is free", Lease(), None, 100.0, True),
        ("ours is renewed", held("me"), None, 100.0, True),
        ("a given up one is free", held(""), None, 100.0, True),
        ("another's, never seen before, is never taken", held("you"), None, 1e9, False),
        ("another's that lasts", held("you"), Observed("you", "r1", 100), 114.9, False),
        ("another's that has run out", held("you"), Observed("you", "r1", 100), 115.0, True),
        ("another's that was renewed meanwhile", held("you", "r2"), Observed("you", "r1", 100), 200.0, False),
        ("another other's", held("they"), Observed("you", "r1", 100), 200.0, False),
    ],
)
def test_claim(what: str, lease: Lease, seen: Observed | None, now: float, won: bool) -> None:
    spec = claim(lease, "me", seen, now, MOMENT)
    assert (spec is not None) is won, what
    if spec is not None:
        assert (spec.holder_identity, spec.renew_time) == ("me", MOMENT)


def test_renewing_is_no_transition_and_taking_over_is_one() -> None:
    renewed = claim(held("me"), "me", None, 0, MOMENT)
    taken = claim(held("you"), "me", Observed("you", "r1", 0), 15, MOMENT)
    first = claim(Lease(), "me", None, 0, MOMENT)
    assert renewed is not None
    assert taken is not None
    assert first is not None
    assert (renewed.lease_transitions, renewed.acquire_time) == (4, "a1")
    assert (taken.lease_transitions, taken.acquire_time) == (5, MOMENT)
    assert first.lease_transitions == 0
