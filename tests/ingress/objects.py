"""Objects as `kubectl apply` sends them."""

import base64
import datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Json = dict[str, Any]
NGINX = "nginx.ingress.kubernetes.io"


def path(service: str, text: str = "/", kind: str = "Prefix", port: int | str = 80) -> Json:
    by = {"number": port} if isinstance(port, int) else {"name": port}
    return {"path": text, "pathType": kind, "backend": {"service": {"name": service, "port": by}}}


def ingress(
    name: str,
    rules: dict[str, list[Json]],
    *,
    annotations: dict[str, str] | None = None,
    tls: dict[str, list[str]] | None = None,
    namespace: str = "dev",
    **spec: Any,
) -> Json:
    """`rules`: host → paths; `tls`: Secret → hosts; annotations without their prefix."""
    given = {(key if "/" in key else f"{NGINX}/{key}"): value for key, value in (annotations or {}).items()}
    body: Json = {
        "rules": [
            {"host": host, "http": {"paths": paths}} if host else {"http": {"paths": paths}}
            for host, paths in rules.items()
        ],
        **spec,
    }
    if tls:
        body["tls"] = [{"secretName": secret, "hosts": hosts} for secret, hosts in tls.items()]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": name, "namespace": namespace, "annotations": given},
        "spec": body,
    }


def service(name: str, namespace: str = "dev", port: int = 80, target: int = 8080, **spec: Any) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"clusterIP": "None", "ports": [{"port": port, "targetPort": target}], **spec},
    }


def endpoint_slice(name: str, addresses: list[str], namespace: str = "dev", port: int = 8080) -> Json:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": f"{name}-1", "namespace": namespace, "labels": {"kubernetes.io/service-name": name}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [each], "conditions": {"ready": True}} for each in addresses],
        "ports": [{"name": "", "port": port, "protocol": "TCP"}],
    }


def certificate(*names: str, common_name: str = "") -> tuple[bytes, bytes]:
    """A self-signed pair, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name or names[0])])
    now = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=3650))
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(n) for n in names]), critical=False)
    made = builder.sign(key, hashes.SHA256())
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return made.public_bytes(serialization.Encoding.PEM), key.private_bytes(*form)


def secret(name: str, data: dict[str, bytes], namespace: str = "dev", kind: str = "Opaque") -> Json:
    encoded = {key: base64.b64encode(value).decode() for key, value in data.items()}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "type": kind,
        "data": encoded,
    }


def tls_secret(name: str, pair: tuple[bytes, bytes], namespace: str = "dev") -> Json:
    return secret(name, {"tls.crt": pair[0], "tls.key": pair[1]}, namespace, "kubernetes.io/tls")
