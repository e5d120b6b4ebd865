"""Requests passed on to what pods serve, over real connections on loopback."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from fairlead.api.status import ApiError
from fairlead.apiserver.forwarding import forward
from fairlead.http.client import HttpClient
from fairlead.http.duplex import Duplex
from fairlead.http.server import Peer, Request, Response, Server, Stream, Upgrade, listen

PREFIX = "/api/v1/namespaces/dev/pods/web/proxy"


async def _pod(request: Request) -> Response | Upgrade:
    """Serves a page, an echo of what it was asked, and an echo of bytes behind an upgrade."""

    async def echo(duplex: Duplex) -> None:
        duplex.write(await duplex.read())

    match request.path:
        case "/page":
            return Response(200, b'<a href="/x">\xff</a>', "text/html; charset=utf-8")
        case "/moved":
            cookies = [("Set-Cookie", "a=1, b"), ("Set-Cookie", "c=2")]
            return Response(302, b"", "text/plain", [("Location", "/page"), *cookies])
        case "/nothing":
            return Response(204)
        case "/echo":
            return Upgrade(echo, [("upgrade", "echo"), ("connection", "Upgrade")])
    told = [f"{name}: {text}" for name, text in sorted(request.headers.items())]
    return Response(418, "\n".join([request.method, request.target, *told, ""]).encode() + request.body, "text/plain")


@pytest.fixture
async def client() -> AsyncIterator[HttpClient]:
    """Of a server that passes everything beneath PREFIX on to the pod."""
    pod = await listen(_pod, "127.0.0.1", 0)

    async def passed_on(request: Request) -> Response | Stream | Upgrade:
        return await forward(request, "http", f"127.0.0.1:{pod.port}", request.path.removeprefix(f"{PREFIX}/"))

    server: Server = await listen(passed_on, "127.0.0.1", 0)
    yield HttpClient(f"http://127.0.0.1:{server.port}")
    await server.close()
    await pod.close()


async def test_method_path_query_and_body_come_there_and_every_status_comes_back(client: HttpClient) -> None:
    headers = {"authorization": "Bearer secret", "x-mine": "1", "host": "example.org"}
    answer = await client.request("PUT", f"{PREFIX}/a%20b/c?d=%2F", headers=headers, body=b"body")
    assert answer.status == 418
    lines = answer.body.decode().splitlines()
    assert lines[:2] == ["PUT", "/a%20b/c?d=%2F"]
    assert lines[-1] == "body"
    assert {"x-mine: 1", "host: example.org", "x-forwarded-for: 127.0.0.1"} <= {*lines}
    assert f"x-forwarded-uri: {PREFIX}/a b/c" in lines
    assert not any("secret" in line for line in lines)  # who the caller is to us is none of the pod's business


async def test_pages_and_redirects_lead_back_through_here(client: HttpClient) -> None:
    page = await client.request("GET", f"{PREFIX}/page")
    assert page.body == f'<a href="{PREFIX}/x">'.encode() + b"\xff</a>"
    async with client.stream("GET", f"{PREFIX}/moved") as moved:
        assert (moved.status, moved.headers["location"]) == (302, f"{PREFIX}/page")
        assert [text for name, text in moved.fields if name == "set-cookie"] == ["a=1, b", "c=2"]


async def test_answers_without_a_body_leave_the_connection_usable(client: HttpClient) -> None:
    for method, path, status in (("GET", "nothing", 204), ("HEAD", "page", 200), ("GET", "page", 200)):
        answer = await client.request(method, f"{PREFIX}/{path}")
        assert answer.status == status
    assert len(client._idle) == 1


async def test_connections_are_upgraded(client: HttpClient) -> None:
    headers = {"connection": "Upgrade", "upgrade": "echo"}
    answer, duplex = await client.upgrade("GET", f"{PREFIX}/echo", headers=headers)
    assert (answer.status, answer.headers["upgrade"]) == (101, "echo")
    assert duplex is not None
    duplex.write(b"hello")
    assert await asyncio.wait_for(duplex.read(), 5) == b"hello"
    duplex.close()


async def test_the_root_without_its_slash_is_somewhere_else() -> None:
    asked = Request("GET", f"{PREFIX}?a=b", {}, Peer("127.0.0.1"))
    answer = await forward(asked, "http", "127.0.0.1:1", "")
    assert isinstance(answer, Response)
    assert (answer.status, answer.headers) == (301, [("Location", f"{PREFIX}/?a=b")])


async def test_what_does_not_answer_is_unavailable() -> None:
    with pytest.raises(ApiError, match="error trying to reach service: ") as failed:
        await forward(Request("GET", f"{PREFIX}/x", {}, Peer("127.0.0.1")), "http", "127.0.0.1:1", "x")
    assert failed.value.code == 503
