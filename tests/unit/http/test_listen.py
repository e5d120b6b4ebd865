"""Where a server listens."""

import asyncio
import socket

import pytest

from fairlead.http.server import Request, Response, listen


async def _answer(_: Request) -> Response:
    return Response(200, b"")


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("", 0))
        return int(free.getsockname()[1])


@pytest.mark.parametrize(
    ("host", "reached"),
    [
        ("127.0.0.1", ["127.0.0.1"]),
        ("0.0.0.0", ["127.0.0.1", "::1"]),
        ("::", ["127.0.0.1", "::1"]),
        (("127.0.0.1", "::1"), ["127.0.0.1", "::1"]),
    ],
)
async def test_an_unspecified_address_is_all_of_both_families(host: str | tuple[str, ...], reached: list[str]) -> None:
    server = await listen(_answer, host, _free_port())
    found = []
    for address in ("127.0.0.1", "::1"):
        try:
            _, writer = await asyncio.open_connection(address, server.port)
        except OSError:
            continue
        found.append(address)
        writer.close()
    await server.close()
    assert found == reached
