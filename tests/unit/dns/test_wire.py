"""The codec against an independent one (dnspython), and against bytes nobody should send."""

import dns.flags
import dns.message
import dns.rdatatype
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.dns.wire import (
    Query,
    Rcode,
    Record,
    Reply,
    Type,
    WireError,
    address_data,
    decode_query,
    encode_name,
    encode_reply,
    srv_data,
)

labels = st.from_regex(r"[A-Za-z0-9_]([-A-Za-z0-9]{0,20}[A-Za-z0-9])?", fullmatch=True)
names = st.lists(labels, min_size=1, max_size=6).map(".".join)


@given(names, st.sampled_from([Type.A, Type.AAAA, Type.SRV, Type.PTR]), st.booleans())
def test_queries_of_dnspython_are_read_as_they_were_meant(name: str, qtype: Type, edns: bool) -> None:
    message = dns.message.make_query(name, dns.rdatatype.RdataType(qtype), use_edns=0 if edns else False, payload=1232)
    query = decode_query(message.to_wire())
    assert (query.id, query.name, query.type) == (message.id, name.lower(), qtype)
    assert query.udp_limit == (1232 if edns else 512)


@given(names, st.lists(st.ip_addresses(v=4), max_size=5), st.integers(0, 2**31 - 1))
def test_replies_are_read_by_dnspython_and_keep_the_questions_case(name: str, ips: list, ttl: int) -> None:  # type: ignore[type-arg]
    message = dns.message.make_query(name, "A", use_edns=0)
    query = decode_query(message.to_wire())
    records = tuple(Record(query.name, Type.A, ttl, address_data(ip)) for ip in ips)
    reply = dns.message.from_wire(encode_reply(query, Reply(answers=records), 4096))
    assert reply.question == message.question
    assert {str(r) for rrset in reply.answer for r in rrset} == {str(ip) for ip in ips}
    assert reply.flags & dns.flags.AA
    assert message.is_response(reply)


@given(st.binary(max_size=600))
def test_any_bytes_are_a_query_or_a_wire_error(packet: bytes) -> None:
    try:
        decode_query(packet)
    except WireError as error:
        assert error.reply is None or len(error.reply) == 12


@given(names, st.data())
def test_a_damaged_query_never_crashes_the_reader(name: str, data: st.DataObject) -> None:
    packet = bytearray(dns.message.make_query(name, "A", use_edns=0).to_wire())
    for _ in range(data.draw(st.integers(1, 4))):
        packet[data.draw(st.integers(0, len(packet) - 1))] = data.draw(st.integers(0, 255))
    try:
        query = decode_query(bytes(packet[: data.draw(st.integers(0, len(packet)))]))
    except WireError:
        return
    assert isinstance(query, Query)


def _query(name: str = "web.dev.svc.cluster.local", **options: object) -> Query:
    return decode_query(dns.message.make_query(name, "A", **options).to_wire())  # type: ignore[arg-type]


def test_what_does_not_fit_is_cut_off_with_tc_set() -> None:
    query = _query()
    many = tuple(Record(query.name, Type.A, 30, bytes((10, 0, 0, n))) for n in range(100))
    data = encode_reply(query, Reply(answers=many), query.udp_limit)
    reply = dns.message.from_wire(data)
    assert len(data) <= 512
    assert reply.flags & dns.flags.TC
    assert not reply.answer


def test_additional_records_are_dropped_before_anything_is_truncated() -> None:
    query = _query()
    srv = Record(query.name, Type.SRV, 30, srv_data(0, 100, 80, "a.b"))
    extra = tuple(Record(f"host{n}.example", Type.A, 30, bytes(4)) for n in range(60))
    reply = dns.message.from_wire(encode_reply(query, Reply(answers=(srv,), additional=extra), 512))
    assert not reply.flags & dns.flags.TC
    assert len(reply.answer) == 1
    assert 0 < len(reply.additional) < 60


def test_the_reply_names_the_udp_size_that_the_client_named() -> None:
    reply = dns.message.from_wire(encode_reply(_query(use_edns=0, payload=4096), Reply(), 4096))
    assert (reply.edns, reply.payload) == (0, 4096)


def test_an_extended_rcode_is_split_between_header_and_opt() -> None:
    reply = dns.message.from_wire(encode_reply(_query(use_edns=0), Reply(Rcode.BADVERS), 512))
    assert reply.rcode() == 16


@pytest.mark.parametrize(
    "packet",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\0" * 11, id="less than a header"),
        pytest.param(b"\0\1\x80\0" + b"\0\1" + b"\0" * 6, id="a response"),
    ],
)
def test_what_has_no_asker_gets_no_reply(packet: bytes) -> None:
    with pytest.raises(WireError) as caught:
        decode_query(packet)
    assert caught.value.reply is None


@pytest.mark.parametrize(
    "question",
    [
        pytest.param(b"\xc0\x0c\0\1\0\1", id="a pointer to itself"),
        pytest.param(b"\x40" + b"a" * 64 + b"\0\0\1\0\1", id="a label of 64 bytes"),
        pytest.param((b"\x3f" + b"a" * 63) * 4 + b"\0\0\1\0\1", id="a name of 257 bytes"),
        pytest.param(b"\3web\0\0\1", id="no class"),
        pytest.param(b"\7web", id="a label cut short"),
    ],
)
def test_malformed_questions_get_formerr(question: bytes) -> None:
    with pytest.raises(WireError) as caught:
        decode_query(b"\x12\x34\1\0\0\1\0\0\0\0\0\0" + question)
    assert caught.value.reply is not None
    assert caught.value.reply[:4] == b"\x12\x34\x81\x01"


def test_names_encode_by_label() -> None:
    assert encode_name("web.dev") == b"\3web\3dev\0"
    assert encode_name("") == b"\0"
