"""The sockets of DNS, opened once: they outlive the processes that answer at them."""

import socket
from dataclasses import dataclass, field

from fairlead.dns.options import Options

RECEIVE_BUFFER = 4 << 20
CHANNEL_BUFFER = 1 << 20
BACKLOG = 1024
SO_RCVBUFFORCE, SO_SNDBUFFORCE = 33, 32
IP_FREEBIND = 15


@dataclass(slots=True)
class Sockets:
    """`udp`: for each worker one of each address, on the same port, among which the kernel shares the clients out."""

    udp: list[list[socket.socket]] = field(default_factory=list)
    tcp: list[socket.socket] = field(default_factory=list)
    channels: list[tuple[socket.socket, socket.socket]] = field(default_factory=list)  # watcher's end, worker's end

    def close(self) -> None:
        for sock in (*(each for worker in self.udp for each in worker), *self.tcp):
            sock.close()
        for ends in self.channels:
            for end in ends:
                end.close()


def open_sockets(options: Options) -> Sockets:
    """Raises OSError where an address is taken. With port 0 (tests) all have the one that the first was given."""
    found = Sockets()
    port = options.port
    try:
        for _ in range(max(1, options.workers)):
            worker = []
            for host in (*options.listen, *options.service_addresses):
                worker.append(_bound(host, port, socket.SOCK_DGRAM))
                port = port or worker[0].getsockname()[1]
            found.udp.append(worker)
            if options.workers:
                found.channels.append(_channel())
        for host in (*options.listen, *options.service_addresses):
            listener = _bound(host, port, socket.SOCK_STREAM)
            listener.listen(BACKLOG)
            found.tcp.append(listener)
    except OSError as error:
        found.close()
        raise OSError(error.errno, f"cannot listen on port {port}: {error.strerror}") from error
    return found


def _bound(host: str, port: int, kind: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, kind | socket.SOCK_NONBLOCK)
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    sock.setsockopt(socket.IPPROTO_IP, IP_FREEBIND, 1)  # a Service's address may come later than this process
    if kind == socket.SOCK_DGRAM:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        _enlarge(sock, SO_RCVBUFFORCE, socket.SO_RCVBUF, RECEIVE_BUFFER)
    else:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    return sock


def _enlarge(sock: socket.socket, force: int, ask: int, size: int) -> None:
    """Past the system's limit, which only root may."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, force, size)
    except PermissionError:
        sock.setsockopt(socket.SOL_SOCKET, ask, size)


def _channel() -> tuple[socket.socket, socket.socket]:
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in ends:
        end.setblocking(False)
        _enlarge(end, SO_SNDBUFFORCE, socket.SO_SNDBUF, CHANNEL_BUFFER)
    return ends
