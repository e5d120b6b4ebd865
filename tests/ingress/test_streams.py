"""TCP and UDP Services by port, with real connections; TLS that goes to pods unopened."""

import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ingress.objects import certificate, endpoint_slice, ingress, path, service
from tests.ingress.upstreams import Client, upstream
from tests.ingress.world import ADDRESS, PODS, World, world

pytestmark = pytest.mark.netns


@pytest.fixture(scope="module")
def streaming(tmp_path_factory: pytest.TempPathFactory, running: World) -> Iterator[World]:
    """A controller of its own, on another address, that looks into TLS."""
    address = "192.0.2.9"
    import subprocess

    subprocess.run(["ip", "addr", "replace", f"{address}/32", "dev", "lo"], check=True)
    folder = tmp_path_factory.mktemp("streams")
    given = {"listen": (address,), "passthrough": True, "tcp_services": "dev/tcp", "udp_services": "dev/udp"}
    with world(folder, **given, health_port=10255) as made:
        made.client = Client(address)
        yield made


def config_map(cluster: World, name: str, data: dict[str, str]) -> None:
    cluster.apply(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "dev"}, "data": data}
    )


def udp_echo(address: str) -> None:
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((address, 5353))

    def serve() -> None:
        while True:
            data, peer = server.recvfrom(2000)
            server.sendto(b"re: " + data, peer)

    threading.Thread(target=serve, daemon=True).start()


def test_a_port_leads_to_a_service(streaming: World) -> None:
    with upstream("tcp", PODS[3]):
        streaming.apply(service("plain"))
        streaming.apply(endpoint_slice("plain", [PODS[3]]))
        config_map(streaming, "tcp", {"9000": "dev/plain:80", "nonsense": "x", "80": "dev/plain:80"})
        direct = Client(streaming.client.address, port=9000)
        streaming.until(lambda: direct.get("http://any.test/").server == "tcp")
        streaming.until(lambda: len([each for each in streaming.events("tcp") if each[1] == "InvalidStream"]) == 2)
        config_map(streaming, "tcp", {})
        streaming.settled(lambda: refused(streaming.client.address, 9000))


def refused(address: str, port: int) -> None:
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((address, port), 1).close()


def test_datagrams_go_to_a_service_and_come_back(streaming: World) -> None:
    udp_echo(PODS[4])
    streaming.apply(service("udp", ports=[{"port": 53, "targetPort": 5353, "protocol": "UDP"}]))
    slices = endpoint_slice("udp", [PODS[4]], port=5353)
    slices["ports"][0]["protocol"] = "UDP"
    streaming.apply(slices)
    config_map(streaming, "udp", {"53": "dev/udp:53"})

    def ask() -> bytes:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(0.3)
            client.sendto(b"hello", (streaming.client.address, 53))
            return client.recv(100)

    streaming.until(lambda: ask() == b"re: hello")


def test_tls_goes_to_its_pods_unopened_and_other_names_to_nginx(streaming: World, tmp_path: Path) -> None:
    pair = certificate("inner.test")
    (tmp_path / "pod.pem").write_bytes(pair[0] + pair[1])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "pod.pem")
    with upstream("inner", PODS[3], 8443, context), upstream("outer", PODS[3]):
        streaming.apply(service("inner", target=8443))
        streaming.apply(endpoint_slice("inner", [PODS[3]], port=8443))
        streaming.apply(service("outer"))
        streaming.apply(endpoint_slice("outer", [PODS[3]]))
        annotations = {"ssl-passthrough": "true"}
        streaming.apply(ingress("inner", {"inner.test": [path("inner")]}, annotations=annotations))
        streaming.apply(ingress("outer", {"outer.test": [path("outer")]}))
        streaming.until(lambda: streaming.client.get("https://inner.test/").server == "inner")
        shown = streaming.client.get("https://inner.test/").certificate
        assert shown == ssl.PEM_cert_to_DER_cert(pair[0].decode())
        streaming.until(lambda: streaming.client.get("https://outer.test/").server == "outer")
        seen = streaming.client.get("https://outer.test/", source=ADDRESS).json["headers"]
        assert seen["x-real-ip"] == ADDRESS
        assert seen["x-forwarded-port"] == "443"


def test_one_namespace_may_be_all_that_is_watched(tmp_path_factory: pytest.TempPathFactory, running: World) -> None:
    """The settings are another's, as the flags say."""
    import subprocess

    subprocess.run(["ip", "addr", "replace", "192.0.2.10/32", "dev", "lo"], check=True)
    given = {"listen": ("192.0.2.10",), "watch_namespace": "mine", "health_port": 10256, "https_port": 8444}
    with world(tmp_path_factory.mktemp("one"), **given) as made, upstream("mine", PODS[3]):
        made.client = Client("192.0.2.10")
        made.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "mine"}})
        made.apply(service("web", "mine"))
        made.apply(endpoint_slice("web", [PODS[3]], "mine"))
        made.apply(ingress("web", {"web.test": [path("web")]}, namespace="mine"))
        made.apply(ingress("web", {"other.test": [path("web")]}, namespace="dev"))
        made.until(lambda: made.client.get("http://web.test/").server == "mine")
        assert made.client.get("http://other.test/").status == 404
        metadata = {"name": "nginx-configuration", "namespace": "dev"}
        limits = {"proxy-body-size": "10"}
        made.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": limits})
        made.until(lambda: made.client.get("http://web.test/", method="POST", body=b"x" * 11).status == 413)
