"""SPDY/3.1 framing against an independent client."""

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.node.streaming import spdy
from fairlead.node.streaming.dictionary import DICTIONARY
from tests.unit.node.streaming.clients import SpdyClient


def test_the_dictionary_is_the_one_of_the_draft() -> None:
    assert (len(DICTIONARY), zlib.adler32(DICTIONARY)) == (1423, 0xE3C6A7C2)


def test_streams_share_one_compression_state_over_many_header_blocks() -> None:
    client, server = SpdyClient(), spdy.Connection()
    for number in range(20):
        stream, frame = client.open({"Streamtype": "data", "port": str(8000 + number)})
        assert server.receive(frame) == [
            spdy.StreamOpened(stream, {"streamtype": "data", "port": str(8000 + number)}, False)
        ]
        assert client.parse(server.reply(stream, {"a": "b"})) == [("reply", stream, 1)]


@given(st.lists(st.binary(max_size=40000), max_size=4), st.integers(1, 5000))
def test_data_survives_any_cut_of_the_byte_stream(pieces: list[bytes], cut: int) -> None:
    client, server = SpdyClient(), spdy.Connection()
    stream, wire = client.open({"streamtype": "stdin"})
    for piece in pieces:
        wire += client.data(stream, piece)
    wire += client.data(stream, b"", finish=True)
    events: list[spdy.Event] = []
    for start in range(0, len(wire), cut):
        events += server.receive(wire[start : start + cut])
    data = [event for event in events if isinstance(event, spdy.DataReceived)]
    assert b"".join(event.data for event in data) == b"".join(pieces)
    assert [event.finished for event in data] == [False] * len(pieces) + [True]


@given(st.binary(max_size=60000), st.booleans())
def test_what_is_sent_arrives_in_small_frames_with_one_end(data: bytes, finish: bool) -> None:
    client, server = SpdyClient(), spdy.Connection()
    stream, frame = client.open({})
    server.receive(frame)
    frames = client.parse(server.send(stream, data, finish=finish))
    assert b"".join(frame[2] for frame in frames) == data  # type: ignore[misc]
    assert all(len(frame[2]) <= spdy.MAX_DATA for frame in frames)  # type: ignore[arg-type]
    assert [frame[3] for frame in frames if frame[3]] == ([True] if finish else [])


def test_pings_of_the_client_are_answered_and_unasked_pongs_ignored() -> None:
    server = spdy.Connection()
    assert server.receive(SpdyClient.control(6, struct.pack(">I", 7))) == [spdy.PingReceived(7)]
    assert SpdyClient().parse(server.pong(7)) == [(6, struct.pack(">I", 7))]
    assert server.receive(SpdyClient.control(6, struct.pack(">I", 8))) == []


def test_data_in_flight_for_a_stream_that_was_reset_is_dropped() -> None:
    client, server = SpdyClient(), spdy.Connection()
    stream, frame = client.open({})
    server.receive(frame)
    server.reset(stream)
    assert server.receive(client.data(stream, b"late")) == []


def test_settings_and_window_updates_are_ignored() -> None:
    server = spdy.Connection()
    assert server.receive(SpdyClient.control(4, bytes(12)) + SpdyClient.control(9, bytes(8))) == []


@pytest.mark.parametrize(
    "wire",
    [
        struct.pack(">HHI", 0x8002, 1, 10) + bytes(10),
        SpdyClient.control(1, struct.pack(">IIH", 2, 0, 0)),
        SpdyClient.control(1, bytes(4)),
        SpdyClient.control(1, struct.pack(">IIH", 1, 0, 0) + b"not zlib"),
        struct.pack(">II", 1, spdy.MAX_FRAME + 1),
    ],
    ids=["version 2", "even stream", "short frame", "bad headers", "too large"],
)
def test_what_the_protocol_does_not_allow_ends_the_connection(wire: bytes) -> None:
    with pytest.raises(spdy.RemoteProtocolError):
        spdy.Connection().receive(wire)


def test_a_header_block_that_inflates_without_end_is_refused() -> None:
    client = SpdyClient()
    _, frame = client.open({"a": "x" * (spdy.MAX_HEADERS * 4)})
    with pytest.raises(spdy.RemoteProtocolError, match="more than"):
        spdy.Connection().receive(frame)


@given(st.binary(max_size=400))
def test_garbage_raises_nothing_but_protocol_errors(garbage: bytes) -> None:
    try:
        spdy.Connection().receive(garbage)
    except spdy.RemoteProtocolError:
        pass


@given(st.binary(max_size=80))
def test_garbage_inside_a_header_block_raises_nothing_but_protocol_errors(block: bytes) -> None:
    compressed = SpdyClient().deflate
    payload = struct.pack(">IIH", 1, 0, 0) + compressed.compress(block) + compressed.flush(zlib.Z_SYNC_FLUSH)
    try:
        spdy.Connection().receive(SpdyClient.control(1, payload))
    except spdy.RemoteProtocolError:
        pass
