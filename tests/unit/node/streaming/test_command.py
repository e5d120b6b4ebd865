"""exec and attach sessions, as a client sees them."""

import json
import struct

import pytest
from wsproto import events
from wsproto.connection import Connection, ConnectionType

from fairlead.node.streaming import channels, command, spdy
from fairlead.node.streaming.command import SpdySession, Stdin, StdinClosed, Wanted, WebSocketSession
from fairlead.node.streaming.resize import Resized
from tests.unit.node.streaming.clients import SpdyClient

PLAIN = Wanted(stdin=True, stdout=True, stderr=True, tty=False)
TERMINAL = Wanted(stdin=True, stdout=True, stderr=True, tty=True)


def opened(session: SpdySession, *names: str) -> tuple[SpdyClient, dict[str, int], list[command.Event]]:
    client, streams, got = SpdyClient(), {}, list(session.open())
    for name in names:
        streams[name], frame = client.open({"streamType": name})
        got += session.receive(frame)
    return client, streams, got


def test_a_spdy_session_is_ready_when_the_last_stream_is_open() -> None:
    session = SpdySession("v4.channel.k8s.io", PLAIN)
    _, _, got = opened(session, "error", "stdin", "stdout")
    assert got == []
    session = SpdySession("v4.channel.k8s.io", PLAIN)
    client, streams, got = opened(session, "error", "stdin", "stdout", "stderr")
    assert got == [command.Ready()]
    assert [frame[:2] for frame in client.parse(session.take())] == [("reply", number) for number in streams.values()]


def test_with_a_terminal_there_is_a_resize_stream_and_no_stderr() -> None:
    session = SpdySession("v4.channel.k8s.io", TERMINAL)
    client, streams, got = opened(session, "error", "stdin", "stdout", "resize")
    assert got == [command.Ready()]
    wire = client.data(streams["resize"], b'{"Width":80,"Hei') + client.data(
        streams["resize"], b'ght":24}\n{"Width":1,'
    )
    assert session.receive(wire) == [Resized(80, 24)]


def test_input_and_its_end_come_out_in_order() -> None:
    session = SpdySession("v4.channel.k8s.io", PLAIN)
    client, streams, _ = opened(session, "error", "stdin", "stdout", "stderr")
    wire = client.data(streams["stdin"], b"one") + client.data(streams["stdin"], b"two", finish=True)
    assert session.receive(wire) == [Stdin(b"one"), Stdin(b"two"), StdinClosed()]


def test_the_exit_code_travels_in_a_status_behind_all_output() -> None:
    session = SpdySession("v4.channel.k8s.io", PLAIN)
    client, streams, _ = opened(session, "error", "stdin", "stdout", "stderr")
    client.parse(session.take())
    session.stdout(b"out")
    session.stderr(b"err")
    session.finish(command.exited(3))
    *data, (goaway, _) = client.parse(session.take())
    assert goaway == 7
    sent = {name: b"".join(d for _, s, d, _ in data if s == number) for name, number in streams.items()}  # type: ignore[misc]
    assert (sent["stdout"], sent["stderr"]) == (b"out", b"err")
    assert json.loads(sent["error"])["details"]["causes"] == [{"reason": "ExitCode", "message": "3"}]
    assert {frame[1] for frame in data if frame[3]} == {streams[n] for n in ("stdout", "stderr", "error")}


def test_version_two_tells_a_failure_in_plain_text() -> None:
    session = SpdySession("v2.channel.k8s.io", Wanted(stdin=False, stdout=True, stderr=False, tty=False))
    client, streams, _ = opened(session, "error", "stdout")
    client.parse(session.take())
    session.finish(command.exited(3))
    texts = [frame[2] for frame in client.parse(session.take()) if frame[1] == streams["error"]]
    assert texts == [b"command terminated with non-zero exit code: exit status 3"]


def test_an_unknown_stream_is_refused_and_disturbs_nothing() -> None:
    session = SpdySession("v4.channel.k8s.io", PLAIN)
    client, streams, _ = opened(session, "gossip")
    assert client.parse(session.take()) == [(3, struct.pack(">II", streams["gossip"], spdy.Reset.REFUSED_STREAM))]


@pytest.mark.parametrize(
    "name", ["v5.channel.k8s.io", "v4.channel.k8s.io", "v4.base64.channel.k8s.io", "channel.k8s.io"]
)
def test_a_websocket_session_carries_input_output_and_the_status(name: str) -> None:
    protocol = channels.SUBPROTOCOLS[name]
    session, client = WebSocketSession(protocol, PLAIN), Connection(ConnectionType.CLIENT)
    assert session.open() == [command.Ready()]
    if protocol.text:
        wire = client.send(events.TextMessage("0aGVsbG8="))
    else:
        wire = client.send(events.BytesMessage(b"\0hello"))
    assert session.receive(wire + client.send(events.Ping(b"!"))) == [Stdin(b"hello")]
    session.stdout(b"out")
    session.finish(command.succeeded())
    client.receive_data(session.take())
    greeting, pong, out, *status, closed = client.events()
    assert isinstance(pong, events.Pong)
    assert isinstance(closed, events.CloseConnection)
    assert greeting.data in ("1", b"\1")  # type: ignore[attr-defined]
    assert out.data in ("1b3V0", b"\1out")  # type: ignore[attr-defined]
    assert len(status) == int(protocol.status)


def test_version_five_closes_standard_input_alone() -> None:
    session = WebSocketSession(channels.SUBPROTOCOLS["v5.channel.k8s.io"], PLAIN)
    client = Connection(ConnectionType.CLIENT)
    wire = client.send(events.BytesMessage(b"\0x")) + client.send(events.BytesMessage(b"\xff\0"))
    assert session.receive(wire) == [Stdin(b"x"), StdinClosed()]


def test_a_terminal_is_resized_over_websocket() -> None:
    session = WebSocketSession(channels.SUBPROTOCOLS["v5.channel.k8s.io"], TERMINAL)
    wire = Connection(ConnectionType.CLIENT).send(events.BytesMessage(b'\4{"Width":132,"Height":43}\n'))
    assert session.receive(wire) == [Resized(132, 43)]


def test_senseless_terminal_sizes_are_ignored() -> None:
    session = WebSocketSession(channels.SUBPROTOCOLS["v5.channel.k8s.io"], TERMINAL)
    wire = Connection(ConnectionType.CLIENT).send(events.BytesMessage(b'\4{"Width":-1,"Height":99999}[1]{"Width":"x"}'))
    assert session.receive(wire) == []
