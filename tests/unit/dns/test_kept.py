"""Replies of upstreams over time."""

from fairlead.dns.config.settings import Cache, Kept
from fairlead.dns.upstream.kept import Replies
from fairlead.dns.wire import Rcode, Record, Reply, Type, soa_data

QUESTION = ("www.example", int(Type.A), False)
ALL = ("",)


def positive(ttl: int = 60) -> Reply:
    return Reply(answers=(Record("www.example", Type.A, ttl, bytes(4)),))


def denial(minimum: int = 30) -> Reply:
    return Reply(Rcode.NXDOMAIN, authority=(Record("example", Type.SOA, 60, soa_data("example", 1, minimum)),))


def ttl(replies: Replies, now: float) -> int | None:
    found = replies.get(QUESTION, now)
    if found is None:
        return None
    return (found.reply.answers or found.reply.authority)[0].ttl


def test_a_reply_gets_older_and_goes() -> None:
    replies = Replies(Cache(ALL))
    replies.put(QUESTION, positive(60), 100.0)
    assert [ttl(replies, now) for now in (100, 130, 159, 160)] == [60, 30, 1, None]


def test_a_lifetime_is_bounded_from_both_sides() -> None:
    replies = Replies(Cache(ALL, success=Kept(ttl=30, least=5)))
    replies.put(QUESTION, positive(600), 0.0)
    assert (ttl(replies, 0), ttl(replies, 30)) == (30, None)
    replies.put(QUESTION, positive(1), 0.0)
    assert (ttl(replies, 0), ttl(replies, 5)) == (5, None)


def test_a_denial_lives_as_long_as_its_soa_says() -> None:
    replies = Replies(Cache(ALL))
    replies.put(QUESTION, denial(20), 0.0)
    assert (ttl(replies, 19), ttl(replies, 20)) == (1, None)


def test_a_denial_without_a_soa_and_refusals_are_not_kept() -> None:
    replies = Replies(Cache(ALL))
    for reply in (Reply(Rcode.NXDOMAIN), Reply(Rcode.REFUSED)):
        replies.put(QUESTION, reply, 0.0)
        assert replies.get(QUESTION, 0.0) is None


def test_a_failure_is_kept_a_moment() -> None:
    replies = Replies(Cache(ALL))
    replies.put(QUESTION, Reply(Rcode.SERVFAIL), 0.0)
    assert replies.get(QUESTION, 4.9) is not None
    assert replies.get(QUESTION, 5.0) is None


def test_a_new_answer_takes_the_denials_place() -> None:
    replies = Replies(Cache(ALL))
    replies.put(QUESTION, denial(), 0.0)
    replies.put(QUESTION, positive(), 1.0)
    found = replies.get(QUESTION, 2.0)
    assert found is not None
    assert found.reply.rcode == Rcode.NOERROR


def test_zones_may_be_left_out() -> None:
    replies = Replies(Cache(ALL, success=Kept(disabled=("example",))))
    replies.put(QUESTION, positive(), 0.0)
    assert replies.get(QUESTION, 0.0) is None
    replies.put(QUESTION, denial(), 0.0)
    assert replies.get(QUESTION, 0.0) is not None


def test_the_bound_of_entries_is_kept_and_the_oldest_goes() -> None:
    replies = Replies(Cache(ALL, success=Kept(capacity=2)))
    for number in range(3):
        replies.put((f"w{number}.example", int(Type.A), False), positive(), 0.0)
    found = [replies.get((f"w{number}.example", int(Type.A), False), 0.0) is not None for number in range(3)]
    assert found == [False, True, True]


def test_stale_replies_are_told_while_they_are_asked_for_again() -> None:
    replies = Replies(Cache(ALL, serve_stale=100.0))
    replies.put(QUESTION, positive(60), 0.0)
    first, second = replies.get(QUESTION, 70.0), replies.get(QUESTION, 71.0)
    assert first is not None
    assert second is not None
    assert (first.stale, first.refresh, first.reply.answers[0].ttl) == (True, True, 0)
    assert (second.stale, second.refresh) == (True, False)
    assert replies.get(QUESTION, 160.0) is None


def test_what_is_popular_is_asked_for_before_it_goes() -> None:
    replies = Replies(Cache(ALL, prefetch=2))
    replies.put(QUESTION, positive(100), 0.0)
    wanted = []
    for now in (1, 2, 50, 91, 92):
        found = replies.get(QUESTION, float(now))
        assert found is not None
        wanted.append(found.refresh)
    assert wanted == [False, False, False, True, False]


def test_keepttl_tells_the_first_ttl() -> None:
    replies = Replies(Cache(ALL, keep_ttl=True))
    replies.put(QUESTION, positive(60), 0.0)
    assert ttl(replies, 50) == 60
