"""What every process that answers does around the chain: refusals of the protocol, sizes, turns of addresses. Pure."""

from collections.abc import Sequence
from dataclasses import replace

from fairlead.dns.chain import Resolution
from fairlead.dns.config.rewriting import Question
from fairlead.dns.tally import Kind
from fairlead.dns.wire import PLAIN_UDP_SIZE, Query, Rcode, Record, Reply, Type, encode_reply

OPCODE_QUERY = 0
LARGEST_UDP = 4096
MOST_TURNS = 16
TURNING = (Type.A, Type.AAAA, Type.MX)


def refusal(query: Query) -> Reply | None:
    """Of what is not answered here at all, whatever it asks for."""
    if query.opcode != OPCODE_QUERY:
        return Reply(Rcode.NOTIMP, authoritative=False)
    if query.edns is not None and query.edns.version != 0:
        return Reply(Rcode.BADVERS, authoritative=False)
    if query.type in (Type.AXFR, Type.IXFR):
        return Reply(Rcode.REFUSED, authoritative=False)
    return None


def question_of(query: Query) -> Question:
    return Question(query.name, query.type, query.klass)


def udp_limit(query: Query) -> int:
    """Above 4096 bytes fragments get lost; nobody is sent more, whatever it says that it takes."""
    return max(PLAIN_UDP_SIZE, min(query.udp_limit, LARGEST_UDP))


def turns(query: Query, resolution: Resolution, limit: int) -> list[bytes]:
    """The finished answer; with the plugin `loadbalance` and several addresses in it, one beginning with each, as far
    as a bound on their number allows."""
    reply = resolution.reply
    block = resolution.block
    if block is None or not block.shuffles:
        return [encode_reply(query, reply, limit)]
    first = [record for record in reply.answers if record.type not in TURNING]
    turning = [record for record in reply.answers if record.type in TURNING]
    if len(turning) < 2:
        return [encode_reply(query, reply, limit)]
    count = min(len(turning), MOST_TURNS)
    begins = [len(turning) * turn // count for turn in range(count)]
    return [encode_reply(query, replace(reply, answers=_from(first, turning, at)), limit) for at in begins]


def _from(first: Sequence[Record], turning: Sequence[Record], at: int) -> tuple[Record, ...]:
    return (*first, *turning[at:], *turning[:at])


def kind_of(
    query: Query, reply: Reply, resolution: Resolution | None, transport: str, family: int, asked: int, replied: int
) -> Kind:
    block = resolution.block if resolution is not None else None
    zone = "dropped"
    if block is not None:
        zone = max((z for z in block.zones if query.name.endswith(z)), key=len, default="")
        zone = f"{zone}." if zone else "."
    plugin = resolution.plugin if resolution is not None else ""
    dnssec = query.edns is not None and query.edns.dnssec_ok
    return Kind(zone, plugin, transport, family, query.type, reply.rcode, dnssec, asked, replied)
