"""A pod's network, from nothing to a packet that can go, beside the same steps by ip(8), as CNI plugins take them."""

import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from bench.result import Result
from fairlead.host import namespaces
from fairlead.node.network import PodNetwork

ROUNDS = 100


def run() -> Iterator[Result]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        both, ours = _timed(*(partial(_by_netlink, folder, families) for families in (2, 1)))
        (peer,) = _timed(_by_ip, rounds=20)
    dual, one = both[len(both) // 2] * 1e3, ours[len(ours) // 2] * 1e3
    yield Result("a pod's network of both families, median", dual, "ms", "of IPv4 alone", one, "< 5")
    yield Result(
        "a pod's network, median", ours[len(ours) // 2] * 1e3, "ms", "by ip(8)", peer[len(peer) // 2] * 1e3, "< 5"
    )
    yield Result("  p99", ours[int(len(ours) * 0.99)] * 1e3, "ms", "by ip(8)", peer[int(len(peer) * 0.99)] * 1e3)


def _timed(*works: Callable[[int], Callable[[], None]], rounds: int = ROUNDS) -> list[list[float]]:
    """Sorted seconds of each, in turn; a work returns what takes away again what it made."""
    took: list[list[float]] = [[] for _ in works]
    for number in range(rounds):
        for work, seconds in zip(works, took, strict=True):
            began = time.perf_counter()
            undo = work(number)
            seconds.append(time.perf_counter() - began)
            undo()
    return [sorted(seconds) for seconds in took]


def _by_netlink(folder: Path, families: int, number: int) -> Callable[[], None]:
    sandbox = f"bench{number}"
    addresses = [f"10.244.1.{number + 2}", f"fd00:10:244:1::{number + 2:x}"][:families]
    pods = PodNetwork()
    namespaces.create(folder / sandbox, ("net", "uts", "ipc"))
    pods.set_up(sandbox, folder / sandbox / "net", addresses)

    def undo() -> None:
        pods.tear_down(sandbox)
        namespaces.remove(folder / sandbox)

    return undo


def _by_ip(number: int) -> Callable[[], None]:
    pod, address = f"bench{number}", f"10.244.1.{number + 2}"
    for command in (
        f"ip netns add {pod}",
        f"ip link add veth{number} type veth peer name eth0 netns {pod}",
        f"ip link set veth{number} up",
        f"ip -n {pod} link set lo up",
        f"ip -n {pod} link set eth0 up",
        f"ip -n {pod} addr add {address}/32 dev eth0",
        f"ip -n {pod} route add 169.254.1.1/32 dev eth0",
        f"ip -n {pod} route add default via 169.254.1.1",
        f"ip route add {address}/32 dev veth{number}",
    ):
        subprocess.run(command.split(), check=True)

    def undo() -> None:
        subprocess.run(["ip", "netns", "del", pod], check=True)
        subprocess.run(["ip", "link", "del", f"veth{number}"], check=False, stderr=subprocess.DEVNULL)

    return undo
