"""One node's proxy with many Services: what it holds and uses at rest, and how it comes back when it is killed."""

import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import uvloop

from bench.cluster import NAME, Cluster, cluster
from bench.filling import await_rules, fill
from bench.result import Result
from fairlead.cluster.enter import in_network
from fairlead.cluster.layout import Layout

AT_REST, FULL = 5_000, 10_000
IDLE_SECONDS = 30.0
TICKS = os.sysconf("SC_CLK_TCK")


def run() -> Iterator[Result]:
    with cluster() as running:
        empty = _proxy(running)["pss"] / 1e6
        uvloop.run(fill(running.config, range(AT_REST)))
        await_rules(running, AT_REST - 1)
        time.sleep(5)
        proxy = _proxy(running)
        yield Result(
            f"a proxy's memory, {AT_REST} Services × 5", proxy["pss"] / 1e6, "MB", "without any", empty, "≤ 80"
        )
        before = _cpu(proxy["pid"])
        time.sleep(IDLE_SECONDS)
        yield Result(f"  its CPU in {IDLE_SECONDS:.0f} idle seconds", _cpu(proxy["pid"]) - before, "s", target="≤ 0.1")
        uvloop.run(fill(running.config, range(AT_REST, FULL)))
        await_rules(running, FULL - 1)
        yield Result(f"from kill -9 to all rules, {FULL} Services × 5", _restart(running), "s", target="≤ 1.5")


def _proxy(running: Cluster) -> dict[str, int]:
    """The largest of the nodes' proxies, by its share of memory."""
    found = [each for each in running.status()["processes"] if "proxy" in each["name"]]
    return max(found, key=lambda each: int(each["pss"]))


def _cpu(pid: int) -> float:
    """Seconds of user and system time (proc(5), stat)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def _restart(running: Cluster) -> float:
    """Seconds until the new process says that it is healthy, on the node of the proxy that was killed."""
    proxies = [each for each in running.status()["processes"] if "proxy" in each["name"]]
    os.kill(proxies[-1]["pid"], signal.SIGKILL)
    began = time.monotonic()
    time.sleep(0.05)
    while time.monotonic() < began + 60:
        healthy = [_is_healthy(node) for node in running.nodes]
        if all(healthy):
            return time.monotonic() - began
        time.sleep(0.02)
    raise TimeoutError("the proxy does not come back")


def _is_healthy(node: str) -> bool:
    """Asked from here: a command in the node's network would take longer than what is measured."""
    try:
        with in_network(Layout(NAME), node, lambda: socket.create_connection(("127.0.0.1", 10256), 1)) as connection:
            connection.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
            return connection.recv(1024).split(b" ")[1:2] == [b"200"]
    except OSError:
        return False
