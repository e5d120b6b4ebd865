"""Names of others: upstreams that answer, are silent, cut short, deny, or lead back here."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import dns.flags
import dns.message
import dns.rcode
import pytest

from fairlead.dns.chain import Ask
from fairlead.dns.config.corefile import load
from fairlead.dns.config.settings import Block, Settings
from fairlead.dns.upstream.forwarder import Forwarder
from fairlead.dns.wire import Rcode, Reply, Type
from tests.unit.dns.upstreams import ADDRESS, Upstream, a_record, certificate, nothing, upstream


@pytest.fixture
async def one() -> AsyncIterator[Upstream]:
    async with upstream() as server:
        yield server


@pytest.fixture
async def other() -> AsyncIterator[Upstream]:
    async with upstream() as server:
        yield server


class Asking:
    """A Corefile's forwarder."""

    def __init__(self, text: str) -> None:
        self.settings: Settings = load(f". {{\n{text}\n}}", {})
        self.forwarder = Forwarder(self.settings, lambda _: [])

    @property
    def block(self) -> Block:
        return self.settings.blocks[0]

    async def __call__(self, name: str = "www.example", qtype: int = Type.A) -> Reply:
        return await self.forwarder.ask(Ask(self.block, self.block.forwards[0], name, qtype), dnssec_ok=False)


def to(*servers: Upstream) -> str:
    return "forward . " + " ".join(f"{ADDRESS}:{server.port}" for server in servers)


def address(reply: Reply) -> list[str]:
    return [".".join(map(str, record.data)) for record in reply.answers if record.type == Type.A]


async def test_an_upstream_is_asked_and_its_answer_handed_on(one: Upstream) -> None:
    reply = await Asking(to(one))()
    assert (address(reply), reply.recursion, reply.authoritative) == (["192.0.2.1"], True, False)
    assert one.asked[-1] == ("udp", "www.example.", "A")


async def test_a_truncated_answer_is_asked_for_again_over_tcp(one: Upstream) -> None:
    def answer(query: dns.message.Message, transport: str) -> dns.message.Message:
        reply = a_record(query, "192.0.2.7") if transport == "tcp" else dns.message.make_response(query)
        reply.flags |= dns.flags.TC if transport == "udp" else 0
        return reply

    one.answer = answer
    assert address(await Asking(to(one))()) == ["192.0.2.7"]
    assert [transport for transport, _, _ in one.asked] == ["udp", "tcp"]


async def test_force_tcp_asks_by_tcp_alone_over_one_connection(one: Upstream) -> None:
    asking = Asking(to(one) + " {\n force_tcp\n}")
    for number in range(3):
        assert address(await asking(f"w{number}.example"))
    assert {transport for transport, _, _ in one.asked} == {"tcp"}


async def test_an_upstream_is_asked_over_tls_and_must_show_who_it_is(tmp_path: Path) -> None:
    authority, context = certificate(tmp_path, "dns.example")
    async with upstream(context) as server:
        options = f"{{\n tls {authority}\n tls_servername dns.example\n}}"
        asking = Asking(f"forward . tls://{ADDRESS}:{server.port} {options}")
        assert address(await asking()) == ["192.0.2.1"]
        assert server.asked[-1][0] == "tls"
        wrong = Asking(f"forward . tls://{ADDRESS}:{server.port} {options.replace('dns.example', 'else.example')}")
        assert (await wrong()).rcode == Rcode.SERVFAIL
        by_target = Asking(f"forward . tls://{ADDRESS}%dns.example:{server.port} {{\n tls {authority}\n}}")
        assert address(await by_target()) == ["192.0.2.1"]


async def test_where_one_is_silent_the_next_is_asked_and_the_silent_one_left_out(
    one: Upstream, other: Upstream
) -> None:
    one.answer = lambda query, _: None
    asking = Asking(to(one, other) + " {\n policy sequential\n read_timeout 100ms\n health_check 50ms\n}")
    assert address(await asking("a.example")) == ["192.0.2.1"]
    await asyncio.sleep(2.3)  # two health checks without an answer
    asked = len(one.names())
    assert address(await asking("b.example")) == ["192.0.2.1"]
    assert len(one.names()) == asked
    one.answer = lambda query, _: a_record(query, "192.0.2.9")
    await asyncio.sleep(1.2)
    assert address(await asking("c.example")) == ["192.0.2.9"]


async def test_nobody_there_is_a_failure_and_a_quick_one() -> None:
    began = time.monotonic()
    reply = await Asking(f"forward . {ADDRESS}:1")()
    assert reply.rcode == Rcode.SERVFAIL
    assert time.monotonic() - began < 1


async def test_policies_share_questions_out(one: Upstream, other: Upstream) -> None:
    asking = Asking(to(one, other) + " {\n policy round_robin\n}")
    for number in range(6):
        await asking(f"w{number}.example")
    assert (len(one.names()), len(other.names())) == (3, 3)


async def test_more_than_max_concurrent_are_refused(one: Upstream) -> None:
    one.answer = lambda query, _: None
    asking = Asking(to(one) + " {\n max_concurrent 2\n read_timeout 300ms\n}")
    replies = await asyncio.gather(*(asking(f"w{number}.example") for number in range(5)))
    assert sorted(reply.rcode for reply in replies) == [Rcode.SERVFAIL] * 2 + [Rcode.REFUSED] * 3


async def test_failover_goes_on_after_the_codes_that_it_names(one: Upstream, other: Upstream) -> None:
    one.answer = lambda query, _: nothing(query, dns.rcode.SERVFAIL)
    asking = Asking(to(one, other) + " {\n policy sequential\n failover SERVFAIL\n}")
    assert address(await asking()) == ["192.0.2.1"]


async def test_answers_are_kept_for_their_time_and_asked_for_once_at_a_time(one: Upstream) -> None:
    asking = Asking(to(one) + "\ncache 30")
    replies = await asyncio.gather(*(asking() for _ in range(5)))
    assert all(address(reply) == ["192.0.2.1"] for reply in replies)
    assert address(await asking()) == ["192.0.2.1"]
    assert one.names() == ["www.example."]
    assert (await asking()).answers[0].ttl <= 30


async def test_denials_are_kept_too_and_by_their_soa(one: Upstream) -> None:
    one.answer = lambda query, _: nothing(query)
    asking = Asking(to(one) + "\ncache")
    for _ in range(3):
        assert (await asking()).rcode == Rcode.NXDOMAIN
    assert one.names() == ["www.example."]


async def test_a_loop_is_found_and_ends(one: Upstream) -> None:
    """What the upstream is asked comes in again as a question of ours."""
    asking = Asking(to(one) + "\nloop")

    def answer(query: dns.message.Message, transport: str) -> dns.message.Message | None:
        question = query.question[0]
        loop = asyncio.get_running_loop()
        loop.create_task(asking(question.name.to_text().rstrip("."), question.rdtype))  # noqa: RUF006  # ends at once
        return nothing(query)

    one.answer = answer
    asking.forwarder.look_for_loops()
    await asyncio.sleep(0.3)
    assert asking.forwarder.looping
    asked = len(one.asked)
    assert (await asking("other.example")).rcode == Rcode.SERVFAIL
    assert len(one.asked) == asked


async def test_without_a_loop_nothing_is_found(one: Upstream) -> None:
    asking = Asking(to(one) + "\nloop")
    asking.forwarder.look_for_loops()
    await asyncio.sleep(0.2)
    assert not asking.forwarder.looping
    assert address(await asking()) == ["192.0.2.1"]
