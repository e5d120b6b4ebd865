"""A node with a client's and a server's pod as network namespaces, nginx as the server, a mode of the proxy at work."""

import asyncio
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import Event, Process
from multiprocessing.synchronize import Event as ProcessEvent
from pathlib import Path

import uvloop

from bench.proxy import service
from fairlead.host import cgroup2, libc, namespaces, sysctl
from fairlead.host.iptables import Iptables
from fairlead.host.iptables_nft import open_tables
from fairlead.proxy.mode import Mode, Node
from fairlead.proxy.modes.ebpf import EbpfMode, Programs
from fairlead.proxy.modes.iptables import IptablesMode
from fairlead.proxy.modes.nftables import nftables
from fairlead.proxy.modes.userspace import userspace
from fairlead.services.model import Endpoint, ServicePort, ServicePortName

NODE = Node("node1", "10.244.0.0/16", "10.96.0.0/12", "10.244.1.1")
CLIENT, SERVER, VIP = "10.244.1.2", "10.244.1.3", "10.97.97.97"
LARGE = 4 << 20  # bytes of the file that the server has
MAKE: dict[str, Callable[[], Mode]] = {
    "ebpf": lambda: EbpfMode(Programs(cgroup2.of_node(), "IPv4"), nftables(NODE), NODE),
    "nftables": lambda: nftables(NODE),
    "iptables": lambda: IptablesMode(open_tables(), NODE),
    "iptables-legacy": lambda: IptablesMode(Iptables("iptables-legacy"), NODE),
    "userspace": lambda: userspace(NODE),
}
NGINX = """
daemon off; master_process off; worker_processes 1; error_log {folder}/error.log crit; pid {folder}/nginx.pid;
events {{ worker_connections 4096; }}
http {{ access_log off; keepalive_requests 1000000; sendfile on;
       client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
       uwsgi_temp_path {folder}; scgi_temp_path {folder};
       server {{ listen 80 backlog=4096; root {folder}; location = / {{ return 200 "ok"; }} }} }}
"""


@contextmanager
def cgroup() -> Iterator[None]:
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
def pods(folder: Path) -> Iterator[Path]:
    """Its networks are node/net, client/net and server/net in the folder."""
    folder.mkdir(exist_ok=True)
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
def proxying(mode: str, folder: Path, others: int = 0) -> Iterator[None]:
    """The mode at work in the node's network, in a process of its own; with `others` Services before the one at VIP."""
    ready, over = Event(), Event()
    process = Process(target=_proxy, args=(mode, folder / "node/net", others, ready, over))
    process.start()
    try:
        assert ready.wait(120)
        yield
    finally:
        over.set()
        process.join(10)
        process.kill()


def _proxy(mode: str, namespace: Path, others: int, ready: ProcessEvent, over: ProcessEvent) -> None:
    descriptor = os.open(namespace, os.O_RDONLY)
    libc.setns(descriptor, libc.CLONE_NEWNET)

    async def work() -> None:
        made = MAKE[mode]()
        endpoints = (Endpoint(SERVER, 80, node="node1"),)
        last = ServicePort(ServicePortName("bench", "web", "", "TCP"), VIP, 80, endpoints=endpoints)
        made.apply({**dict(service(number, 0) for number in range(others)), "bench/web": (last,)})
        ready.set()
        await asyncio.to_thread(over.wait)
        made.clean_up()

    uvloop.run(work())


def _enter(folder: Path) -> list[str]:
    return ["nsenter", f"--net={folder / 'net'}", "--"]


def _ip(folder: Path, *commands: str) -> None:
    subprocess.run([*_enter(folder), "ip", "-batch", "-"], input="\n".join(commands), text=True, check=True)
