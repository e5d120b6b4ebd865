"""Servers that say who they are and what they were asked, and clients that see all of an answer."""

import http.client
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Echo(BaseHTTPRequestHandler):
    """Answers with the request as JSON; `?status=`, `?header=name:value` and `?delay=` ask for more."""

    protocol_version = "HTTP/1.1"
    server: "EchoServer"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self._answer
        raise AttributeError(name)

    def _answer(self) -> None:
        self.server.requests += 1
        length = int(self.headers.get("content-length") or 0)
        body = self.rfile.read(length) if length else b""
        seen = {
            "server": self.server.name,
            "method": self.command,
            "path": self.path,
            "headers": {name.lower(): value for name, value in self.headers.items()},
            "body": body.decode("latin-1"),
        }
        self.server.seen.append(seen)
        status, headers, text = self.server.answer(seen)
        payload = text if text is not None else json.dumps(seen).encode()
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("content-length", str(len(payload)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(payload)

    def log_message(self, *_: Any) -> None:
        pass


Answer = tuple[int, list[tuple[str, str]], bytes | None]


class EchoServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, name: str, address: str, port: int) -> None:
        super().__init__((address, port), Echo)
        self.name = name
        self.requests = 0
        self.seen: list[dict[str, Any]] = []
        self.answer: Callable[[dict[str, Any]], Answer] = lambda _: (200, [("content-type", "application/json")], None)


@contextmanager
def upstream(name: str, address: str, port: int = 8080, tls: ssl.SSLContext | None = None) -> Iterator[EchoServer]:
    server = EchoServer(name, address, port)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


@dataclass
class Got:
    """An answer. `json` is what an upstream says it was asked."""

    status: int
    headers: dict[str, str]
    body: bytes
    cookies: list[str] = field(default_factory=list)
    certificate: bytes | None = None

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def server(self) -> str:
        return str(self.json["server"])


@dataclass
class Client:
    """Asks nginx at an address, whatever the host's name is."""

    address: str
    port: int = 80
    tls_port: int = 443

    def get(
        self,
        url: str,
        *,
        method: str = "GET",
        headers: dict[str, str] | None = None,
        body: bytes | None = None,
        sni: str | None = None,
        source: str | None = None,
        context: ssl.SSLContext | None = None,
    ) -> Got:
        scheme, _, rest = url.partition("://")
        host, slash, path = rest.partition("/")
        at = (source, 0) if source else None
        plain = socket.create_connection((self.address, self.tls_port if scheme == "https" else self.port), 10, at)
        connection = http.client.HTTPConnection(host, timeout=10)
        certificate = None
        if scheme == "https":
            secure = (context or insecure()).wrap_socket(plain, server_hostname=sni or host.partition(":")[0])
            certificate = secure.getpeercert(binary_form=True)
            connection.sock = secure
        else:
            connection.sock = plain
        try:
            connection.request(method, slash + path or "/", body=body, headers={"host": host, **(headers or {})})
            answer = connection.getresponse()
            found: dict[str, str] = {}
            cookies = []
            for name, value in answer.getheaders():
                if name.lower() == "set-cookie":
                    cookies.append(value)
                found[name.lower()] = value
            return Got(answer.status, found, answer.read(), cookies, certificate)
        finally:
            connection.close()


def insecure() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # without reading all authorities each time
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
