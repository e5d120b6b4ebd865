"""What userspace carries: whole requests, large answers, half-closed connections, resets; and endpoints that refuse."""

import hashlib
import os
import socket
import threading
from collections.abc import Iterator

import pytest

from fairlead.host import namespaces
from fairlead.services.model import Endpoint
from tests.packetflow.conftest import Proxies
from tests.packetflow.lab import PODS, Lab
from tests.packetflow.services import CLUSTER_IP, PORT, service

pytestmark = pytest.mark.netns

ECHO = 9000
SIZE = 8 << 20


@pytest.fixture
def echo(built: Lab) -> Iterator[Endpoint]:
    """A server in pod `a` that reads to the end and only then answers with all that it was told."""
    address, node = PODS["a"]
    server = namespaces.run_in(built.namespace("a"), lambda: socket.create_server((address, ECHO)))

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=_echo, args=(connection,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    yield Endpoint(address, ECHO, node=node)
    server.shutdown(socket.SHUT_RDWR)
    server.close()


def _echo(connection: socket.socket) -> None:
    with connection:
        told = b""
        try:
            while data := connection.recv(1 << 16):
                told += data
            connection.sendall(told)
        except ConnectionError:
            return


@pytest.mark.parametrize("source", ["idle", "client", "node1"])
def test_every_byte_comes_through_and_the_end_of_one_direction_is_not_that_of_the_other(
    proxies: Proxies, echo: Endpoint, source: str
) -> None:
    proxies.apply({"dev/web": (service(endpoints=(echo,)),)})
    sent = os.urandom(SIZE)
    with proxies.lab.open(source, CLUSTER_IP, PORT) as connection:
        connection.settimeout(20)
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        digest, size = hashlib.sha256(), 0
        while data := connection.recv(1 << 16):
            digest.update(data)
            size += len(data)
    assert size == SIZE
    assert digest.digest() == hashlib.sha256(sent).digest()


def test_short_requests_are_never_lost(proxies: Proxies, echo: Endpoint) -> None:
    """Said at once, before the proxy can have reached the endpoint."""
    proxies.apply({"dev/web": (service(endpoints=(echo,)),)})
    for number in range(200):
        with proxies.lab.open("node1", CLUSTER_IP, PORT) as connection:
            connection.settimeout(5)
            connection.sendall(b"%d" % number)
            connection.shutdown(socket.SHUT_WR)
            assert connection.recv(100) == b"%d" % number
            assert connection.recv(100) == b""


@pytest.mark.parametrize("proxies", ["userspace"], indirect=True)
def test_an_endpoint_that_refuses_is_passed_over(proxies: Proxies, echo: Endpoint) -> None:
    closed = Endpoint(PODS["b"][0], 9999, node="node1")
    proxies.apply({"dev/web": (service(endpoints=(closed, echo)),)})
    for _ in range(10):
        with proxies.lab.open("idle", CLUSTER_IP, PORT) as connection:
            connection.settimeout(5)
            connection.sendall(b"x")
            connection.shutdown(socket.SHUT_WR)
            assert connection.recv(100) == b"x"
