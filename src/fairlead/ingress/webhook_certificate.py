"""The certificate of an admission webhook and the trust in it, as kube-webhook-certgen makes them.

Source: ingress-nginx's images/kube-webhook-certgen. The authority's key is thrown away: it signs one certificate.
"""

import base64
import datetime
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from fairlead.api.status import ApiError
from fairlead.client.rest import Client

Json = dict[str, Any]

YEARS = 100
CONFIGURATIONS = ("validatingwebhookconfigurations", "mutatingwebhookconfigurations")
GROUP = "admissionregistration.k8s.io"


class NoCertificateError(OSError):
    """The Secret that the authority is read from is not there, or has none."""


@dataclass(frozen=True, slots=True)
class Pair:
    """PEM: the authority, and what it has signed."""

    ca: bytes
    certificate: bytes
    key: bytes


def make(hosts: Iterable[str], now: datetime.datetime) -> Pair:
    """`hosts`: names and addresses that the certificate is for."""
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = _certificate("nil1", "nil1", ca_key.public_key(), now).add_extension(
        x509.BasicConstraints(ca=True, path_length=None), critical=True
    )
    names = x509.SubjectAlternativeName([_name(host) for host in hosts])
    own = (
        _certificate("nil2", "nil1", key.public_key(), now)
        .add_extension(names, critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    )
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return Pair(
        authority.sign(ca_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM),
        own.sign(ca_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM),
        key.private_bytes(*form),
    )


async def create(client: Client, namespace: str, secret: str, pair: Pair, names: tuple[str, str]) -> bool:
    """Keeps what is there already: whether it was made now. `names`: the Secret's keys of certificate and key.
    Raises ApiError."""
    certificate, key = names
    data = {"ca": pair.ca, certificate: pair.certificate, key: pair.key}
    body: Json = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": secret, "namespace": namespace},
        "type": "Opaque",
        "data": {name: base64.b64encode(value).decode() for name, value in data.items()},
    }
    try:
        await client.get("secrets", secret, namespace, type=dict)
    except ApiError as error:
        if not error.is_not_found:
            raise
        await client.create("secrets", body, namespace)
        return True
    return False


async def patch(
    client: Client, namespace: str, secret: str, webhook: str, kinds: Iterable[str], failure_policy: str
) -> None:
    """Makes configurations of webhooks trust the Secret's authority; `kinds` are of CONFIGURATIONS. Whole objects are
    sent, not patches: its role may get and update. Raises ApiError, NoCertificateError."""
    try:
        found = await client.get("secrets", secret, namespace, type=dict)
    except ApiError as error:
        if error.is_not_found:
            raise NoCertificateError(f"no secret with '{secret}' in '{namespace}'") from error
        raise
    if not (bundle := found.get("data", {}).get("ca")):
        raise NoCertificateError(f"got secret, but it did not contain a 'ca' key: '{secret}' in '{namespace}'")
    for kind in kinds:
        configuration = await client.get(f"{kind}.{GROUP}", webhook, type=dict)
        for each in configuration.get("webhooks", ()):
            each["clientConfig"]["caBundle"] = bundle
            if failure_policy:
                each["failurePolicy"] = failure_policy
        await client.update(f"{kind}.{GROUP}", configuration)


def _certificate(
    subject: str, issuer: str, key: ec.EllipticCurvePublicKey, now: datetime.datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, issuer)]))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=365 * YEARS))
    )


def _name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
