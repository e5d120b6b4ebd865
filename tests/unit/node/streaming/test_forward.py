"""port-forward sessions, as a client sees them."""

import struct

import pytest
from wsproto import events
from wsproto.connection import Connection, ConnectionType

from fairlead.node.streaming import channels, spdy
from fairlead.node.streaming.forward import (
    Aborted,
    ChannelSession,
    Connect,
    Disconnected,
    Received,
    SendingDone,
    SpdySession,
    TunnelSession,
)
from tests.unit.node.streaming.clients import SpdyClient


def pair(client: SpdyClient, request: str, port: str = "80") -> tuple[int, int, bytes]:
    error, first = client.open({"streamtype": "error", "port": port, "requestid": request})
    data, second = client.open({"streamtype": "data", "port": port, "requestid": request})
    return error, data, first + client.data(error, b"", finish=True) + second


def test_a_pair_of_streams_is_one_connection_and_pairs_do_not_mix() -> None:
    client, session = SpdyClient(), SpdySession()
    _, first, one = pair(client, "0")
    _, second, two = pair(client, "1", "8080")
    assert session.receive(one + two) == [Connect(first, 80), Connect(second, 8080)]
    wire = client.data(second, b"b") + client.data(first, b"a", finish=True)
    assert session.receive(wire) == [Received(second, b"b"), Received(first, b"a"), SendingDone(first)]


def test_the_streams_may_come_in_either_order_and_without_request_number() -> None:
    client, session = SpdyClient(), SpdySession()
    data, first = client.open({"streamtype": "data", "port": "80", "requestid": "7"})
    _, second = client.open({"streamtype": "error", "port": "80", "requestid": "7"})
    assert session.receive(first + second) == [Connect(data, 80)]
    _, first = client.open({"streamtype": "error", "port": "81"})
    data, second = client.open({"streamtype": "data", "port": "81"})
    assert session.receive(first + second) == [Connect(data, 81)]


def test_the_pods_answer_ends_both_streams_and_the_error_is_told() -> None:
    client, session = SpdyClient(), SpdySession()
    error, data, wire = pair(client, "0")
    session.receive(wire)
    client.parse(session.take())
    session.send(data, b"answer")
    session.finish(data, "connection refused")
    session.finish(data)  # a second end does no harm
    assert client.parse(session.take()) == [
        ("data", data, b"answer", False),
        ("data", error, b"connection refused", True),
        ("data", data, b"", True),
    ]
    assert session.receive(client.data(data, b"late")) == []


@pytest.mark.parametrize("headers", [{"streamtype": "data"}, {"streamtype": "x", "port": "1"}, {"port": "99999"}])
def test_streams_without_a_type_or_a_port_are_refused(headers: dict[str, str]) -> None:
    client, session = SpdyClient(), SpdySession()
    stream, wire = client.open(headers)
    assert session.receive(wire) == []
    assert client.parse(session.take()) == [(3, struct.pack(">II", stream, spdy.Reset.REFUSED_STREAM))]


def test_a_reset_aborts_its_connection_alone() -> None:
    client, session = SpdyClient(), SpdySession()
    _, data, wire = pair(client, "0")
    session.receive(wire)
    assert session.receive(client.control(3, struct.pack(">II", data, 5))) == [Aborted(data)]


def test_a_tunnel_carries_the_same_bytes_inside_a_websocket() -> None:
    client, outer, session = SpdyClient(), Connection(ConnectionType.CLIENT), TunnelSession()
    _, data, wire = pair(client, "0")
    half = len(wire) // 2
    got = session.receive(outer.send(events.BytesMessage(wire[:half])))
    got += session.receive(outer.send(events.BytesMessage(wire[half:] + client.data(data, b"hi"))))
    assert got == [Connect(data, 80), Received(data, b"hi")]
    session.send(data, b"answer")
    outer.receive_data(session.take())
    inner = b"".join(bytes(message.data) for message in outer.events())  # type: ignore[attr-defined]
    assert client.parse(inner)[-1] == ("data", data, b"answer", False)
    assert session.receive(outer.send(events.CloseConnection(1000))) == [Disconnected()]


def test_channel_pairs_announce_their_port_first() -> None:
    session = ChannelSession(channels.SUBPROTOCOLS["v4.channel.k8s.io"], [80, 443])
    assert session.open() == [Connect(0, 80), Connect(2, 443)]
    client = Connection(ConnectionType.CLIENT)
    client.receive_data(session.take())
    got = [bytes(message.data) for message in client.events()]  # type: ignore[attr-defined]
    assert got == [
        bytes((channel,)) + struct.pack("<H", port) for channel, port in ((0, 80), (1, 80), (2, 443), (3, 443))
    ]
    assert session.receive(client.send(events.BytesMessage(b"\2hello"))) == [Received(2, b"hello")]


def test_a_channel_session_closes_with_its_last_connection() -> None:
    session, client = ChannelSession(channels.SUBPROTOCOLS[""], [80]), Connection(ConnectionType.CLIENT)
    session.open()
    session.take()
    session.finish(0, "refused")
    client.receive_data(session.take())
    error, closed = client.events()
    assert bytes(error.data) == b"\1refused"  # type: ignore[attr-defined]
    assert isinstance(closed, events.CloseConnection)
