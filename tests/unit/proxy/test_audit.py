"""Rounds of looking: every Service once, and none while nothing is changed by others."""

from fairlead.proxy.audit import SLICE, Rounds

KNOWN = [f"dev/s{number}" for number in range(2 * SLICE + 1)]


def test_a_round_comes_to_every_service_once_and_begins_with_what_all_share() -> None:
    rounds = Rounds()
    parts = [rounds.next(7, KNOWN) for _ in range(3)]
    assert sorted(key for keys, _ in parts for key in keys) == sorted(KNOWN)
    assert [fixed for _, fixed in parts] == [True, False, False]


def test_after_a_round_there_is_nothing_to_do_until_somebody_changes_something() -> None:
    rounds = Rounds()
    for _ in range(3):
        rounds.next(7, KNOWN)
    assert rounds.next(7, KNOWN) == ([], False)
    rounds.own(7, 8)
    assert rounds.next(8, KNOWN) == ([], False)
    keys, fixed = rounds.next(9, KNOWN)
    assert keys
    assert fixed


def test_what_is_changed_while_a_round_goes_on_makes_another_one() -> None:
    rounds = Rounds()
    for generation in (7, 8, 8):
        rounds.next(generation, KNOWN)
    assert rounds.next(8, KNOWN)[1]


def test_own_changes_do_not_spoil_a_round() -> None:
    rounds = Rounds()
    rounds.next(7, KNOWN)
    rounds.own(7, 8)
    rounds.next(8, KNOWN)
    rounds.next(8, KNOWN)
    assert rounds.next(8, KNOWN) == ([], False)


def test_where_generations_cannot_be_told_it_goes_on_always() -> None:
    rounds = Rounds()
    assert [rounds.next(None, ["dev/web"]) for _ in range(2)] == [(["dev/web"], True)] * 2


def test_without_services_what_all_share_is_looked_at() -> None:
    rounds = Rounds()
    assert rounds.next(7, []) == ([], True)
    assert rounds.next(7, []) == ([], False)
