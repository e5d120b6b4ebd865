"""The channels over WebSocket, against wsproto."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto import connection, events
from wsproto.connection import ConnectionType

from fairlead.http import websocket
from fairlead.http.websocket import Message, Opcode
from fairlead.node.streaming import channels


def client() -> connection.Connection:
    return connection.Connection(ConnectionType.CLIENT)


def test_the_clients_order_of_subprotocols_decides_and_unknown_ones_refuse() -> None:
    assert (
        channels.choose(["v9", "v4.channel.k8s.io", "v5.channel.k8s.io"]) == channels.SUBPROTOCOLS["v4.channel.k8s.io"]
    )
    assert channels.choose([]) == channels.SUBPROTOCOLS[""]
    assert channels.choose(["graphql-ws"]) is None


@pytest.mark.parametrize("protocol", channels.SUBPROTOCOLS.values(), ids=lambda protocol: protocol.name or "none")
@given(channel=st.integers(0, 9), data=st.binary(max_size=200))
def test_a_channel_message_is_read_as_it_was_rendered(
    protocol: channels.Subprotocol, channel: int, data: bytes
) -> None:
    reader = client()
    reader.receive_data(channels.render(protocol, channel, data))
    (message,) = reader.events()
    assert isinstance(message, events.TextMessage if protocol.text else events.BytesMessage)
    payload = message.data.encode() if isinstance(message, events.TextMessage) else bytes(message.data)
    opcode = Opcode.TEXT if protocol.text else Opcode.BINARY
    assert channels.parse(protocol, Message(opcode, payload)) == channels.ChannelData(channel, data)


def test_only_version_five_closes_a_channel() -> None:
    message = Message(Opcode.BINARY, b"\xff\x00")
    assert channels.parse(channels.SUBPROTOCOLS["v5.channel.k8s.io"], message) == channels.ChannelClosed(0)
    assert channels.parse(channels.SUBPROTOCOLS["v4.channel.k8s.io"], message) == channels.ChannelData(255, b"\x00")


@pytest.mark.parametrize("data", [b"", b"x", b"0" + base64.b64encode(b"ok")[:-1] + b"*"])
def test_a_base64_message_without_channel_or_sense_is_refused(data: bytes) -> None:
    with pytest.raises(websocket.RemoteProtocolError):
        channels.parse(channels.SUBPROTOCOLS["v4.base64.channel.k8s.io"], Message(Opcode.TEXT, data))
