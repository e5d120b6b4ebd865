"""Traffic through a Service in each mode, beside the same traffic straight to the pod with connection tracking on.

A node with a client's and a server's pod as network namespaces, nginx as the server, wrk as the client. Direct and
through the Service are measured in turn, each first as often as second, and what counts is the median of the rounds'
ratios: what else the machine does meanwhile changes both sides of most rounds.
"""

import asyncio
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import Event, Process
from multiprocessing.synchronize import Event as ProcessEvent
from pathlib import Path
from statistics import median

import uvloop

from bench.load import wrk
from bench.result import Result
from fairlead.host import cgroup2, libc, namespaces, sysctl
from fairlead.host.iptables_nft import open_tables
from fairlead.host.nft import Nft
from fairlead.proxy.mode import Mode, Node
from fairlead.proxy.modes.ebpf import EbpfMode, Programs
from fairlead.proxy.modes.iptables import IptablesMode
from fairlead.proxy.modes.nftables import nftables
from fairlead.proxy.modes.userspace import UserspaceMode
from fairlead.services.model import Endpoint, ServicePort, ServicePortName

NODE = Node("node1", "10.244.0.0/16", "10.96.0.0/12", "10.244.1.1")
CLIENT, SERVER, VIP = "10.244.1.2", "10.244.1.3", "10.97.97.97"
ROUNDS, SECONDS = 8, 1
LARGE, DIALS = 4 << 20, 3000
TARGETS = {
    "ebpf": ("0.97", "0.97", "0.98"),
    "nftables": ("0.95", "0.93", "0.95"),
    "iptables": ("", "", ""),
    "userspace": ("0.45", "0.55", "0.6"),
}
MAKE: dict[str, Callable[[], Mode]] = {
    "ebpf": lambda: EbpfMode(Programs(cgroup2.of_node(), "IPv4"), nftables(NODE), NODE),
    "nftables": lambda: nftables(NODE),
    "iptables": lambda: IptablesMode(open_tables(), NODE),
    "userspace": lambda: UserspaceMode(Nft(), NODE),
}
NGINX = """
daemon off; master_process off; worker_processes 1; error_log {folder}/error.log crit; pid {folder}/nginx.pid;
events {{ worker_connections 4096; }}
http {{ access_log off; keepalive_requests 1000000; sendfile on;
       client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
       uwsgi_temp_path {folder}; scgi_temp_path {folder};
       server {{ listen 80 backlog=4096; root {folder}; location = / {{ return 200 "ok"; }} }} }}
"""


def run() -> Iterator[Result]:
    with tempfile.TemporaryDirectory() as name, _cgroup(), _pods(Path(name)) as folder:
        for mode in MAKE:
            with _proxying(mode, folder):
                yield from _compare(mode, folder)
                if mode == "ebpf":
                    yield _dialling(folder)


def _dialling(folder: Path) -> Result:
    """connect(2) alone, one after the other: what the programs take, without all else that a request costs."""

    def dial(address: str) -> float:
        began = time.perf_counter()
        with socket.create_connection((address, 80), timeout=5):
            return (time.perf_counter() - began) * 1e6

    pairs = namespaces.run_in(folder / "client/net", lambda: [(dial(SERVER), dial(VIP)) for _ in range(DIALS)])
    direct, through = (median(each) for each in zip(*pairs, strict=True))
    return Result("ebpf: connect(2) to a Service", through, "us", "to the pod", direct)


def _compare(mode: str, folder: Path) -> Iterator[Result]:
    kinds = (
        ("requests/s, connections kept", "/", (), 1.0, "1/s"),
        ("new connections/s", "/", ("Connection: close",), 1.0, "1/s"),
        ("Gbit/s", "/large", (), LARGE * 8 / 1e9, "Gbit/s"),
    )
    for (what, path, headers, factor, unit), target in zip(kinds, TARGETS[mode], strict=True):
        direct, ratios = [], []
        for number in range(ROUNDS):
            rates = {}
            for address in (SERVER, VIP) if number % 2 else (VIP, SERVER):
                rates[address] = _load(folder, f"http://{address}{path}", headers) * factor
            direct.append(rates[SERVER])
            ratios.append(rates[VIP] / rates[SERVER])
        peer = median(direct)
        wanted = f"≥ {target} ×" if target else ""
        yield Result(f"{mode}: {what}", peer * median(ratios), unit, "direct", peer, wanted)


def _load(folder: Path, url: str, headers: tuple[str, ...]) -> float:
    connections = 4 if url.endswith("/large") else 16
    measure = lambda: wrk(url, connections=connections, seconds=SECONDS, headers=headers).rate  # noqa: E731
    return namespaces.run_in(folder / "client/net", measure)


@contextmanager
def _cgroup() -> Iterator[None]:
    """This process and its children are the node's: what they dial, its programs see."""
    root = cgroup2.mounted()
    if root is None:
        raise RuntimeError("cgroup2 is not mounted here")
    before, folder = root / cgroup2.own().lstrip("/"), root / f"bench-{os.getpid()}-{time.time_ns()}{cgroup2.NODE}"
    folder.mkdir()
    cgroup2.join(folder)
    try:
        yield
    finally:
        cgroup2.join(before)
        cgroup2.remove(folder)


@contextmanager
def _pods(folder: Path) -> Iterator[Path]:
    for role in ("node", "client", "server"):
        namespaces.create(folder / role, ["net"])
        _ip(folder / role, "link set lo up")
    for role, address in (("client", CLIENT), ("server", SERVER)):
        with (folder / role / "net").open() as file:
            command = [*_enter(folder / "node"), "ip", "link", "add", role, "type", "veth", "peer", "name", "eth0"]
            subprocess.run([*command, "netns", f"/proc/self/fd/{file.fileno()}"], check=True, pass_fds=[file.fileno()])
        _ip(
            folder / "node",
            f"link set {role} up",
            f"addr add {NODE.address}/32 dev {role}",
            f"route add {address} dev {role}",
        )
        _ip(
            folder / role,
            "link set eth0 up",
            f"addr add {address}/32 dev eth0",
            f"route add {NODE.address} dev eth0",
            f"route add default via {NODE.address}",
        )
    sysctl.write({"net.ipv4.ip_forward": "1"}, folder / "node/net")
    track = "table ip track { chain forward { type filter hook forward priority 0; ct state new accept; }; }"
    subprocess.run([*_enter(folder / "node"), "nft", track], check=True)
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder))
    with (folder / "large").open("wb") as file:
        file.truncate(LARGE)
    folder.chmod(0o755)
    server = subprocess.Popen([*_enter(folder / "server"), "nginx", "-c", str(folder / "nginx.conf")])
    try:
        time.sleep(0.5)
        yield folder
    finally:
        server.kill()
        server.wait()
        for role in ("node", "client", "server"):
            namespaces.remove(folder / role)


@contextmanager
def _proxying(mode: str, folder: Path) -> Iterator[None]:
    """The mode at work in the node's network, in a process of its own."""
    ready, over = Event(), Event()
    process = Process(target=_proxy, args=(mode, folder / "node/net", ready, over))
    process.start()
    try:
        assert ready.wait(10)
        yield
    finally:
        over.set()
        process.join(10)
        process.kill()


def _proxy(mode: str, namespace: Path, ready: ProcessEvent, over: ProcessEvent) -> None:
    descriptor = os.open(namespace, os.O_RDONLY)
    libc.setns(descriptor, libc.CLONE_NEWNET)

    async def work() -> None:
        made = MAKE[mode]()
        endpoints = (Endpoint(SERVER, 80, node="node1"),)
        made.apply(
            {"bench/web": (ServicePort(ServicePortName("bench", "web", "", "TCP"), VIP, 80, endpoints=endpoints),)}
        )
        ready.set()
        await asyncio.to_thread(over.wait)
        made.clean_up()

    uvloop.run(work())


def _enter(folder: Path) -> list[str]:
    return ["nsenter", f"--net={folder / 'net'}", "--"]


def _ip(folder: Path, *commands: str) -> None:
    subprocess.run([*_enter(folder), "ip", "-batch", "-"], input="\n".join(commands), text=True, check=True)
