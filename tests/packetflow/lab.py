"""Two nodes with pods and a client outside, as network namespaces; servers that say who they are and whom they see."""

import contextlib
import json
import selectors
import socket
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Literal, TypeVar

from fairlead.host import namespaces, sysctl
from fairlead.host.conversation import Conversation, Request
from fairlead.services.model import FAMILIES, Family, family_of
from tests.packetflow.residents import Residents

T = TypeVar("T")

POD_CIDR, SERVICE_CIDR = "10.244.0.0/16", "10.96.0.0/12"
NODES = {"node1": "192.168.109.101", "node2": "192.168.109.102"}
CLIENT = "192.168.109.1"
EXTERNAL = "203.0.113.10"  # an address that is routed to node1 and that no interface has
# pod → (address, node); "idle" serves nothing
PODS = {
    "a": ("10.244.1.2", "node1"),
    "b": ("10.244.1.3", "node1"),
    "idle": ("10.244.1.9", "node1"),
    "c": ("10.244.2.2", "node2"),
    "d": ("10.244.2.3", "node2"),
}
ADDRESSES = {name: address for name, (address, _) in PODS.items()} | NODES | {"client": CLIENT}
PORTS = (80, 8080)
NETLINK_NETFILTER, FORGET_FLOWS = 12, 1 << 8 | 2  # ctnetlink's IPCTNL_MSG_CT_DELETE, of none in particular: of all
FORWARDING = {
    "net.ipv4.ip_forward": "1",
    "net.ipv4.conf.all.rp_filter": "0",
    "net.ipv4.conf.default.rp_filter": "0",
    "net.ipv4.conf.all.send_redirects": "0",
    "net.ipv4.icmp_ratelimit": "0",  # else only the first few refusals of UDP are told
    "net.ipv6.conf.all.forwarding": "1",
    "net.ipv6.icmp.ratelimit": "0",
}
GATEWAY = {"IPv4": ("169.254.1.1", 32), "IPv6": ("fe80::1", 64)}  # of every pod: its node
FAMILY = {"IPv4": socket.AF_INET, "IPv6": socket.AF_INET6}
IPPROTO_SCTP = 132


def _has_sctp() -> bool:
    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, IPPROTO_SCTP).close()
    except OSError:
        return False
    return True


NODAD = {"IPv4": "", "IPv6": " nodad"}  # nobody else has the address: it need not be asked for
KINDS = {"TCP": (socket.SOCK_STREAM, socket.IPPROTO_TCP), "UDP": (socket.SOCK_DGRAM, socket.IPPROTO_UDP)}
if _has_sctp():
    KINDS["SCTP"] = (socket.SOCK_STREAM, IPPROTO_SCTP)
SILENCE = 0.25  # seconds after which no answer means that there will be none
PATIENCE = 4.0  # seconds, where an answer must come; the first retry of TCP is after one


def in_family(text: str, family: Family) -> str:
    """An address or range of this lab, which are written as IPv4, in a family: 10.244.1.2 is fd00:10:244:1::2."""
    if family == "IPv4":
        return text
    address, slash, length = text.partition("/")
    one, two, three, four = address.split(".")
    if ip_address(address) in ip_network(SERVICE_CIDR):
        made = "fd00:10:96::" if slash else f"fd00:10:96::{three}{four}"
        return f"{made}/112" if slash else made
    made = f"fd00:{one}:{two}:{three}::{four}"
    return f"{made}/{112 + int(length) - 16 if int(length) > 24 else int(length) * 2 + 16}" if slash else made


def said(namespace: Path, *argv: str, given: str = "", files: Sequence[int] = ()) -> str:
    """What a program says that is started in a network: in a virtual machine, nsenter(1) would cost as much again."""

    def run() -> str:
        done = subprocess.run(
            argv, input=given, capture_output=True, text=True, timeout=10, pass_fds=files, check=False
        )
        assert done.returncode == 0, f"{' '.join(argv)}: {done.stderr}"
        return done.stdout

    return namespaces.run_in(namespace, run)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a connection came to: which endpoint answered, and from which address it saw the connection come."""

    verdict: Literal["deliver", "reject", "drop"]
    endpoint: tuple[str, int] | None = None
    peer: str | None = None


class Lab:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._servers: list[tuple[socket.socket, str, int]] = []
        self._stop, self._stopped = socket.socketpair()
        self._residents = Residents(folder / "cgroup")
        self._cgroups = {node: self._residents.settle(node) for node in NODES}

    def namespace(self, role: str) -> Path:
        return self._folder / role / "net"

    def ip(self, role: str, *commands: str) -> None:
        """Runs `ip -batch` in a namespace."""
        said(self.namespace(role), "ip", "-batch", "-", given="\n".join(commands))

    def build(self) -> None:
        for role in ("client", *NODES, *PODS):
            namespaces.create(self._folder / role, ["net"])
            self.ip(role, "link set lo up")
        self.ip("client", "link add br0 type bridge", "link set br0 up")
        for node in NODES:
            self._join("client", f"to-{node}", node, "eth0")
            self.ip("client", f"link set to-{node} master br0")
            assert sysctl.write(FORWARDING, self.namespace(node)) == []
            self.namespace(node).with_name("cgroup").symlink_to(self._cgroups[node])
        for pod, (_, node) in PODS.items():
            self._join(node, f"pod-{pod}", pod, "eth0")
        for family in FAMILIES:
            self._give_addresses(family)
        threading.Thread(target=self._serve, daemon=True).start()

    def _give_addresses(self, family: Family) -> None:
        def here(text: str) -> str:
            return in_family(text, family)

        self.ip("client", f"addr add {here(f'{CLIENT}/24')} dev br0{NODAD[family]}")
        for node, address in NODES.items():
            self.ip(node, f"addr add {here(f'{address}/24')} dev eth0{NODAD[family]}")
            self.ip(node, f"route add default via {here(CLIENT)}")
            for other, via in NODES.items():
                if other != node:
                    self.ip(node, f"route add {here(f'10.244.{other[-1]}.0/24')} via {here(via)}")
            self.ip("client", f"route add {here(f'10.244.{node[-1]}.0/24')} via {here(address)}")
        for net in (SERVICE_CIDR, f"{EXTERNAL}/32"):
            self.ip("client", f"route add {here(net)} via {here(NODES['node1'])}")
        gateway, length = GATEWAY[family]
        for pod, (address, node) in PODS.items():
            self.ip(node, f"addr add {gateway}/{length} dev pod-{pod}{NODAD[family]}")
            self.ip(node, f"route add {here(f'{address}/32')} dev pod-{pod}")
            self.ip(pod, f"addr add {here(f'{address}/32')} dev eth0{NODAD[family]}")
            if family == "IPv4":
                self.ip(pod, f"route add {gateway}/32 dev eth0")
            self.ip(pod, f"route add default via {gateway} dev eth0")
            if pod != "idle":
                namespaces.run_in(self.namespace(pod), lambda: self._listen(here(address)))  # noqa: B023  # run at once

    def destroy(self) -> None:
        self._stop.close()
        for server, _, _ in self._servers:
            server.close()
        self._residents.end()
        for role in ("client", *NODES, *PODS):
            namespaces.remove(self._folder / role)

    def connect(self, role: str, destination: str, protocol: str, port: int, *, silence: float = SILENCE) -> Seen:
        """One connection (or datagram) and what it came to. `silence`: seconds after which none is a drop."""
        kind, number = KINDS[protocol]

        def attempt() -> Seen:
            with socket.socket(FAMILY[family_of(destination)], kind, number) as client:
                client.settimeout(silence)
                try:
                    client.connect((destination, port))
                    if kind == socket.SOCK_DGRAM:
                        with contextlib.suppress(PermissionError):  # refused on its way out: the reason is read below
                            client.send(b"?")
                    answer = json.loads(client.recv(1000))
                except ConnectionRefusedError:
                    return Seen("reject")
                except TimeoutError:
                    return Seen("drop")
            return Seen("deliver", (answer["address"], answer["port"]), answer["peer"])

        return self.run(role, attempt)

    def run(self, role: str, work: Callable[[], T]) -> T:
        """As a process there would: in its network, and in its node's cgroup."""
        node = PODS[role][1] if role in PODS else role
        return self._residents.run(role, self.namespace(role), self._cgroups.get(node), work)

    def forget_flows(self) -> None:
        """UDP flows outlive what they were made for."""
        everything = Request(FORGET_FLOWS, struct.pack("!BBH", socket.AF_UNSPEC, 0, 0))
        for node in NODES:
            kernel = namespaces.run_in(self.namespace(node), lambda: Conversation(NETLINK_NETFILTER))
            assert kernel.tell([everything]) == []
            kernel.close()

    def open(self, role: str, destination: str, port: int) -> socket.socket:
        """A connection that stays, its first answer still to be read."""
        return self.run(role, lambda: socket.create_connection((destination, port), timeout=PATIENCE))

    def _join(self, one: str, interface: str, other: str, other_interface: str) -> None:
        """A cable between two namespaces."""
        with self.namespace(other).open() as file:
            command = ["ip", "link", "add", interface, "type", "veth"]
            command += ["peer", "name", other_interface, "netns", f"/proc/self/fd/{file.fileno()}"]
            said(self.namespace(one), *command, files=[file.fileno()])
        self.ip(one, f"link set {interface} up")
        self.ip(other, f"link set {other_interface} up")

    def _listen(self, address: str) -> None:
        for port in PORTS:
            for kind, number in KINDS.values():
                server = socket.socket(FAMILY[family_of(address)], kind, number)
                server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                server.bind((address, port))
                if kind == socket.SOCK_STREAM:
                    server.listen(100)
                self._servers.append((server, address, port))

    def _serve(self) -> None:
        selector = selectors.DefaultSelector()
        selector.register(self._stopped, selectors.EVENT_READ)
        for each in self._servers:
            selector.register(each[0], selectors.EVENT_READ, each)
        while True:
            for key, _ in selector.select():
                if key.data is None:
                    return
                with contextlib.suppress(OSError):
                    _answer(*key.data)


def _answer(server: socket.socket, address: str, port: int) -> None:
    def text(peer: str) -> bytes:
        return json.dumps({"address": address, "port": port, "peer": peer}).encode()

    if server.type == socket.SOCK_STREAM:
        connection, (peer, *_) = server.accept()
        connection.sendall(text(peer))
        connection.close()
    else:
        _, (peer, *more) = server.recvfrom(1000)
        server.sendto(text(peer), (peer, *more))


@contextlib.contextmanager
def lab(folder: Path) -> Iterator[Lab]:
    built = Lab(folder)
    built.build()
    try:
        yield built
    finally:
        built.destroy()
