"""The Ingress controller with thousands of hosts, beside a hand-written static nginx and HAProxy in the same run.

Traffic is measured in turn, so that what changes on the machine meanwhile changes all. Changes are measured from the
moment when the API has answered the write until a new request is served by it.
"""

import asyncio
import http.client
import os
import random
import signal
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.ingress.objects import certificate, endpoint_slice, ingress, path, service, tls_secret

from bench.apiserver import Running, running
from bench.ingress_peers import HAPROXY, OURS, POD_PORT, PODS, STATIC, WORKERS, family, host, memory, peers
from bench.load import wrk
from bench.result import Result
from fairlead.client.rest import Client

HOSTS = int(os.environ.get("BENCH_HOSTS", "5000"))
SPREAD = min(1000, HOSTS)
ROUNDS, SECONDS = 3, 3
CHANGES = 200  # measured one by one
UNDER_LOAD = 1000  # while requests and websockets go on
WEBSOCKETS = 50
Json = dict[str, Any]


def run() -> Iterator[Result]:
    with tempfile.TemporaryDirectory() as name, running() as api:
        folder = Path(name)
        pairs = [certificate("*.bench.test") for _ in range(20)]
        with peers(folder, pairs[0], SPREAD):
            asyncio.run(_fill(api, pairs))
            with _controller(api, folder) as process:
                began = time.monotonic()
                _until_served()
                yield Result(f"from nothing to {HOSTS:,} hosts with certificates", time.monotonic() - began, "s")
                _until_quiet(process.pid)
                yield from _traffic()
                yield from asyncio.run(_changes(api))
                yield from asyncio.run(_under_load(api))
                pids = family(process.pid)
                yield Result(f"controller and nginx with {HOSTS:,} hosts", memory(pids), "MB", target="≤ 150")
            yield from _restart(api, folder)


def _traffic() -> Iterator[Result]:
    one = (f"Host: {host(0)}",)
    spread = f"""
        math.randomseed(os.time())
        request = function()
            return wrk.format("GET", "/", {{ Host = "h" .. math.random(0, {SPREAD - 1}) .. ".bench.test" }})
        end"""
    close = (f"Host: {host(0)}", "Connection: close")
    kinds: list[tuple[str, Callable[[str], float], str]] = [
        ("requests/s, one host, with metrics", lambda a: _rate(f"http://{a}/", headers=one), "≥ 0.95"),
        (f"requests/s over {SPREAD:,} hosts", lambda a: _rate(f"http://{a}/", script=spread), "≥ 1.0"),
        ("new TLS connections/s", lambda a: _rate(f"https://{a}/", headers=close), "≥ 0.95"),
    ]
    for what, measure, target in kinds:
        rates: dict[str, list[float]] = {OURS: [], STATIC: [], HAPROXY: []}
        for _ in range(ROUNDS):
            for address, found in rates.items():
                found.append(measure(address))
        ours, static, haproxy = (statistics.median(rates[each]) for each in (OURS, STATIC, HAPROXY))
        yield Result(what, ours, "1/s", "static nginx", static, f"{target} ×")
        yield Result(what, ours, "1/s", "HAProxy", haproxy)


def _rate(url: str, *, headers: tuple[str, ...] = (), script: str = "") -> float:
    load = wrk(url, connections=32, seconds=SECONDS, headers=headers, script=script)
    assert load.failed < 0.001, f"{url}: {load.failed:.1%} failed"
    return load.rate


async def _changes(api: Running) -> Iterator[Result]:
    client = Client(api.config)
    await client.create("services", service("moving", "bench"), "bench")
    current = await _slice(client, "moving", PODS[0], None)
    await client.create("ingresses.networking.k8s.io", _plain("moving"), "bench")
    delays = []
    with _keeping("moving.bench.test") as ask:
        _wait(lambda: ask() == PODS[0])
        for number in range(CHANGES):
            wanted = PODS[(number + 1) % 2]
            current = await _slice(client, "moving", wanted, current)
            began = time.perf_counter()
            _wait(lambda: ask() == wanted)  # noqa: B023  # at once
            delays.append((time.perf_counter() - began) * 1000)
            await asyncio.sleep(0.005)
    results = [Result("endpoint changed → served, p99", _p99(delays), "ms", target="≤ 10")]
    results.append(Result("endpoint changed → served, median", statistics.median(delays), "ms"))
    delays, old = [], []
    made = [certificate(f"new{number}.bench.test") for number in range(CHANGES)]
    for number in range(CHANGES):
        name = f"new{number}"
        await client.create("secrets", tls_secret(name, made[number], "bench"), "bench")
        obj = ingress(
            name, {f"{name}.bench.test": [path("pods")]}, tls={name: [f"{name}.bench.test"]}, namespace="bench"
        )
        await client.create("ingresses.networking.k8s.io", obj, "bench")
        began = time.perf_counter()
        shown = ssl.PEM_cert_to_DER_cert(made[number][0].decode())
        _wait(lambda: _shown(f"{name}.bench.test") == (shown, 200))  # noqa: B023
        delays.append((time.perf_counter() - began) * 1000)
        began = time.perf_counter()
        _shown(host(number % HOSTS))
        old.append((time.perf_counter() - began) * 1000)
    peer = "a request to an old host"
    results.append(
        Result(f"new host with certificate among {HOSTS:,}, p99", _p99(delays), "ms", peer, _p99(old), "≤ 15")
    )
    middle, peer_middle = statistics.median(delays), statistics.median(old)
    results.append(Result("new host with certificate → served, median", middle, "ms", peer, peer_middle))
    await client.close()
    return iter(results)


async def _under_load(api: Running) -> Iterator[Result]:
    """Requests and websockets that go on while endpoints, hosts and certificates change."""
    client = Client(api.config)
    server = await _websocket_pod()
    await client.create("services", service("ws", "bench", target=9100), "bench")
    await client.create("endpointslices.discovery.k8s.io", endpoint_slice("ws", [PODS[1]], "bench", port=9100), "bench")
    await client.create("ingresses.networking.k8s.io", _plain("ws"), "bench")
    await asyncio.sleep(1)
    sockets = [await _open_websocket() for _ in range(WEBSOCKETS)]
    stop, counts = threading.Event(), [0, 0]
    threads = [threading.Thread(target=_ask_on, args=(stop, counts)) for _ in range(4)]
    for thread in threads:
        thread.start()
    current = await client.get("endpointslices.discovery.k8s.io", "moving-1", "bench", type=dict)
    pair = certificate("moving.bench.test")
    for number in range(UNDER_LOAD):
        match number % 3:
            case 0:
                current = await _slice(client, "moving", PODS[number % 2], current)
            case 1:
                await client.create("ingresses.networking.k8s.io", _plain(f"more{number}"), "bench")
            case 2:
                await client.create("secrets", tls_secret(f"more{number}", pair, "bench"), "bench")
        if number % 10 == 0:
            await asyncio.sleep(0.001)
    lost = 0
    for reader, writer in sockets:
        writer.write(b"still there")
        try:
            async with asyncio.timeout(5):
                lost += await reader.readexactly(11) != b"still there"
        except (OSError, asyncio.IncompleteReadError, TimeoutError):
            lost += 1
    for _, writer in sockets:
        writer.close()
    server.close()
    await asyncio.sleep(0.2)
    stop.set()
    for thread in threads:
        thread.join()
    await client.close()
    return iter(
        [
            Result(f"requests failed of {counts[0]:,} through {UNDER_LOAD:,} changes", counts[1], "", target="0"),
            Result(f"websockets lost of {WEBSOCKETS} through {UNDER_LOAD:,} changes", lost, "", target="0"),
        ]
    )


def _restart(api: Running, folder: Path) -> Iterator[Result]:
    """The controller was killed, and starts again: from the snapshot, then from the API."""
    with _controller(api, folder):
        began = time.monotonic()
        _until_served()
        yield Result(f"restart → first answer, {HOSTS:,} hosts", time.monotonic() - began, "s", target="≤ 3")
        _wait(_healthy, 60)
        yield Result(f"restart → all of the API read, {HOSTS:,} hosts", time.monotonic() - began, "s", target="≤ 3")


async def _fill(api: Running, pairs: list[tuple[bytes, bytes]]) -> None:
    client = Client(api.config)
    await client.create("namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "bench"}})
    settings = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings", "namespace": "bench"}}
    await client.create("configmaps", {**settings, "data": {"disable-access-log": "true"}}, "bench")
    await client.create("services", service("pods", "bench"), "bench")
    await client.create(
        "endpointslices.discovery.k8s.io", endpoint_slice("pods", list(PODS), "bench", port=POD_PORT), "bench"
    )

    async def one(number: int) -> None:
        name = f"h{number}"
        await client.create("secrets", tls_secret(name, pairs[number % len(pairs)], "bench"), "bench")
        annotations = {"ssl-redirect": "false"}
        obj = ingress(
            name, {host(number): [path("pods")]}, tls={name: [host(number)]}, annotations=annotations, namespace="bench"
        )
        await client.create("ingresses.networking.k8s.io", obj, "bench")

    for first in range(0, HOSTS, 50):
        await asyncio.gather(*(one(number) for number in range(first, min(first + 50, HOSTS))))
    await client.close()


async def _slice(client: Client, name: str, pod: str, current: Json | None) -> Json:
    made = endpoint_slice(name, [pod], "bench", port=POD_PORT)
    if current is None:
        return await client.create("endpointslices.discovery.k8s.io", made, "bench")
    made["metadata"]["resourceVersion"] = current["metadata"]["resourceVersion"]
    return await client.update("endpointslices.discovery.k8s.io", made)


def _plain(name: str) -> Json:
    return ingress(name, {f"{name}.bench.test": [path(name)]}, namespace="bench")


@contextmanager
def _controller(api: Running, folder: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """`fairlead ingress` as in any cluster, by a kubeconfig; killed at the end, so that only its snapshot is left."""
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(f"""\
apiVersion: v1
kind: Config
current-context: c
contexts: [{{name: c, context: {{cluster: c, user: u}}}}]
clusters: [{{name: c, cluster: {{server: "{api.url}", certificate-authority: "{api.config.ca!s}"}}}}]
users: [{{name: u, user: {{token: "{api.token}"}}}}]
""")
    command = [sys.executable, "-m", "fairlead", "ingress", f"--kubeconfig={kubeconfig}", f"--listen={OURS}"]
    command += [f"--run-dir={folder / 'run'}", f"--workers={WORKERS}", "--publish-status-address=192.0.2.1"]
    command += ["--configmap=bench/settings"]
    with (folder / "controller.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            yield process
        finally:
            for pid in reversed(family(process.pid)):
                os.kill(pid, signal.SIGKILL)
            process.wait(10)


def _until_served() -> None:
    _wait(lambda: _status(host(HOSTS - 1)) == 200, 120)


def _until_quiet(controller: int) -> None:
    """Until every Ingress has its address and its events, which are written after it is served."""

    def used() -> int:
        fields = Path(f"/proc/{controller}/stat").read_text().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])  # clock ticks: utime, stime (proc(5))

    before = -1
    while (now := used()) - before > 2:
        before = now
        time.sleep(1)


def _healthy() -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", 10254, timeout=5)
    connection.request("GET", "/healthz")
    return connection.getresponse().status == 200


def _status(name: str) -> int:
    connection = http.client.HTTPConnection(OURS, timeout=5)
    connection.request("GET", "/", headers={"host": name})
    return connection.getresponse().status


@contextmanager
def _keeping(name: str) -> Iterator[Callable[[], str]]:
    connection = http.client.HTTPConnection(OURS, timeout=5)

    def ask() -> str:
        connection.request("GET", "/", headers={"host": name})
        return connection.getresponse().read().decode()

    yield ask
    connection.close()


def _shown(name: str) -> tuple[bytes, int]:
    """The certificate, and the status of a request."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with context.wrap_socket(socket.create_connection((OURS, 443), 5), server_hostname=name) as secure:
        secure.sendall(f"GET / HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
        status = int(secure.recv(4096).split(b" ")[1])
        return secure.getpeercert(binary_form=True) or b"", status


def _ask_on(stop: threading.Event, counts: list[int]) -> None:
    """One kept connection, to hosts at random; what is not 200 has failed."""
    connection = http.client.HTTPConnection(OURS, timeout=10)
    while not stop.is_set():
        name = random.choice((host(random.randrange(HOSTS)), "moving.bench.test"))
        try:
            connection.request("GET", "/", headers={"host": name})
            answer = connection.getresponse()
            answer.read()
            good = answer.status == 200
        except (OSError, http.client.HTTPException):
            good = False
            connection.close()
        counts[0] += 1
        counts[1] += not good
        time.sleep(0.001)


async def _websocket_pod() -> asyncio.Server:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
        while data := await reader.read(4096):
            writer.write(data)

    return await asyncio.start_server(serve, PODS[1], 9100)


async def _open_websocket() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection(OURS, 80)
    writer.write(b"GET / HTTP/1.1\r\nHost: ws.bench.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
    head = await reader.readuntil(b"\r\n\r\n")
    assert b" 101 " in head, head
    return reader, writer


def _wait(what: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            if what():
                return
        except (OSError, http.client.HTTPException):
            time.sleep(0.01)
        assert time.monotonic() < end, "it did not come"


def _p99(delays: list[float]) -> float:
    return sorted(delays)[int(len(delays) * 0.99)]
