"""WebSocket framing, against wsproto."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto import connection, events
from wsproto.connection import ConnectionType
from wsproto.frame_protocol import CloseReason

from fairlead.http import websocket
from fairlead.http.websocket import Message, Opcode


def client() -> connection.Connection:
    return connection.Connection(ConnectionType.CLIENT)


def test_the_accept_key_is_that_of_the_specification() -> None:
    assert websocket.accept_key("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@given(st.lists(st.binary(max_size=70000), min_size=1, max_size=3), st.integers(1, 9000))
def test_messages_of_another_implementation_survive_fragments_and_cuts(pieces: list[bytes], cut: int) -> None:
    sender, receiver = client(), websocket.Receiver()
    wire = b"".join(
        sender.send(events.BytesMessage(piece, message_finished=number == len(pieces) - 1))
        for number, piece in enumerate(pieces)
    )
    got: list[websocket.Event] = []
    for start in range(0, len(wire), cut):
        got += receiver.receive(wire[start : start + cut])
    assert got == [Message(Opcode.BINARY, b"".join(pieces))]


@given(st.binary(max_size=70000))
def test_another_implementation_reads_our_frames(data: bytes) -> None:
    reader = client()
    reader.receive_data(websocket.encode(Opcode.BINARY, data) + websocket.close(reason="done"))
    *messages, closed = reader.events()
    assert b"".join(bytes(message.data) for message in messages) == data  # type: ignore[attr-defined]
    assert closed == events.CloseConnection(CloseReason.NORMAL_CLOSURE, "done")


def test_pings_and_closes_come_out_between_fragments() -> None:
    sender, receiver = client(), websocket.Receiver()
    wire = sender.send(events.BytesMessage(b"a", message_finished=False)) + sender.send(events.Ping(b"p"))
    wire += sender.send(events.BytesMessage(b"b")) + sender.send(events.CloseConnection(1000))
    assert receiver.receive(wire) == [
        websocket.PingReceived(b"p"),
        Message(Opcode.BINARY, b"ab"),
        websocket.Closed(1000),
    ]


@pytest.mark.parametrize(
    ("wire", "code"),
    [
        (b"\x82\x01x", 1002),
        (b"\xc2\x80" + bytes(4), 1002),
        (b"\x83\x80" + bytes(4), 1002),
        (b"\x80\x80" + bytes(4), 1002),
        (b"\x09\x80" + bytes(4), 1002),
        (b"\x82\xff" + (1 << 40).to_bytes(8, "big"), 1009),
    ],
    ids=["unmasked", "reserved bits", "unknown opcode", "continuation of nothing", "fragmented ping", "too big"],
)
def test_what_the_rfc_forbids_closes_with_its_code(wire: bytes, code: int) -> None:
    with pytest.raises(websocket.RemoteProtocolError) as caught:
        websocket.Receiver().receive(wire)
    assert caught.value.code == code


@given(st.binary(max_size=300))
def test_garbage_raises_nothing_but_protocol_errors(garbage: bytes) -> None:
    try:
        websocket.Receiver().receive(garbage)
    except websocket.RemoteProtocolError:
        pass
