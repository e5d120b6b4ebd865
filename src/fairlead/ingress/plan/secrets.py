"""Records made of Secrets beside certificates: users of basic authentication, authorities of clients' certificates."""

import base64
import binascii

import msgspec
from cryptography import x509

from fairlead.api.types.core import Secret
from fairlead.ingress.plan.certificates import CertificateError, pair_of
from fairlead.ingress.plan.model import Authorities, Users

encode = msgspec.msgpack.Encoder().encode
PREFIXES = ("c:", "u:file:", "u:map:", "a:")


class SecretError(ValueError):
    """A Secret that cannot be used for what it is named for. The text says why."""


def name_of(record: str) -> str:
    """The Secret's "namespace/name"."""
    return record.rpartition(":")[2]


def value_of(record: str, secret: Secret | None) -> bytes:
    """Raises SecretError."""
    if secret is None:
        raise SecretError("there is no such Secret")
    if record.startswith("c:"):
        try:
            return encode(pair_of(secret).pem)
        except CertificateError as error:
            raise SecretError(str(error)) from error
    if record.startswith("a:"):
        return encode(Authorities(certificates=_authorities(secret)))
    if record.startswith("u:file:"):
        return encode(Users(users=_htpasswd(_data(secret, "auth"))))
    return encode(Users(users={name: _data(secret, name) for name in secret.data}))


def _htpasswd(text: str) -> dict[str, str]:
    """Lines of "name:hash"; a third field is a comment."""
    users: dict[str, str] = {}
    for line in text.splitlines():
        fields = line.strip().split(":")
        if len(fields) >= 2 and not line.startswith("#"):
            users.setdefault(fields[0], fields[1])
    return users


def _authorities(secret: Secret) -> bytes:
    chain = _data(secret, "ca.crt").encode()
    try:
        x509.load_pem_x509_certificates(chain)
    except ValueError as error:
        raise SecretError(f"ca.crt is no certificate: {error}") from error
    return chain


def _data(secret: Secret, name: str) -> str:
    text = secret.data.get(name)
    if not text:
        raise SecretError(f"it has no {name}")
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise SecretError(f"{name} is not text in base64") from error
