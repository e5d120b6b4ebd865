"""Traffic through a Service in each mode, beside the same traffic straight to the pod with connection tracking on.

Nodes alike, each with a client's and a server's pod as network namespaces, nginx as the server, wrk as the client: one
for what is direct and one for each mode, for a client that reaches a server by two addresses meets its own TIME_WAIT
there: TCP's time stamps go by the pair of addresses, so a SYN may seem old, is lost, and comes again a second later
(RFC 7323, 5.3). Direct and through the Service are measured in turn, each first as often as second, and what counts is
the median of the rounds' ratios: what else the machine does meanwhile changes both sides of most rounds.
"""

import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from bench.load import wrk
from bench.pods import LARGE, SERVER, VIP, cgroup, pods, proxying
from bench.result import Result
from fairlead.host import namespaces

ROUNDS, SECONDS = 8, 1
DIALS, TURNS = 3000, 30
TARGETS = {
    "ebpf": ("0.97", "0.97", "0.98"),
    "nftables": ("0.95", "0.93", "0.95"),
    "iptables": ("", "", ""),
    "userspace": ("0.45", "0.55", "0.6"),
}


def run() -> Iterator[Result]:
    with tempfile.TemporaryDirectory() as name, cgroup(), pods(Path(name) / "plain") as plain:
        for mode in TARGETS:
            with pods(Path(name) / mode) as folder, proxying(mode, folder):
                yield from _compare(mode, plain, folder)
                if mode == "ebpf":
                    yield _dialling(plain, folder)


def _dialling(plain: Path, folder: Path) -> Result:
    direct, through = dialled(plain, folder)
    return Result("ebpf: connect(2) to a Service", through, "us", "to the pod", direct)


def dialled(plain: Path, folder: Path) -> tuple[float, float]:
    """connect(2) alone, one after the other, in µs: to the pod in `plain`, and to the Service in `folder`. What a mode
    takes, without all else that a request costs."""

    def dial(address: str) -> float:
        began = time.perf_counter()
        with socket.create_connection((address, 80), timeout=5):
            return (time.perf_counter() - began) * 1e6

    def some(where: Path, address: str) -> list[float]:
        return namespaces.run_in(where / "client/net", lambda: [dial(address) for _ in range(DIALS // TURNS)])

    pairs = [(some(plain, SERVER), some(folder, VIP)) for _ in range(TURNS)]
    direct, through = (median(each for turn in side for each in turn) for side in zip(*pairs, strict=True))
    return direct, through


def _compare(mode: str, plain: Path, folder: Path) -> Iterator[Result]:
    kinds = (
        ("requests/s, connections kept", "/", (), 1.0, "1/s"),
        ("new connections/s", "/", ("Connection: close",), 1.0, "1/s"),
        ("Gbit/s", "/large", (), LARGE * 8 / 1e9, "Gbit/s"),
    )
    for (what, path, headers, factor, unit), target in zip(kinds, TARGETS[mode], strict=True):
        peer, ratio = per_second(plain, folder, path, headers, ROUNDS)
        wanted = f"≥ {target} ×" if target else ""
        yield Result(f"{mode}: {what}", peer * factor * ratio, unit, "direct", peer * factor, wanted)


def per_second(plain: Path, folder: Path, path: str, headers: tuple[str, ...], rounds: int) -> tuple[float, float]:
    """Answers a second straight from the pod in `plain`, and the median of the rounds' ratios: through the Service in
    `folder` to direct."""
    direct, ratios = [], []
    for number in range(rounds):
        rates = {}
        for address in (SERVER, VIP) if number % 2 else (VIP, SERVER):
            rates[address] = _load(plain if address == SERVER else folder, f"http://{address}{path}", headers)
        direct.append(rates[SERVER])
        ratios.append(rates[VIP] / rates[SERVER])
    return median(direct), median(ratios)


def _load(folder: Path, url: str, headers: tuple[str, ...]) -> float:
    connections = 4 if url.endswith("/large") else 16
    measure = lambda: wrk(url, connections=connections, seconds=SECONDS, headers=headers).rate  # noqa: E731
    return namespaces.run_in(folder / "client/net", measure)
