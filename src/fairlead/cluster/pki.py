"""The cluster's certificates and keys: one authority, one certificate for each who speaks.

EC P-256: 20 of them are made in the time of one RSA key. Kept across restarts; what is missing or near its end is made.
"""

import datetime
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

VALID = datetime.timedelta(days=3650)
SKEW = datetime.timedelta(minutes=5)
Key = ec.EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True)
class Subject:
    """Who a certificate is for. `hosts`: the DNS names and addresses under which a server is reached."""

    name: str
    organizations: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Pair:
    """Paths of a certificate and its key, PEM."""

    certificate: str
    key: str


class Pki:
    """A folder of PEM files: `ca.crt`, `ca.key`, `sa.key`, and a pair for each name asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._ca_key: Key | None = None
        self._ca: x509.Certificate | None = None

    @property
    def ca(self) -> str:
        self._authority()
        return str(self.folder / "ca.crt")

    def make_service_account_key(self) -> None:
        """`sa.key`, which signs tokens: made once."""
        path = self.folder / "sa.key"
        if not path.exists():
            _write(path, _pem(ec.generate_private_key(ec.SECP256R1())))

    def pair(self, file: str, subject: Subject) -> Pair:
        """`file.crt` and `file.key`, made anew where the subject's hosts are not those of the certificate."""
        certificate, key = self.folder / f"{file}.crt", self.folder / f"{file}.key"
        if not (certificate.exists() and key.exists() and _fits(certificate, subject)):
            ca, ca_key = self._authority()
            own = ec.generate_private_key(ec.SECP256R1())
            signed = _sign(subject, own.public_key(), ca.subject, ca_key, authority=False)
            _write(key, _pem(own))
            _write(certificate, signed.public_bytes(serialization.Encoding.PEM))
        return Pair(str(certificate), str(key))

    def _authority(self) -> tuple[x509.Certificate, Key]:
        if self._ca is None or self._ca_key is None:
            certificate, key = self.folder / "ca.crt", self.folder / "ca.key"
            if certificate.exists() and key.exists():
                self._ca = x509.load_pem_x509_certificate(certificate.read_bytes())
                loaded = serialization.load_pem_private_key(key.read_bytes(), None)
                assert isinstance(loaded, ec.EllipticCurvePrivateKey)
                self._ca_key = loaded
            else:
                self._ca_key = ec.generate_private_key(ec.SECP256R1())
                name = _name(Subject("kubernetes"))
                self._ca = _sign(Subject("kubernetes"), self._ca_key.public_key(), name, self._ca_key, authority=True)
                _write(key, _pem(self._ca_key))
                _write(certificate, self._ca.public_bytes(serialization.Encoding.PEM))
        return self._ca, self._ca_key


def _sign(
    subject: Subject, public: ec.EllipticCurvePublicKey, issuer: x509.Name, signer: Key, *, authority: bool
) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + VALID)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(_usage(authority=authority), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    if not authority:
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH]
        if subject.hosts:
            usages.append(ExtendedKeyUsageOID.SERVER_AUTH)
            builder = builder.add_extension(x509.SubjectAlternativeName(_hosts(subject.hosts)), critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    return builder.sign(signer, hashes.SHA256())


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=not authority,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _name(subject: Subject) -> x509.Name:
    organizations = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, each) for each in subject.organizations]
    return x509.Name([*organizations, x509.NameAttribute(NameOID.COMMON_NAME, subject.name)])


def _hosts(hosts: Iterable[str]) -> list[x509.GeneralName]:
    found: list[x509.GeneralName] = []
    for host in hosts:
        try:
            found.append(x509.IPAddress(ipaddress.ip_address(host)))
        except ValueError:
            found.append(x509.DNSName(host))
    return found


def _fits(path: Path, subject: Subject) -> bool:
    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    try:
        names = list(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        names = []
    return names == _hosts(subject.hosts) and certificate.subject == _name(subject)


def _pem(key: Key) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(path: Path, data: bytes) -> None:
    """Only we may read it; whoever reads it sees all of it."""
    temporary = path.with_name(f".{path.name}")
    temporary.touch(mode=0o600)
    temporary.write_bytes(data)
    temporary.replace(path)
