"""A request passed on to a pod, a Service's endpoint or a port of a node, and its answer passed back.

Source: k8s.io/apimachinery/pkg/util/proxy/upgradeaware.go and transport.go. What the other side says is its own: every
status comes back as it is. The caller's credentials stay here.
"""

import contextlib
import ssl
from urllib.parse import quote

from fairlead.api.status import unavailable
from fairlead.apiserver.links import beneath, rewritten
from fairlead.apiserver.tunnel import join
from fairlead.http.client import HttpClient, StreamedAnswer
from fairlead.http.duplex import Duplex
from fairlead.http.server import Request, Response, Stream, StreamWriter, Upgrade

# RFC 9110, section 7.6.1, and what this server is told for itself alone. Compressed pages could not be rewritten.
NOT_PASSED_ON = frozenset({
    "accept-encoding", "authorization", "connection", "content-length", "expect", "keep-alive", "proxy-authenticate",
    "proxy-authorization", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
})  # fmt: skip
NOT_PASSED_BACK = frozenset(
    {"connection", "content-length", "content-type", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"}
)
WITHOUT_BODY = (204, 304)
MOST_OF_A_PAGE = 16 << 20  # bytes; a longer page passes as it is


async def forward(request: Request, scheme: str, host: str, rest: str) -> Response | Stream | Upgrade:
    """`host`: `10.244.1.5:80`. `rest`: the path there, without its first slash. Raises ApiError (503)."""
    prefix = request.path.removesuffix(rest).rstrip("/")
    if not rest and not request.path.endswith("/") and request.method in ("GET", "HEAD") and not _upgrades(request):
        # Else relative links of the page would lead beside it.
        query = f"?{request.raw_query}" if request.raw_query else ""
        return Response(301, b"", "text/plain", [("Location", f"{quote(request.path)}/{query}")])
    client = HttpClient(f"{scheme}://{host}", ssl=_whoever() if scheme == "https" else None)
    target = "/" + quote(rest, safe="/:@!$&'()*+,;=~") + (f"?{request.raw_query}" if request.raw_query else "")
    headers = {name: text for name, text in request.headers.items() if name not in NOT_PASSED_ON}
    known = [text for text in (headers.get("x-forwarded-for"), request.peer.address) if text]
    headers |= {"x-forwarded-for": ", ".join(known), "x-forwarded-uri": f"{prefix}/{rest}"}
    try:
        if _upgrades(request):
            headers |= {"connection": "Upgrade", "upgrade": request.headers["upgrade"]}
            return await _upgraded(client, request, target, headers)
        return await _answered(client, request, target, headers, prefix, frozenset({host, headers.get("host", "")}))
    except OSError as error:
        raise unavailable(f"error trying to reach service: {error or type(error).__name__}") from error


async def _answered(
    client: HttpClient, request: Request, target: str, headers: dict[str, str], prefix: str, hosts: frozenset[str]
) -> Response | Stream:
    context = client.stream(request.method, target, headers=headers, body=request.body)
    answer = await context.__aenter__()
    back = [(name, text) for name, text in answer.fields if name not in NOT_PASSED_BACK]
    back = [(name, beneath(prefix, text, hosts) if name == "location" else text) for name, text in back]
    media = answer.headers.get("content-type", "")
    if request.method == "HEAD" or answer.status in WITHOUT_BODY:
        await context.__aexit__(None, None, None)
        return Response(answer.status, b"", media, back)

    async def produce(writer: StreamWriter) -> None:
        try:
            with contextlib.suppress(ConnectionError):
                if media.partition(";")[0].strip() == "text/html" and "location" not in answer.headers:
                    await _page(answer, writer, prefix, hosts)
                async for chunk in answer.chunks:
                    writer.write(chunk)
                    await writer.drain()
        finally:
            await context.__aexit__(None, None, None)

    return Stream(produce, answer.status, media, back)


async def _page(answer: StreamedAnswer, writer: StreamWriter, prefix: str, hosts: frozenset[str]) -> None:
    """A page is read whole before its links can lead back here."""
    page = b""
    async for chunk in answer.chunks:
        page += chunk
        if len(page) > MOST_OF_A_PAGE:
            writer.write(page)
            return
    text = page.decode("utf-8", "surrogateescape")
    writer.write(rewritten(text, prefix, hosts).encode("utf-8", "surrogateescape"))


async def _upgraded(client: HttpClient, request: Request, target: str, headers: dict[str, str]) -> Response | Upgrade:
    answer, other = await client.upgrade(request.method, target, headers=headers)
    back = [(name.title(), text) for name, text in answer.headers.items()]
    if other is None:
        passed = [(name, text) for name, text in back if name.lower() not in NOT_PASSED_BACK]
        return Response(answer.status, answer.body, answer.headers.get("content-type", ""), passed)

    async def run(caller: Duplex) -> None:
        await join(caller, other)

    return Upgrade(run, back)


def _upgrades(request: Request) -> bool:
    return "upgrade" in request.headers.get("connection", "").lower() and "upgrade" in request.headers


def _whoever() -> ssl.SSLContext:
    """Pods serve with certificates of their own making: nothing here could tell whether they are theirs."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
