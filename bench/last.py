"""A new connection to the last of very many Services, beside one straight to the pod with connection tracking on."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.dataplane import dialled, per_second
from bench.pods import cgroup, pods, proxying
from bench.result import Result

MANY = {"nftables": 30_000, "ebpf": 30_000, "iptables-legacy": 5_000, "iptables": 5_000}
TARGETS = {"nftables": "1.3"}
ROUNDS = 8


def run() -> Iterator[Result]:
    """What is direct is so in networks of their own: rules that are gone through one by one slow every packet down."""
    with tempfile.TemporaryDirectory() as name, cgroup(), pods(Path(name) / "plain") as plain:
        for mode, count in MANY.items():
            with pods(Path(name) / mode) as busy, proxying(mode, busy, count - 1):
                target = f"≤ {TARGETS[mode]} ×" if mode in TARGETS else ""
                direct, through = dialled(plain, busy)
                yield Result(f"{mode}: connect(2), last of {count} Services", through, "us", "direct", direct, target)
                peer, ratio = per_second(plain, busy, "/", ("Connection: close",), ROUNDS)
                yield Result("  new connections/s with a request each", peer * ratio, "1/s", "direct", peer)
