"""The sockets, asked by an independent client on loopback."""

import asyncio
import struct
from collections.abc import AsyncIterator

import dns.asyncquery
import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import pytest

from fairlead.dns.server import Responder, listen
from fairlead.dns.wire import Query, Record, Reply, Type

NAME = "web.dev.svc.cluster.local"


class Served:
    """A server whose answer is a number of A records, and what it was seen to send."""

    def __init__(self) -> None:
        self.count = 3
        self.seen: list[tuple[str, int]] = []
        self.port = 0

    def answer(self, name: str, qtype: int, klass: int) -> Reply:
        return Reply(answers=tuple(Record(name, Type.A, 30, struct.pack("!I", n)) for n in range(self.count)))

    def observe(self, query: Query, reply: Reply, transport: str, size: int) -> None:
        self.seen.append((transport, size))


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    served = Served()
    sockets = await listen(Responder(served.answer, served.observe), "127.0.0.1", 0)
    served.port = sockets.udp.get_extra_info("sockname")[1]
    yield served
    sockets.close()


async def test_a_question_is_answered_over_udp_with_the_chapters_flags(served: Served) -> None:
    reply = await dns.asyncquery.udp(dns.message.make_query(NAME, "A"), "127.0.0.1", port=served.port, timeout=5)
    assert len(reply.answer[0]) == 3
    assert dns.flags.to_text(reply.flags) == "QR AA RD"
    assert served.seen[0][0] == "udp"


async def test_a_truncated_answer_comes_whole_over_tcp(served: Served) -> None:
    served.count = 200
    query = dns.message.make_query(NAME, "A")
    reply, over_tcp = await dns.asyncquery.udp_with_fallback(query, "127.0.0.1", port=served.port, timeout=5)
    assert over_tcp
    assert len(reply.answer[0]) == 200


async def test_several_questions_share_one_tcp_connection(served: Served) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    for _ in range(3):
        query = dns.message.make_query(NAME, "A")
        wire = query.to_wire()
        writer.write(len(wire).to_bytes(2, "big") + wire)
        length = int.from_bytes(await reader.readexactly(2), "big")
        assert query.is_response(dns.message.from_wire(await reader.readexactly(length)))
    writer.close()


async def test_updates_are_not_implemented_and_say_so(served: Served) -> None:
    query = dns.message.make_query(NAME, "A")
    query.set_opcode(dns.opcode.STATUS)
    reply = await dns.asyncquery.udp(query, "127.0.0.1", port=served.port, timeout=5)
    assert reply.rcode() == dns.rcode.NOTIMP


async def test_garbage_is_survived(served: Served) -> None:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=("127.0.0.1", served.port))
    for size in range(64):
        transport.sendto(bytes(size))
    transport.close()
    reply = await dns.asyncquery.udp(dns.message.make_query(NAME, "A"), "127.0.0.1", port=served.port, timeout=5)
    assert reply.answer
