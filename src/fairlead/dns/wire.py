"""DNS messages: bytes to `Query`, `Reply` to bytes. Pure.

Sources: RFC 1035 (messages), RFC 2181, RFC 2782 (SRV), RFC 3596 (AAAA), RFC 6891 (EDNS0). Names travel through this
module in two forms: as wire bytes, with the case in which the client wrote them, and as lowered dotted text without
the final dot, in which the zone looks them up.
"""

import struct
from dataclasses import dataclass, field
from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address


class Type(IntEnum):
    A = 1
    NS = 2
    CNAME = 5
    SOA = 6
    PTR = 12
    TXT = 16
    AAAA = 28
    SRV = 33
    OPT = 41
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
QR, AA, TC, RD, CD = 0x8000, 0x0400, 0x0200, 0x0100, 0x0010
HEADER = struct.Struct("!HHHHHH")
RECORD = struct.Struct("!HHIH")
QUESTION_AT = HEADER.size
POINTER_TO_QUESTION = struct.pack("!H", 0xC000 | QUESTION_AT)


class WireError(ValueError):
    """Bytes that are no DNS message. `reply` is the FORMERR to send, or None where nothing can be answered."""

    def __init__(self, why: str, reply: bytes | None = None) -> None:
        super().__init__(why)
        self.reply = reply


@dataclass(frozen=True, slots=True)
class Edns:
    """What the client's OPT record says."""

    udp_size: int
    version: int


@dataclass(frozen=True, slots=True)
class Query:
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


@dataclass(frozen=True, slots=True)
class Record:
    """One record; `data` is the finished RDATA, with names in it uncompressed."""

    name: str
    type: int
    ttl: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer before it becomes bytes for one client."""

    rcode: Rcode = Rcode.NOERROR
    answers: tuple[Record, ...] = ()
    authority: tuple[Record, ...] = ()
    additional: tuple[Record, ...] = ()
    authoritative: bool = True


@dataclass(slots=True)
class _Writer:
    """Appends records; owners equal to the question's name become a pointer to it."""

    question: str
    parts: list[bytes] = field(default_factory=list)
    size: int = 0

    def record(self, record: Record) -> int:
        owner = POINTER_TO_QUESTION if record.name == self.question else encode_name(record.name)
        fixed = RECORD.pack(record.type, IN, record.ttl, len(record.data))
        self.parts += (owner, fixed, record.data)
        return len(owner) + len(fixed) + len(record.data)


def encode_name(name: str) -> bytes:
    """`web.dev` → b"\\3web\\3dev\\0". Labels must be 1–63 bytes: the zone only holds names that Kubernetes let in."""
    if not name:
        return b"\0"
    labels = name.encode("ascii").split(b".")
    return b"".join([bytes((len(label),)) + label for label in labels]) + b"\0"


def address_data(address: IPv4Address | IPv6Address) -> bytes:
    return address.packed


def srv_data(priority: int, weight: int, port: int, target: str) -> bytes:
    return struct.pack("!HHH", priority, weight, port) + encode_name(target)


def txt_data(text: str) -> bytes:
    raw = text.encode()
    return bytes((len(raw),)) + raw


def soa_data(zone: str, serial: int, minimum: int) -> bytes:
    names = encode_name(f"ns.dns.{zone}") + encode_name(f"hostmaster.{zone}")
    return names + struct.pack("!IIIII", serial, 7200, 1800, 86400, minimum)


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
    labels = []
    at = QUESTION_AT
    while length := packet[at]:
        if length > 63:
            raise WireError("a label over 63 bytes, or a pointer")
        label = packet[at + 1 : at + 1 + length]
        if len(label) < length:
            raise WireError("a name that ends in mid-label")
        # Bytes that would change the meaning of dotted text are escaped as RFC 4343 shows them.
        text = label.lower().decode("latin-1")
        labels.append(text.replace("\\", "\\092").replace(".", "\\046"))
        at += length + 1
        if at - QUESTION_AT > 254:
            raise WireError("a name over 255 bytes")
    return ".".join(labels), at + 1


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
            found = Edns(size, (ttl >> 16) & 0xFF)
    return found


def encode_reply(query: Query, reply: Reply, limit: int) -> bytes:
    """The bytes for this client. Above `limit`, additional records go first, then all answers with TC set."""
    writer = _Writer(query.name)
    opt = _opt(query, reply.rcode)
    room = limit - HEADER.size - len(query.wire_question) - len(opt)
    needed = sum(writer.record(record) for record in (*reply.answers, *reply.authority))
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
    header = HEADER.pack(query.id, flags, 1, *counts, extra + (1 if opt else 0))
    return b"".join((header, query.wire_question, *writer.parts, opt))


def _opt(query: Query, rcode: Rcode) -> bytes:
    """Ours, with the size that the client named, as CoreDNS does; absent where the client sent none."""
    if query.edns is None:
        return b""
    size = max(PLAIN_UDP_SIZE, query.edns.udp_size)
    return b"\0" + RECORD.pack(Type.OPT, size, (rcode >> 4) << 24, 0)
