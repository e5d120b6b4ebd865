"""Certificates of Secrets, looked at before nginx sees them."""

import base64
import binascii
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtensionOID, NameOID

from fairlead.api.types.core import Secret
from fairlead.ingress.plan.model import Certificate

PUBLIC = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


class CertificateError(ValueError):
    """A Secret that holds no usable certificate. The text says why."""


@dataclass(frozen=True, slots=True)
class Pair:
    """`names`: what the certificate is for, lowered. `expires`: seconds since the epoch."""

    pem: Certificate
    names: frozenset[str]
    expires: float
    issuer: str
    serial: str

    def covers(self, host: str) -> bool:
        """RFC 6125: a wildcard stands for one label."""
        _, _, rest = host.partition(".")
        return host in self.names or (bool(rest) and f"*.{rest}" in self.names)


def pair_of(secret: Secret) -> Pair:
    """The pair of a Secret's `tls.crt` and `tls.key`. Raises CertificateError."""
    chain = _data(secret, "tls.crt")
    key = _data(secret, "tls.key")
    try:
        certificates = x509.load_pem_x509_certificates(chain)
    except ValueError as error:
        raise CertificateError(f"tls.crt is no certificate: {error}") from error
    try:
        private = serialization.load_pem_private_key(key, None, unsafe_skip_rsa_key_validation=True)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise CertificateError(f"tls.key is no private key: {error}") from error
    leaf = certificates[0]
    if leaf.public_key().public_bytes(*PUBLIC) != private.public_key().public_bytes(*PUBLIC):
        raise CertificateError("tls.key is not the key of tls.crt")
    return Pair(
        Certificate(certificate=chain, key=key),
        frozenset(_names(leaf)),
        leaf.not_valid_after_utc.timestamp(),
        leaf.issuer.rfc4514_string(),
        str(leaf.serial_number),
    )


def _data(secret: Secret, name: str) -> bytes:
    text = secret.data.get(name)
    if not text:
        raise CertificateError(f"it has no {name}")
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise CertificateError(f"{name} is not base64") from error


def _names(leaf: x509.Certificate) -> list[str]:
    """The subject's alternative names; a common name counts where there are none."""
    try:
        extension = leaf.extensions.get_extension_for_oid(ExtensionOID.SUBJECT_ALTERNATIVE_NAME).value
        assert isinstance(extension, x509.SubjectAlternativeName)
        names = [str(each) for each in extension.get_values_for_type(x509.DNSName)]
    except (x509.ExtensionNotFound, ValueError):
        names = []
    if not names:
        names = [str(each.value) for each in leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    return [each.lower() for each in names]
