"""DNS messages: bytes to `Query`, `Reply` to bytes. Pure.

Sources: RFC 1035 (messages), RFC 2181, RFC 2782 (SRV), RFC 3596 (AAAA), RFC 6891 (EDNS0). Names travel through this
module in two forms: as wire bytes, with the case in which the client wrote them, and as dotted text without the final
dot, lowered in questions. Bytes that would change the meaning of dotted text are escaped as RFC 4343 shows them.
"""

import re
import struct
from enum import IntEnum
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address

import msgspec


class Type(IntEnum):
    A = 1
    NS = 2
    CNAME = 5
    SOA = 6
    PTR = 12
    HINFO = 13
    MX = 15
    TXT = 16
    AAAA = 28
    SRV = 33
    DNAME = 39
    OPT = 41
    IXFR = 251
    AXFR = 252
    ANY = 255


class Rcode(IntEnum):
    NOERROR = 0
    FORMERR = 1
    SERVFAIL = 2
    NXDOMAIN = 3
    NOTIMP = 4
    REFUSED = 5
    BADVERS = 16


IN = 1
PLAIN_UDP_SIZE = 512
QR, AA, TC, RD, RA, AD, CD = 0x8000, 0x0400, 0x0200, 0x0100, 0x0080, 0x0020, 0x0010
DO = 0x8000  # in the OPT record's flags
HEADER = struct.Struct("!HHHHHH")
RECORD = struct.Struct("!HHIH")
QUESTION_AT = HEADER.size
FARTHEST_POINTER = 0x3FFF
_DOT = ord(".")
_POINTER = struct.Struct("!H")
_TO_QUESTION = _POINTER.pack(0xC000 | QUESTION_AT)
_NUMBERS = struct.Struct("!IIIII")
_ESCAPED = re.compile(r"\\(\d{3})")
# Types whose data is or ends with a name that may be compressed, and the bytes before that name (RFC 3597 4).
NAME_AT = {Type.NS: 0, Type.CNAME: 0, Type.PTR: 0, Type.DNAME: 0, Type.MX: 2, Type.SRV: 6}


class WireError(ValueError):
    """Bytes that are no DNS message. `reply` is the FORMERR to send, or None where nothing can be answered."""

    def __init__(self, why: str, reply: bytes | None = None) -> None:
        super().__init__(why)
        self.reply = reply


# msgspec's structs are made several times as fast as dataclasses, which a question that is new is answered by.


class Edns(msgspec.Struct, frozen=True, gc=False):
    """What the client's OPT record says."""

    udp_size: int
    version: int
    dnssec_ok: bool = False


class Query(msgspec.Struct, frozen=True, gc=False):
    id: int
    flags: int
    name: str  # lowered, no final dot; "" is the root
    wire_question: bytes  # the question section as it came, repeated in the reply
    type: int
    klass: int
    edns: Edns | None

    @property
    def opcode(self) -> int:
        return (self.flags >> 11) & 0xF

    @property
    def udp_limit(self) -> int:
        """How many bytes the client takes over UDP."""
        return PLAIN_UDP_SIZE if self.edns is None else max(PLAIN_UDP_SIZE, self.edns.udp_size)


class Record(msgspec.Struct, frozen=True, gc=False):
    """One record; `data` is the finished RDATA, with names in it uncompressed."""

    name: str
    type: int
    ttl: int
    data: bytes


class Reply(msgspec.Struct, frozen=True, gc=False):
    """An answer before it becomes bytes for one client."""

    rcode: Rcode = Rcode.NOERROR
    answers: tuple[Record, ...] = ()
    authority: tuple[Record, ...] = ()
    additional: tuple[Record, ...] = ()
    authoritative: bool = True
    recursion: bool = False  # an upstream was asked
    authentic: bool = False  # it said that it has verified this


class _Writer:
    """Appends records; an owner whose end stands in the message already points there."""

    def __init__(self, name: str, at: int) -> None:
        """`name`: the question's; `at`: where the records begin."""
        self.parts: list[bytes] = []
        self.at = at
        self._question = name
        self._plain = "\\" not in name  # then a name stands where its text stands in the question's
        self._known: dict[str, int] = {}  # filled when something else than the question's is looked for
        self._targets: list[tuple[bytes, int]] = []  # of SRV records, not in it yet

    def record(self, record: Record) -> int:
        """How many bytes it took."""
        owner = self._owner(record.name)
        fixed = RECORD.pack(record.type, IN, record.ttl, len(record.data))
        before = self.at
        self.parts += (owner, fixed, record.data)
        self.at += len(owner) + len(fixed) + len(record.data)
        if record.type == Type.SRV and len(record.data) > 6:  # its target is what additional records are of
            self._targets.append((record.data, before + len(owner) + RECORD.size + 6))
        return self.at - before

    def _owner(self, name: str) -> bytes:
        question = self._question
        if name == question and name:
            return _TO_QUESTION
        if self._plain and name and question.endswith(name) and question[-len(name) - 1] == ".":
            return _POINTER.pack(0xC000 | QUESTION_AT + len(question) - len(name))
        if not self._known:
            self._learn(question, QUESTION_AT)
        while self._targets:
            data, at = self._targets.pop()
            self._learn(decode_name(data, 6)[0].lower(), at)
        known = self._known.get(name)
        if known is not None:
            return _POINTER.pack(0xC000 | known)
        lowered = name.lower()
        if (known := self._known.get(lowered)) is not None:
            return _POINTER.pack(0xC000 | known)
        skipped, rest = 0, lowered
        at = self.at
        while rest:
            label, _, rest = rest.partition(".")
            skipped += _size(label)
            if (known := self._known.get(rest)) is not None:
                self._learn(lowered, at)
                return encode_name(name)[:skipped] + _POINTER.pack(0xC000 | known)
        self._learn(lowered, at)
        return encode_name(name)

    def _learn(self, name: str, at: int) -> None:
        known = self._known
        while name and at <= FARTHEST_POINTER and name not in known:
            known[name] = at
            label, _, name = name.partition(".")
            at += _size(label)


@lru_cache(maxsize=4096)
def encode_name(name: str) -> bytes:
    """`web.dev` → b"\\3web\\3dev\\0". Raises WireError for labels and names that are longer than they may be."""
    if not name:
        return b"\0"
    labels = [_unescaped(label) for label in name.split(".")] if "\\" in name else name.encode("latin-1").split(b".")
    found = b"".join([_LENGTHS[min(len(label), 64)] + label for label in labels]) + b"\0"
    if b"" in labels or max(map(len, labels)) > 63 or len(found) > 255:
        raise WireError(f"{name} is over 255 bytes, or a label of it is empty or over 63 bytes")
    return found


_LENGTHS = [bytes((length,)) for length in range(65)]


def _size(label: str) -> int:
    """Of an encoded label, with its length."""
    return 1 + (len(_unescaped(label)) if "\\" in label else len(label))


def _unescaped(label: str) -> bytes:
    if "\\" in label:
        label = _ESCAPED.sub(lambda match: chr(int(match[1]) & 0xFF), label)
    return label.encode("latin-1")


def _escaped(label: bytes) -> str:
    return label.decode("latin-1").replace("\\", "\\092").replace(".", "\\046")


def decode_name(message: bytes, at: int) -> tuple[str, int]:
    """A name that may be compressed, and the offset behind it. Raises WireError, IndexError."""
    labels: list[str] = []
    end = 0
    size = 0
    for _ in range(255):  # labels and pointers; a loop of pointers ends here
        length = message[at]
        if length >= 0xC0:
            end = end or at + 2
            at = (length & 0x3F) << 8 | message[at + 1]
            continue
        if length > 63:
            raise WireError("a reserved label type")
        if length == 0:
            return ".".join(labels), end or at + 1
        label = message[at + 1 : at + 1 + length]
        size += length + 1
        if len(label) < length or size > 254:
            raise WireError("a name that ends in mid-label or is over 255 bytes")
        labels.append(_escaped(label))
        at += length + 1
    raise WireError("a name that never ends")


def address_data(address: IPv4Address | IPv6Address) -> bytes:
    return address.packed


def srv_data(priority: int, weight: int, port: int, target: str) -> bytes:
    return struct.pack("!HHH", priority, weight, port) + encode_name(target)


def txt_data(text: str) -> bytes:
    raw = text.encode()
    return bytes((len(raw),)) + raw


def soa_data(zone: str, serial: int, minimum: int) -> bytes:
    names = encode_name(f"ns.dns.{zone}") + encode_name(f"hostmaster.{zone}")
    return names + _NUMBERS.pack(serial, 7200, 1800, 86400, minimum)


def decode_query(packet: bytes) -> Query:
    """Raises WireError for what is no query; what is one but unsupported is left to the caller to refuse."""
    if len(packet) < HEADER.size:
        raise WireError("shorter than a header")
    ident, flags, questions, answers, authority, additional = HEADER.unpack_from(packet)
    if flags & QR:
        raise WireError("a response, not a query")
    malformed = HEADER.pack(ident, QR | (flags & (RD | 0x7800)) | Rcode.FORMERR, 0, 0, 0, 0)
    if questions != 1 or answers or authority > 1 or additional > 4:
        raise WireError("a query has one question", malformed)
    try:
        name, end = _read_question_name(packet)
        qtype, klass = struct.unpack_from("!HH", packet, end)
        edns = _read_edns(packet, end + 4, authority + additional)
    except (WireError, struct.error, IndexError) as error:
        raise WireError(str(error), malformed) from error
    return Query(ident, flags, name, packet[QUESTION_AT : end + 4], qtype, klass, edns)


def _read_question_name(packet: bytes) -> tuple[str, int]:
    """The lowered name and the offset behind it. A first name has nothing to point at, so pointers are malformed."""
    at = QUESTION_AT
    starts = []
    while length := packet[at]:
        if length > 63:
            raise WireError("a label over 63 bytes, or a pointer")
        starts.append(at)
        at += length + 1
        if at - QUESTION_AT > 254:
            raise WireError("a name over 255 bytes")
    raw = packet[QUESTION_AT + 1 : at].lower()
    if b"." in raw or b"\\" in raw:
        labels = [_escaped(packet[start + 1 : start + 1 + packet[start]].lower()) for start in starts]
        return ".".join(labels), at + 1
    text = bytearray(raw)
    for start in starts[1:]:
        text[start - QUESTION_AT - 1] = _DOT
    return text.decode("latin-1"), at + 1


def _skip_name(packet: bytes, at: int) -> int:
    while True:
        length = packet[at]
        if length == 0:
            return at + 1
        if length >= 0xC0:
            return at + 2
        if length > 63:
            raise WireError("a reserved label type")
        at += length + 1


def _read_edns(packet: bytes, at: int, records: int) -> Edns | None:
    found: Edns | None = None
    for _ in range(records):
        start = at
        at = _skip_name(packet, at)
        rtype, size, ttl, length = RECORD.unpack_from(packet, at)
        at += RECORD.size + length
        if at > len(packet):
            raise WireError("a record longer than the message")
        if rtype == Type.OPT:
            if found is not None or packet[start] != 0:
                raise WireError("OPT must stand once, at the root")
            found = Edns(size, (ttl >> 16) & 0xFF, bool(ttl & DO))
    return found


def encode_reply(query: Query, reply: Reply, limit: int) -> bytes:
    """The bytes for this client. Above `limit`, additional records go first, then all answers with TC set."""
    writer = _Writer(query.name, HEADER.size + len(query.wire_question))
    opt = _opt(query, reply.rcode)
    room = limit - HEADER.size - len(query.wire_question) - len(opt)
    needed = 0
    for record in (*reply.answers, *reply.authority):
        needed += writer.record(record)
    truncated = needed > room
    counts = (len(reply.answers), len(reply.authority))
    if truncated:
        writer.parts.clear()
        counts = (0, 0)
    extra = 0
    if not truncated:
        for record in reply.additional:
            kept = len(writer.parts)
            needed += writer.record(record)
            if needed > room:
                del writer.parts[kept:]
                break
            extra += 1
    flags = QR | (query.flags & (RD | CD | 0x7800)) | (reply.rcode & 0xF)
    flags |= (AA if reply.authoritative else 0) | (TC if truncated else 0)
    flags |= (RA if reply.recursion else 0) | (AD if reply.authentic else 0)
    header = HEADER.pack(query.id, flags, 1, *counts, extra + (1 if opt else 0))
    return b"".join((header, query.wire_question, *writer.parts, opt))


def _opt(query: Query, rcode: int) -> bytes:
    """Ours, with the size that the client named, as CoreDNS does; absent where the client sent none."""
    if query.edns is None:
        return b""
    size = max(PLAIN_UDP_SIZE, query.edns.udp_size)
    return b"\0" + RECORD.pack(Type.OPT, size, (rcode >> 4) << 24 | (DO if query.edns.dnssec_ok else 0), 0)


# What upstreams are asked, and what they say.


def encode_query(ident: int, name: str, qtype: int, *, recursion: bool = True, dnssec_ok: bool = False) -> bytes:
    """A question with an OPT record that takes 1232 bytes (dnsflagday.net/2020). Raises WireError."""
    question = encode_name(name) + struct.pack("!HH", qtype, IN)
    opt = b"\0" + RECORD.pack(Type.OPT, 1232, DO if dnssec_ok else 0, 0)
    return HEADER.pack(ident, RD if recursion else 0, 1, 0, 0, 1) + question + opt


def decode_reply(packet: bytes) -> tuple[Reply, bool]:
    """What a server answered, names in data uncompressed; and whether it was truncated. Raises WireError."""
    try:
        _, flags, questions, *counts = HEADER.unpack_from(packet)
        at = QUESTION_AT
        for _ in range(questions):
            at = decode_name(packet, at)[1] + 4
        sections: list[tuple[Record, ...]] = []  # answers, authority, additional
        extended = 0
        for count in counts:
            records = []
            for _ in range(count):
                record, at = _read_record(packet, at)
                if record.type == Type.OPT:
                    extended = record.ttl >> 24 << 4
                else:
                    records.append(record)
            sections.append(tuple(records))
    except (struct.error, IndexError) as error:
        raise WireError(f"a reply that ends early: {error}") from error
    rcode = flags & 0xF | extended
    known = Rcode(rcode) if rcode in Rcode.__members__.values() else Rcode.SERVFAIL
    answers, authority, additional = sections
    reply = Reply(known, answers, authority, additional, bool(flags & AA), recursion=True, authentic=bool(flags & AD))
    return reply, bool(flags & TC)


def _read_record(packet: bytes, at: int) -> tuple[Record, int]:
    name, at = decode_name(packet, at)
    rtype, _, ttl, length = RECORD.unpack_from(packet, at)
    at += RECORD.size
    end = at + length
    if end > len(packet):
        raise WireError("a record longer than the message")
    data = packet[at:end]
    if rtype in NAME_AT:
        fixed = NAME_AT[rtype]
        data = packet[at : at + fixed] + encode_name(decode_name(packet, at + fixed)[0])
    elif rtype == Type.SOA:
        server, behind = decode_name(packet, at)
        mailbox, behind = decode_name(packet, behind)
        data = encode_name(server) + encode_name(mailbox) + packet[behind:end]
    return Record(name, rtype, ttl, data), end
