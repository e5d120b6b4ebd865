"""Requests that go on while something dies, each a connection of its own, and when it is that they may fail."""

import json
import sys
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Self

from tests.e2e.machine import Machine

SCTP = Path(__file__).with_name("sctp.py")
DEAF = """table netdev deaf { chain ingress { type filter hook ingress device "eth0" priority -10; policy drop; }; }"""
WINDOW = 2.0  # seconds in which requests may fail when something has died
_AGAIN_AND_AGAIN = """
import json, os.path, socket, sys, time
address, end = sys.argv[1:]
family = socket.AF_INET6 if ":" in address else socket.AF_INET
def answered():
    with socket.socket(family, socket.SOCK_{kind}) as asking:
        asking.settimeout(0.9)
        asking.connect((address, {port}))
        asking.send({question})
        return asking.recv(100).startswith({answer})
found = []
while not os.path.exists(end):
    began = time.monotonic()
    try:
        well = answered()
    except OSError:
        well = False
    found.append((began, well))
    time.sleep(0.01)
print(json.dumps(found))
"""
# Connections that stay: how many there are, and after each line that it reads, how many answer.
_KEPT = """
import socket, sys
kept = [socket.create_connection((sys.argv[1], 80), timeout=2) for _ in range(int(sys.argv[2]))]
def answers(connection):
    try:
        connection.sendall(b"HEAD / HTTP/1.1\\r\\nHost: kept\\r\\n\\r\\n")
        return connection.recv(10000).startswith(b"HTTP/1.1 200 ")
    except OSError:
        return False
print(len(kept), flush=True)
for _ in sys.stdin:
    print(sum(map(answers, kept)), flush=True)
"""
_QUERY = b"\0\7\1\0\0\1\0\0\0\0\0\0\nkubernetes\7default\3svc\7cluster\5local\0\0\1\0\1"  # RFC 1035, 4.1
HTTP = _AGAIN_AND_AGAIN.format(kind="STREAM", port=80, question=b"GET / HTTP/1.0\r\n\r\n", answer=b"HTTP/1.1 200 ")
DNS = _AGAIN_AND_AGAIN.format(kind="DGRAM", port=53, question=_QUERY, answer=_QUERY[:2])
Asked = list[tuple[float, bool]]  # when each began, and whether it was answered


def url(address: str) -> str:
    return f"http://[{address}]" if ":" in address else f"http://{address}"


def all_answer(machine: Machine, *addresses: str) -> None:
    for each in addresses:
        assert machine.run(["curl", "-sS", "--max-time", "1", url(each)]).code == 0


class Asking:
    """Goes on from `start` on until it is left; then `found` has what became of each kind of requests."""

    def __init__(self, machine: Machine) -> None:
        self.found: dict[str, Asked] = {}
        self._machine = machine
        self._pool = ThreadPoolExecutor()
        self._running: dict[str, Future[Asked]] = {}
        self._folder = tempfile.TemporaryDirectory()
        self._end = Path(self._folder.name) / "end"  # it is over when there is such a file

    def start(self, what: str, address: str, by: str = HTTP) -> None:
        self._start(what, ["-c", by, address])

    def start_sctp(self, what: str, address: str, port: int) -> None:
        self._start(what, [str(SCTP), address, str(port), "ask"])

    def _start(self, what: str, words: list[str]) -> None:
        def run() -> Asked:
            said: Asked = json.loads(self._machine.run([sys.executable, *words, str(self._end)]).ok().out)
            return said

        self._running[what] = self._pool.submit(run)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end.touch()
        self.found = {what: each.result() for what, each in self._running.items()}
        self._pool.shutdown()
        self._folder.cleanup()


def keep(pool: ThreadPoolExecutor, machine: Machine, address: str, number: int, seconds: float) -> "Future[list[int]]":
    """How many there are, how many of them answer, and how many after so long."""
    return _keep(pool, machine, ["-c", _KEPT, address, str(number)], seconds)


def keep_by_sctp(
    pool: ThreadPoolExecutor, machine: Machine, address: str, port: int, number: int, seconds: float
) -> "Future[list[int]]":
    return _keep(pool, machine, [str(SCTP), address, str(port), "keep", str(number)], seconds)


def _keep(pool: ThreadPoolExecutor, machine: Machine, words: list[str], seconds: float) -> "Future[list[int]]":
    def run() -> list[int]:
        pause = f"(echo; sleep {seconds}; echo)"
        command = ["sh", "-c", f'{pause} | "$@"', "keep", sys.executable, *words]
        return [int(line) for line in machine.run(command, seconds=seconds + 20).ok().out.split()]

    return pool.submit(run)


def kill_network(machine: Machine, node: str, seconds: float) -> tuple[float, float]:
    """A node hears nothing for so long. From when until when requests may fail."""
    began = time.monotonic()
    machine.on_node(node, "nft", DEAF).ok()
    ended = time.monotonic() + WINDOW
    time.sleep(seconds)
    machine.on_node(node, "nft", "delete table netdev deaf").ok()
    return began, ended


def lost(asked: Asked, spans: Iterable[tuple[float, float]]) -> list[float]:
    """Which were not answered, but for those that began in one of the spans of time."""
    allowed = list(spans)
    return [began for began, well in asked if not well and not any(start <= began <= end for start, end in allowed)]
