"""A forwarded port is dialled at the pod's own loopback addresses."""

import asyncio
import socket

import pytest

from fairlead.node.streams import _Forward


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
async def test_who_listens_on_one_family_only_is_found(address: str) -> None:
    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        writer.close()

    server = await asyncio.start_server(greet, address, 0)
    port = server.sockets[0].getsockname()[1]
    reader, writer = await _Forward(None, None, "")._dial(port)  # type: ignore[arg-type]
    assert await reader.read() == b"hello"
    writer.close()
    server.close()


async def test_where_nobody_listens_the_first_refusal_is_told() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(ConnectionRefusedError, match=r"127\.0\.0\.1"):
        await _Forward(None, None, "")._dial(port)  # type: ignore[arg-type]
