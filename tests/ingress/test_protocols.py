"""HTTP/2, gRPC, websockets, and TLS in both directions, through real nginx."""

import contextlib
import datetime
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.ingress.objects import certificate, endpoint_slice, ingress, path, secret, service, tls_secret
from tests.ingress.upstreams import Got, insecure, upstream
from tests.ingress.world import ADDRESS, PODS, World

pytestmark = pytest.mark.netns

FORM = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()


@dataclass
class Authority:
    """Signs certificates for clients."""

    name: str
    folder: Path

    def __post_init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = self._sign(self.name, self.key.public_key(), authority=True)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def client(self, common_name: str) -> ssl.SSLContext:
        key = ec.generate_private_key(ec.SECP256R1())
        made = self._sign(common_name, key.public_key(), authority=False)
        file = self.folder / f"{self.name}-{common_name}.pem"
        file.write_bytes(made.public_bytes(serialization.Encoding.PEM) + key.private_bytes(*FORM))
        context = insecure()
        context.load_cert_chain(file)
        return context

    def _sign(self, name: str, key: ec.EllipticCurvePublicKey, *, authority: bool) -> x509.Certificate:
        now = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.name)]))
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now)
            .not_valid_after(now + datetime.timedelta(days=3650))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .sign(self.key, hashes.SHA256())
        )


def secured(cluster: World, host: str, annotations: dict[str, str] | None = None) -> None:
    name = host.replace(".", "-").replace("*", "any")
    cluster.apply(tls_secret(name, certificate(host)))
    cluster.apply(ingress(name, {host: [path("one")]}, annotations=annotations, tls={name: [host]}))


def is_status(got: Got, status: int) -> None:
    assert got.status == status


@pytest.mark.parametrize("name", ["x.wild.test", "X.WILD.test"])
def test_a_wildcard_serves_names_of_one_label_by_its_certificate(cluster: World, name: str) -> None:
    secured(cluster, "*.wild.test")
    cluster.settled(lambda: is_status(cluster.client.get(f"https://{name}/"), 200))
    shown = cluster.client.get(f"https://{name}/")
    assert shown.certificate is not None
    assert b"*.wild.test" in shown.certificate
    assert cluster.client.get("https://x.y.wild.test/").status == 404


@pytest.mark.parametrize("sni", ["%2e%2e%2fetc%2fpasswd", "nobody.test", "a" * 63])
def test_names_without_a_host_are_shown_the_default_certificate(cluster: World, sni: str) -> None:
    with contextlib.suppress(ssl.SSLError, ConnectionError):
        shown = cluster.client.get("https://nobody.test/", sni=sni)
        assert b"Fake Certificate" in (shown.certificate or b"")


def test_clients_may_speak_http_2(cluster: World) -> None:
    secured(cluster, "two.test")
    cluster.settled(lambda: is_status(cluster.client.get("https://two.test/"), 200))
    command = ["curl", "-sk", "--http2", "--connect-to", f"::{ADDRESS}:443", "-w", " %{http_version} %{http_code}"]
    got = subprocess.run([*command, "https://two.test/"], capture_output=True, text=True, timeout=10, check=True)
    assert got.stdout.endswith(" 2 200")
    large = [*command, "--data-binary", "@-", "-H", "content-length:", "https://two.test/"]
    refused = subprocess.run(large, input="x" * (2 << 20), capture_output=True, text=True, timeout=10, check=False)
    assert refused.stdout.endswith("413")


@contextlib.contextmanager
def h2_pod(folder: Path, address: str) -> Iterator[None]:
    """A pod that speaks HTTP/2 without TLS, as gRPC servers do."""
    conf = f"""
daemon off; master_process off; pid {folder}/h2.pid; error_log {folder}/h2.log; events {{ }}
http {{ access_log off; client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
uwsgi_temp_path {folder}; scgi_temp_path {folder};
server {{ listen {address}:9000 http2; default_type application/grpc;
location / {{ return 200 "$server_protocol"; }} }} }}
"""
    (folder / "h2.conf").write_text(conf)
    process = subprocess.Popen(["nginx", "-c", str(folder / "h2.conf")])
    try:
        yield
    finally:
        process.terminate()
        process.wait(10)


def test_grpc_goes_to_its_pods_by_http_2(cluster: World, tmp_path: Path) -> None:
    with h2_pod(tmp_path, PODS[5]):
        cluster.apply(service("rpc", target=9000))
        cluster.apply(endpoint_slice("rpc", [PODS[5]], port=9000))
        cluster.apply(tls_secret("rpc", certificate("rpc.test")))
        annotations = {"backend-protocol": "GRPC"}
        cluster.apply(ingress("rpc", {"rpc.test": [path("rpc")]}, annotations=annotations, tls={"rpc": ["rpc.test"]}))
        command = ["curl", "-sk", "--http2", "--connect-to", f"::{ADDRESS}:443", "-d", "x", "https://rpc.test/a.B/C"]

        def ask() -> None:
            got = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
            assert got.stdout == "HTTP/2.0"

        cluster.settled(ask)


def test_pods_may_want_tls(cluster: World, tmp_path: Path) -> None:
    pair = certificate("pod.test")
    (tmp_path / "pod.pem").write_bytes(pair[0] + pair[1])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "pod.pem")
    names: list[str | None] = []
    context.sni_callback = lambda _socket, name, _context: names.append(name)
    with upstream("tls", PODS[6], 8443, context):
        cluster.apply(service("tls", target=8443))
        cluster.apply(endpoint_slice("tls", [PODS[6]], port=8443))
        annotations = {"backend-protocol": "HTTPS", "proxy-ssl-name": "pod.test", "proxy-ssl-server-name": "on"}
        cluster.apply(ingress("tls-pod", {"tls-pod.test": [path("tls")]}, annotations=annotations))
        cluster.settled(lambda: is_status(cluster.client.get("http://tls-pod.test/"), 200))
        assert names[-1] == "pod.test"


def websocket(address: str) -> None:
    """Takes any Upgrade, and says back what it is told."""
    server = socket.create_server((address, 9100))

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=echo, args=(connection,), daemon=True).start()

    def echo(connection: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += connection.recv(4096)
        if b"upgrade: websocket" not in head.lower():
            connection.sendall(b"HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n")
            connection.close()
            return
        connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
        while data := connection.recv(4096):
            connection.sendall(data)

    threading.Thread(target=serve, daemon=True).start()


def test_a_websocket_lives_through_changes(cluster: World) -> None:
    websocket(PODS[7])
    cluster.apply(service("ws", target=9100))
    cluster.apply(endpoint_slice("ws", [PODS[7]], port=9100))
    cluster.apply(ingress("ws", {"ws.test": [path("ws")]}))
    cluster.until(lambda: cluster.client.get("http://ws.test/").status == 426)
    with socket.create_connection((ADDRESS, 80), 5) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: ws.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        assert client.recv(4096).startswith(b"HTTP/1.1 101")
        for number in range(5):
            cluster.apply(endpoint_slice("ws", [PODS[7], PODS[8]][: 1 + number % 2], port=9100))
            client.sendall(b"%d" % number)
            assert client.recv(100) == b"%d" % number


@pytest.fixture(scope="module")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Authority]:
    folder = tmp_path_factory.mktemp("authorities")
    return {name: Authority(name, folder) for name in ("ours", "theirs")}


def test_clients_show_certificates_of_the_right_authority(cluster: World, authorities: dict[str, Authority]) -> None:
    for name, authority in authorities.items():
        cluster.apply(secret(f"ca-{name}", {"ca.crt": authority.pem}))
        annotations = {"auth-tls-secret": f"dev/ca-{name}", "auth-tls-pass-certificate-to-upstream": "true"}
        if name == "ours":
            annotations["auth-tls-match-cn"] = "CN=(ann|bob)$"
        secured(cluster, f"{name}.test", annotations)
    client = cluster.client
    ann, eve = authorities["ours"].client("ann"), authorities["ours"].client("eve")
    stranger = authorities["theirs"].client("ann")
    cluster.settled(lambda: is_status(client.get("https://ours.test/", context=ann), 200))
    cluster.settled(lambda: is_status(client.get("https://theirs.test/", context=stranger), 200))
    seen = client.get("https://ours.test/", context=ann, headers={"ssl-client-verify": "forged"}).json["headers"]
    assert seen["ssl-client-verify"] == "SUCCESS"
    assert seen["ssl-client-subject-dn"] == "CN=ann"
    assert seen["ssl-client-cert"].startswith("-----BEGIN%20CERTIFICATE")
    assert client.get("https://ours.test/").status == 400
    assert client.get("https://ours.test/", context=stranger).status == 400
    assert client.get("https://ours.test/", context=eve).status == 403
    secured(cluster, "public.test")
    cluster.settled(lambda: is_status(client.get("https://public.test/"), 200))
    assert client.get("https://ours.test/", sni="public.test").status == 421
    assert client.get("https://ours.test/", sni="theirs.test", context=stranger).status == 421


def test_a_session_of_one_host_does_not_open_another(cluster: World, authorities: dict[str, Authority]) -> None:
    """CVE-2025-23419: the verdict of one host's authorities must not be resumed at another host."""
    context = authorities["theirs"].client("ann")
    context.maximum_version = ssl.TLSVersion.TLSv1_2

    def open_(name: str, session: ssl.SSLSession | None) -> ssl.SSLSocket:
        plain = socket.create_connection((ADDRESS, 443), 5)
        return context.wrap_socket(plain, server_hostname=name, session=session)

    with open_("theirs.test", None) as first:
        session = first.session
    with open_("ours.test", session) as second:
        second.sendall(b"GET / HTTP/1.1\r\nHost: ours.test\r\nConnection: close\r\n\r\n")
        assert not second.session_reused
        assert second.recv(4096).split(b" ")[1] == b"400"
