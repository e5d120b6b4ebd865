"""A LAN with a client, the device and three machines that have the load balancer's addresses as nodes' proxies do:
they answer to them and tell nobody on the link. All are network namespaces."""

import contextlib
import selectors
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from fairlead.host import namespaces, sysctl
from fairlead.services.model import Family

T = TypeVar("T")

NODES = {"a": ("192.0.2.11", "fd00::11"), "b": ("192.0.2.12", "fd00::12"), "c": ("192.0.2.13", "fd00::13")}
CLIENT, DEVICE = ("192.0.2.1", "fd00::1"), ("192.0.2.2", "fd00::2")
VIPS: dict[Family, str] = {"IPv4": "192.0.2.200", "IPv6": "fd00::200"}
PORT = 80
FAMILY = {"IPv4": socket.AF_INET, "IPv6": socket.AF_INET6}
QUIET = {"net.ipv4.conf.all.arp_ignore": "1", "net.ipv4.conf.all.arp_announce": "2"}
PATIENCE = 4.0


class Lan:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._servers: list[tuple[socket.socket, str]] = []
        self._stop, self._stopped = socket.socketpair()

    def path(self, role: str) -> Path:
        return self._folder / role / "net"

    def ip(self, role: str, *commands: str) -> None:
        command = ["nsenter", f"--net={self.path(role)}", "ip", "-batch", "-"]
        subprocess.run(command, input="\n".join(commands), text=True, check=True, timeout=10)

    def run(self, role: str, work: Callable[[], T]) -> T:
        return namespaces.run_in(self.path(role), work)

    def build(self) -> None:
        for role in ("lan", "client", "device", *NODES):
            namespaces.create(self._folder / role, ["net"])
            sysctl.write({"net.ipv6.conf.default.accept_dad": "0"}, self.path(role))  # else the first second is silent
            self.ip(role, "link set lo up")
        self.ip("lan", "link add br0 type bridge mcast_snooping 0", "link set br0 up")
        for role, addresses in {"client": CLIENT, "device": DEVICE, **NODES}.items():
            with self.path(role).open() as file:
                command = [
                    "nsenter",
                    f"--net={self.path('lan')}",
                    "ip",
                    "link",
                    "add",
                    f"to-{role}",
                    "type",
                    "veth",
                    "peer",
                ]
                command += ["name", "eth0", "netns", f"/proc/self/fd/{file.fileno()}"]
                subprocess.run(command, check=True, timeout=10, pass_fds=[file.fileno()])
            self.ip("lan", f"link set to-{role} master br0", f"link set to-{role} up")
            self.ip(role, "link set eth0 up", f"addr add {addresses[0]}/24 dev eth0")
            self.ip(role, f"addr add {addresses[1]}/64 dev eth0 nodad")
        for node in NODES:
            sysctl.write(QUIET, self.path(node))
            self.ip(node, f"addr add {VIPS['IPv4']}/32 dev lo", f"addr add {VIPS['IPv6']}/128 dev lo nodad")
            self.run(node, lambda: self._listen(node))  # noqa: B023  # run at once
        threading.Thread(target=self._serve, daemon=True).start()

    def destroy(self) -> None:
        self._stop.close()
        for server, _ in self._servers:
            server.close()
        for role in ("lan", "client", "device", *NODES):
            namespaces.remove(self._folder / role)

    def ask(self, destination: str, protocol: str = "TCP", *, size: int = 1, seconds: float = PATIENCE) -> str:
        """Which node answers a new connection, and whom it saw: "a 192.0.2.1"."""

        def attempt() -> str:
            kind = socket.SOCK_STREAM if protocol == "TCP" else socket.SOCK_DGRAM
            with socket.socket(_family(destination), kind) as asking:
                asking.settimeout(seconds)
                asking.connect((destination, PORT))
                asking.send(b"?" * size)
                return asking.recv(100).decode()

        return self.run("client", attempt)

    def asked(self, destination: str, times: int, protocol: str = "TCP") -> set[str]:
        """Which nodes answered."""
        return {self.ask(destination, protocol).split()[0] for _ in range(times)}

    def open(self, destination: str) -> socket.socket:
        """A connection that stays."""
        return self.run("client", lambda: socket.create_connection((destination, PORT), timeout=PATIENCE))

    def _listen(self, node: str) -> None:
        for family, address in VIPS.items():
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                server = socket.socket(FAMILY[family], kind)
                server.bind((address, PORT))
                if kind == socket.SOCK_STREAM:
                    server.listen(100)
                self._servers.append((server, node))

    def _serve(self) -> None:
        selector = selectors.DefaultSelector()
        selector.register(self._stopped, selectors.EVENT_READ)
        for server, node in self._servers:
            selector.register(server, selectors.EVENT_READ, node)
        while True:
            for key, _ in selector.select():
                if key.data is None:
                    return
                with contextlib.suppress(OSError):
                    self._answer(selector, key.fileobj, key.data)  # type: ignore[arg-type]

    def _answer(self, selector: selectors.BaseSelector, ready: socket.socket, node: str) -> None:
        """A connection is answered as often as it asks."""
        if ready.type == socket.SOCK_DGRAM:
            _, peer = ready.recvfrom(65536)
            ready.sendto(f"{node} {peer[0]}".encode(), peer)
        elif ready.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            connection, _ = ready.accept()
            selector.register(connection, selectors.EVENT_READ, node)
        elif ready.recv(65536):
            ready.send(f"{node} {ready.getpeername()[0]}".encode())
        else:
            selector.unregister(ready)
            ready.close()


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


@contextlib.contextmanager
def lan(folder: Path) -> Iterator[Lan]:
    built = Lan(folder)
    built.build()
    try:
        yield built
    finally:
        built.destroy()
