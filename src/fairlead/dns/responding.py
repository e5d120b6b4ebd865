"""What every process that answers does around the chain: refusals of the protocol, sizes, turns of addresses. Pure."""

from msgspec.structs import replace

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


class Turns:
    """The finished answer; with the plugin `loadbalance` and several addresses in it, one beginning with each, as far
    as a bound on their number allows."""

    def __init__(self, query: Query, resolution: Resolution, limit: int) -> None:
        self._query, self._reply, self._limit = query, resolution.reply, limit
        block = resolution.block
        self._turning: list[Record] = []
        if len(self._reply.answers) > 1 and block is not None and block.shuffles:
            turning = [record for record in self._reply.answers if record.type in TURNING]
            self._turning = turning if len(turning) > 1 else []
        self.count = min(len(self._turning), MOST_TURNS) or 1

    def at(self, turn: int) -> bytes:
        turn %= self.count
        if self.count == 1:
            return encode_reply(self._query, self._reply, self._limit)
        first = [record for record in self._reply.answers if record.type not in TURNING]
        at = len(self._turning) * turn // self.count
        answers = (*first, *self._turning[at:], *self._turning[:at])
        return encode_reply(self._query, replace(self._reply, answers=answers), self._limit)


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
