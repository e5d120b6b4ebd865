"""Durable creates and whole lists over TLS with authorization, beside etcd's puts and beside joining bytes."""

import re
import time
from collections.abc import Iterator

import httpx

from bench.apiserver import Running, running
from bench.etcd import etcd, put_script
from bench.load import WrkError, wrk
from bench.ready import ready_made
from bench.result import Result

CLIENTS, SECONDS, LISTED = 16, 5, 5000
VALUE = "x" * 100
CREATE = """
local number = 0
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
function request()
   number = number + 1
   return wrk.format(nil, nil, nil, string.format(
      '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"PREFIX-%d"},"data":{"key":"VALUE"}}', number))
end
""".replace("VALUE", VALUE)


def run() -> Iterator[Result]:
    with running() as server:
        authorized = (f"Authorization: Bearer {server.token}",)
        url = f"{server.url}/api/v1/namespaces/default/configmaps"
        load = wrk(url, script=CREATE.replace("PREFIX", "a"), connections=CLIENTS, seconds=SECONDS, headers=authorized)
        if load.failed:
            raise WrkError(f"{load.failed:.1%} of the creates failed")
        with etcd(server.folder, server.pair) as peer:
            script = put_script(b"x" * 300)
            put = wrk(f"{peer}/v3/kv/put", script=script, connections=CLIENTS, seconds=SECONDS)
        yield Result("durable creates, 16 clients, TLS, RBAC", load.rate, "1/s", "etcd puts", put.rate, "≥ 5,000")
        yield Result("  p99 of a create", load.p99, "ms", "of an etcd put", put.p99)
        yield from _lists(server, f"{url}?limit={LISTED}", authorized)


def _lists(server: Running, url: str, headers: tuple[str, ...]) -> Iterator[Result]:
    """Beside joining the bytes of the list, and beside sending as many that were joined before."""
    load = wrk(url, connections=1, seconds=SECONDS, headers=headers)
    size = len(httpx.get(url, headers=dict(header.split(": ", 1) for header in headers), verify=False).content)
    with ready_made(b"x" * size, server.pair) as peer:
        sent = wrk(peer, connections=1, seconds=SECONDS)
    bodies = [b'{"metadata":{"resourceVersion":"%d","name":"bench"},"data":{"key":"%b"}}' % (number, b"x" * 300)
              for number in range(LISTED)]  # fmt: skip
    began = time.perf_counter()
    for _ in range(200):
        b",".join(bodies)
    joins = 200 / (time.perf_counter() - began)
    yield Result(f"lists of {LISTED} objects, TLS", load.rate, "1/s", "sending as many ready bytes", sent.rate)
    yield Result("  without TLS and HTTP, by the server's clock", 1 / _handled(server), "1/s", "joining bytes", joins)


def _handled(server: Running) -> float:
    """Seconds that the server took for a list on average, by its own metrics."""
    headers = {"authorization": f"Bearer {server.token}"}
    text = httpx.get(f"{server.url}/metrics", headers=headers, verify=False).text
    found = {
        kind: float(value)
        for kind, labels, value in re.findall(
            r"^apiserver_request_duration_seconds_(sum|count){(.*)} (.*)$", text, re.MULTILINE
        )
        if 'verb="LIST"' in labels and 'resource="configmaps"' in labels
    }
    return found["sum"] / found["count"]
