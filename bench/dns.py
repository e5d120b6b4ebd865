"""Cluster DNS beside Knot, which serves the same records: 10,000 Services, 100,000 endpoints, dnsperf as the client.

Both have one core and one process that answers; they are asked in turn, so that what changes on the machine meanwhile
changes both. Ours is fed by the real API server, keeps its metrics, and hears of 200 changes a second meanwhile. These
are made while Knot is asked too, which hears of none: the client has its core with the API server.
"""

import asyncio
import os
import random
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import Event, Process
from multiprocessing.synchronize import Event as ProcessEvent
from pathlib import Path
from typing import Any

import uvloop
import yaml

from bench.apiserver import Running, running
from bench.result import Result
from fairlead.client.config import Config
from fairlead.client.rest import Client

SERVICES, ENDPOINTS, NAMESPACES = 10_000, 10, 20
HEADLESS = 10  # every tenth
OURS, KNOT, STATUS = 15353, 15354, 15380
ROUNDS, SECONDS = 3, 3
CHANGES = 200  # a second
LATENCY_RATE = 20_000
SERVER_CORE, CLIENT_CORE = "0", "1"
COREFILE = f"""\
. {{
    kubernetes cluster.local in-addr.arpa ip6.arpa {{
        pods insecure
        ttl 30
    }}
    ready 127.0.0.1:{STATUS}
    prometheus 127.0.0.1:{STATUS}
    loadbalance
    transfer {{
        to 127.0.0.1
    }}
}}
"""
KNOT_CONFIGURATION = """\
server:
    listen: 127.0.0.1@{port}
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
    rundir: {folder}
database:
    storage: {folder}
log:
  - target: stderr
    any: error
zone:
  - domain: cluster.local
    file: {folder}/zone
    zonefile-load: whole
    zonefile-sync: -1
    journal-content: none
"""


@dataclass(frozen=True, slots=True)
class Load:
    """Answers a second, the server's microseconds of CPU for each, the mean latency in microseconds."""

    rate: float
    cost: float
    latency: float


def run() -> Iterator[Result]:
    with tempfile.TemporaryDirectory() as name, running() as api:
        folder = Path(name)
        uvloop.run(_create(api.config))
        with _ours(api, folder) as (supervisor, ready):
            yield Result("DNS: 10,000 Services, 100,000 endpoints: ready", ready, "s", target="< 3")
            pids = [supervisor, *_children(supervisor)]
            time.sleep(3)  # until what the lists took is given back
            memory = sum(_pss(pid) for pid in pids) / 1e6
            yield Result(f"DNS: memory of its {len(pids)} processes", memory, "MB PSS", target="< 120")
            yield from _changes_seen(api.config)
            worker = next(pid for pid in pids if "worker" in _name(pid))
            with _knot(folder) as knot:
                yield from _compare(folder, worker, knot, api.config)


def _compare(folder: Path, worker: int, knot: int, config: Config) -> Iterator[Result]:
    for what, mixed, target in (("mix", False, "1.0"), ("mix in random case", True, "0.6")):
        queries = folder / f"queries-{mixed}"
        queries.write_text(_queries(mixed=mixed))
        first, peer = _perf(queries, OURS, worker, once=True), _perf(queries, KNOT, knot, once=True)
        yield Result(f"DNS: {what}, asked the first time, CPU", first.cost, "µs", "Knot", peer.cost)
        ours, theirs = [], []
        with _changing(config):
            for _ in range(ROUNDS):
                theirs.append(_perf(queries, KNOT, knot))
                ours.append(_perf(queries, OURS, worker))
        rate, other = (statistics.median(each.rate for each in loads) for loads in (ours, theirs))
        yield Result(f"DNS: {what}, one core", rate, "1/s", "Knot", other, f"≥ {target} ×")
        cost, other = (statistics.median(each.cost for each in loads) for loads in (ours, theirs))
        yield Result(f"DNS: {what}, CPU for an answer", cost, "µs", "Knot", other, f"≤ {1 / float(target):.2f} ×")
    queries = folder / "queries-False"
    ours, theirs = [], []
    for _ in range(ROUNDS):
        theirs.append(_perf(queries, KNOT, knot, rate=LATENCY_RATE))
        ours.append(_perf(queries, OURS, worker, rate=LATENCY_RATE))
    value, other = (statistics.median(each.latency for each in loads) for loads in (ours, theirs))
    yield Result("DNS: latency at 20,000 q/s", value, "µs", "Knot", other, "≤ 1.2 ×")


def _perf(queries: Path, port: int, pid: int, *, rate: int = 0, once: bool = False) -> Load:
    command = ["taskset", "-c", CLIENT_CORE, "dnsperf", "-s", "127.0.0.1", "-p", str(port), "-d", str(queries)]
    command += [
        *(["-n", "1"] if once else ["-l", str(SECONDS)]),
        "-c",
        "8",
        "-T",
        "1",
        "-q",
        "200",
        *(["-Q", str(rate)] if rate else []),
    ]
    before = _cpu(pid)
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    spent = _cpu(pid) - before
    found = {
        what: float(re.search(rf"{what}[^:]*:\s+([\d.]+)", done.stdout)[1])  # type: ignore[index]
        for what in ("Queries completed", "Queries lost", "Queries per second", "Average Latency")
    }
    if found["Queries lost"] > found["Queries completed"] / 1000:
        raise RuntimeError(done.stdout)
    completed = found["Queries completed"]
    return Load(found["Queries per second"], spent / completed * 1e6, found["Average Latency"] * 1e6)


def _queries(*, mixed: bool) -> str:
    """Four of ten ask for an address, two for one of IPv6 that there is not, three are a search path's misses, one is
    for SRV."""
    chance = random.Random(1)
    lines = []
    for _ in range(50_000):
        number = chance.randrange(SERVICES)
        name = f"s{number}.n{number % NAMESPACES}.svc.cluster.local"
        kind = chance.randrange(10)
        if kind < 4:
            line = f"{name} A"
        elif kind < 6:
            line = f"{name} AAAA"
        elif kind < 9:
            line = f"{name}.n{chance.randrange(NAMESPACES)}.svc.cluster.local A"
        else:
            line = f"_http._tcp.{name} SRV"
        if mixed:
            asked, _, qtype = line.rpartition(" ")
            line = "".join(chance.choice((c.lower(), c.upper())) for c in asked) + f" {qtype}"
        lines.append(line)
    return "\n".join(lines) + "\n"


# What is served.


def _service(number: int) -> dict[str, Any]:
    spec: dict[str, Any] = {"ports": [{"name": "http", "port": 80, "protocol": "TCP"}]}
    if number % HEADLESS == 0:
        spec["clusterIP"] = "None"
    return {"metadata": {"name": f"s{number}"}, "spec": spec}


def _slice(number: int, turn: int = 0) -> dict[str, Any]:
    first = number * ENDPOINTS
    places = [first + each for each in range(ENDPOINTS)]
    addresses = [f"10.{244 + (place >> 16)}.{place >> 8 & 255}.{place & 255}" for place in places]
    endpoints = [{"addresses": [each]} for each in addresses[: ENDPOINTS - turn % 2]]
    return {
        "metadata": {
            "name": f"s{number}-x",
            "namespace": f"n{number % NAMESPACES}",
            "labels": {"kubernetes.io/service-name": f"s{number}"},
        },
        "addressType": "IPv4",
        "endpoints": endpoints,
        "ports": [{"name": "http", "port": 80, "protocol": "TCP"}],
    }


async def _create(config: Config) -> None:
    client = Client(config)
    for number in range(NAMESPACES):
        await client.create("namespaces", {"metadata": {"name": f"n{number}"}})
    numbers = iter(range(SERVICES))

    async def work() -> None:
        for number in numbers:
            namespace = f"n{number % NAMESPACES}"
            await client.create("services", _service(number), namespace)
            await client.create("endpointslices.discovery.k8s.io", _slice(number), namespace)

    await asyncio.gather(*(work() for _ in range(32)))
    await client.close()


@contextmanager
def _changing(config: Config) -> Iterator[None]:
    over = Event()
    process = Process(target=_change, args=(config, over))
    process.start()
    try:
        yield
    finally:
        over.set()
        process.join(10)
        process.kill()


def _change(config: Config, over: ProcessEvent) -> None:
    os.sched_setaffinity(0, {int(CLIENT_CORE)})

    async def work() -> None:
        client = Client(config)
        chance = random.Random()
        turn = 1
        while not over.is_set():
            began = time.monotonic()
            for _ in range(CHANGES // 10):
                await client.update("endpointslices.discovery.k8s.io", _slice(chance.randrange(SERVICES), turn))
            turn += 1
            await asyncio.sleep(max(0.0, 0.1 - (time.monotonic() - began)))

    uvloop.run(work())


def _changes_seen(config: Config) -> Iterator[Result]:
    """From the API's answer to a change until a question's answer shows it, asked without a pause."""
    delays, commits = uvloop.run(_measure_changes(config))
    for name, share in (("p50", 0.5), ("p99", 0.99)):
        value, peer = (sorted(each)[int(len(each) * share)] * 1e3 for each in (delays, commits))
        target = "< 5" if name == "p50" else ""
        yield Result(f"DNS: a changed endpoint is answered, {name}", value, "ms", "the API's commit", peer, target)


async def _measure_changes(config: Config) -> tuple[list[float], list[float]]:
    client = Client(config)
    delays, commits = [], []
    question = _packet("s10.n10.svc.cluster.local")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.connect(("127.0.0.1", OURS))
        asking.settimeout(1)

        def answers() -> int:
            asking.send(question)
            return int.from_bytes(asking.recv(4096)[6:8], "big")

        for turn in range(1, 201):
            wanted = ENDPOINTS - turn % 2
            began = time.monotonic()
            await client.update("endpointslices.discovery.k8s.io", _slice(10, turn))
            answered = time.monotonic()
            while answers() != wanted and time.monotonic() < answered + 2:
                pass
            commits.append(answered - began)
            delays.append(time.monotonic() - answered)
    await client.close()
    return delays, commits


def _packet(name: str) -> bytes:
    labels = b"".join(bytes([len(each)]) + each.encode() for each in name.split("."))
    return b"\0\1\1\0\0\1\0\0\0\0\0\0" + labels + b"\0\0\1\0\1"


# The servers.


@contextmanager
def _ours(api: Running, folder: Path) -> Iterator[tuple[int, float]]:
    """The supervisor's pid, and the seconds until it was ready."""
    user = {"client-certificate": api.config.certificate, "client-key": api.config.key}
    config = {
        "clusters": [{"name": "c", "cluster": {"server": api.url, "certificate-authority": api.config.ca}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "c",
    }
    (folder / "kubeconfig").write_text(yaml.safe_dump(config))
    (folder / "Corefile").write_text(COREFILE)
    command = [sys.executable, "-m", "fairlead", "dns", f"--kubeconfig={folder}/kubeconfig", f"--port={OURS}"]
    command += ["--listen=127.0.0.1", f"--conf={folder}/Corefile"]
    began = time.perf_counter()
    with (folder / "dns.log").open("w") as log, subprocess.Popen(command, stderr=log) as process:
        try:
            while not _is_ready():
                if time.perf_counter() > began + 60 or process.poll() is not None:
                    raise RuntimeError((folder / "dns.log").read_text())
                time.sleep(0.01)
            ready = time.perf_counter() - began
            for pid in _children(process.pid):
                core = SERVER_CORE if "worker" in _name(pid) else CLIENT_CORE
                os.sched_setaffinity(pid, {int(core)})
            yield process.pid, ready
        finally:
            process.terminate()
            process.wait(10)


def _is_ready() -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{STATUS}/ready", timeout=1) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@contextmanager
def _knot(folder: Path) -> Iterator[int]:
    """With our own zone, as we transfer it."""
    transfer = ["dig", "-p", str(OURS), "@127.0.0.1", "cluster.local", "AXFR", "+time=30", "+onesoa"]
    with (folder / "zone").open("w") as file:
        subprocess.run(transfer, stdout=file, check=True, timeout=120)
    (folder / "knot.conf").write_text(KNOT_CONFIGURATION.format(port=KNOT, folder=folder))
    knotd = shutil.which("knotd") or "/usr/sbin/knotd"
    with subprocess.Popen(["taskset", "-c", SERVER_CORE, knotd, "-c", str(folder / "knot.conf")]) as process:
        try:
            question = _packet("s1.n1.svc.cluster.local")
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
                asking.settimeout(0.2)
                asking.connect(("127.0.0.1", KNOT))
                for _ in range(100):
                    try:
                        asking.send(question)
                        if asking.recv(512)[7]:
                            break
                    except OSError:
                        time.sleep(0.1)
            yield process.pid
        finally:
            process.kill()


def _children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _name(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text().strip()


def _cpu(pid: int) -> float:
    """Seconds of all its threads, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _pss(pid: int) -> int:
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"^Pss:\s+(\d+)", text, re.MULTILINE)[1]) * 1024  # type: ignore[index]
