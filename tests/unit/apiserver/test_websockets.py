"""Streams over WebSocket, read by another implementation over real connections on loopback."""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from wsproto import connection, events
from wsproto.connection import ConnectionType

from fairlead.api.status import ApiError
from fairlead.apiserver import websockets
from fairlead.http.client import HttpClient
from fairlead.http.duplex import Duplex
from fairlead.http.server import Peer, Request, Stream, StreamWriter, Upgrade, listen

HANDSHAKE = {
    "connection": "Upgrade",
    "upgrade": "websocket",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    "sec-websocket-version": "13",
}
Answer = Callable[[Request, Stream], Upgrade]


class Client:
    def __init__(self, duplex: Duplex, protocol: str | None) -> None:
        self.protocol = protocol
        self._duplex = duplex
        self._wire = connection.Connection(ConnectionType.CLIENT)
        self._events: list[events.Event] = []

    def send(self, event: events.Event) -> None:
        self._duplex.write(self._wire.send(event))

    async def event(self) -> events.Event:
        while not self._events:
            data = await asyncio.wait_for(self._duplex.read(), 5)
            self._wire.receive_data(data or None)
            self._events += self._wire.events()
        return self._events.pop(0)


@asynccontextmanager
async def dialled(answer: Answer, *pieces: bytes, endless: bool = False, offered: str = "") -> AsyncIterator[Client]:
    """A client of a stream that gives these pieces."""

    async def produce(writer: StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        if endless:
            await asyncio.Event().wait()

    async def serve(request: Request) -> Upgrade:
        return answer(request, Stream(produce))

    server = await listen(serve, "127.0.0.1", 0)
    headers = HANDSHAKE | ({"sec-websocket-protocol": offered} if offered else {})
    http = HttpClient(f"http://127.0.0.1:{server.port}")
    answered, duplex = await http.upgrade("GET", "/", headers=headers)
    assert duplex is not None
    assert answered.headers["sec-websocket-accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    yield Client(duplex, answered.headers.get("sec-websocket-protocol"))
    duplex.close()
    await server.close()


async def test_a_watch_gives_one_text_message_for_each_event() -> None:
    async with dialled(websockets.events, b'{"a":1}\n{"b":2}\n', b'{"c":3}\n') as client:
        told = [await client.event() for _ in range(4)]
    assert told[:3] == [events.TextMessage(each) for each in ('{"a":1}\n', '{"b":2}\n', '{"c":3}\n')]
    assert isinstance(told[3], events.CloseConnection)


@pytest.mark.parametrize("offered", ["", "binary.k8s.io", "unheard-of, binary.k8s.io"])
async def test_a_log_comes_in_binary_messages(offered: str) -> None:
    async with dialled(websockets.log, b"a\xffb\n", offered=offered) as client:
        assert client.protocol == ("binary.k8s.io" if offered else None)
        assert await client.event() == events.BytesMessage(b"a\xffb\n")
        assert isinstance(await client.event(), events.CloseConnection)


async def test_a_log_comes_in_base64_for_those_who_read_text_only() -> None:
    async with dialled(websockets.log, b"a\xffb\n", offered="base64.binary.k8s.io") as client:
        assert await client.event() == events.TextMessage(base64.b64encode(b"a\xffb\n").decode())


async def test_a_client_that_pings_is_answered_and_one_that_leaves_ends_the_stream() -> None:
    async with dialled(websockets.events, b"{}\n", endless=True) as client:
        assert await client.event() == events.TextMessage("{}\n")
        client.send(events.Ping(b"there?"))
        assert await client.event() == events.Pong(b"there?")
        client.send(events.CloseConnection(1000))
        assert isinstance(await client.event(), events.CloseConnection)


def asking(offered: str) -> Request:
    return Request("GET", "/", HANDSHAKE | {"sec-websocket-protocol": offered}, Peer("127.0.0.1"))


def test_an_unknown_subprotocol_is_refused() -> None:
    with pytest.raises(ApiError, match="none of the offered subprotocols"):
        websockets.log(asking("graphql-ws"), Stream(lambda _: asyncio.sleep(0)))


def test_a_page_offers_its_token_as_one_subprotocol_of_several() -> None:
    token = websockets.TOKEN + base64.urlsafe_b64encode(b"secret~").decode().rstrip("=")
    assert websockets.token(asking(f"{token}, binary.k8s.io")) == "secret~"
    assert websockets.token(asking("binary.k8s.io")) is None
    assert websockets.token(asking(token)) == ""  # as Kubernetes: what is left must be a subprotocol to choose
    assert websockets.token(asking(f"{websockets.TOKEN}%%%, binary.k8s.io")) == ""
