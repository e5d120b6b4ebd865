"""The certificate of a webhook: made once, for all its names, and trusted by whoever calls it."""

import base64
import datetime
import ipaddress
import ssl
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from fairlead.ingress.webhook_certificate import CONFIGURATIONS, GROUP, NoCertificateError, create, make, patch
from tests.unit.api_server import api_server

Json = dict[str, Any]
NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
NAMES = ("cert", "key")


def configuration(kind: str) -> Json:
    hook = {
        "name": "check.example.com",
        "clientConfig": {"service": {"namespace": "default", "name": "hook"}},
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "failurePolicy": "Ignore",
    }
    return {"apiVersion": f"{GROUP}/v1", "kind": kind, "metadata": {"name": "hook"}, "webhooks": [hook]}


def test_it_is_for_all_its_names_and_addresses_and_its_authority_has_signed_it(tmp_path: Path) -> None:
    pair = make(["hook", "hook.default.svc", "10.0.0.1"], NOW)
    certificate, authority = map(x509.load_pem_x509_certificate, (pair.certificate, pair.ca))
    certificate.verify_directly_issued_by(authority)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["hook", "hook.default.svc"]
    assert names.get_values_for_type(x509.IPAddress) == [ipaddress.ip_address("10.0.0.1")]
    (tmp_path / "cert").write_bytes(pair.certificate)
    (tmp_path / "key").write_bytes(pair.key)
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(tmp_path / "cert", tmp_path / "key")


async def test_what_is_there_already_is_kept(tmp_path: Path) -> None:
    async with api_server(tmp_path) as client:
        first = make(["hook"], NOW)
        assert await create(client, "default", "hook-tls", first, NAMES)
        assert not await create(client, "default", "hook-tls", make(["hook"], NOW), NAMES)
        found = await client.get("secrets", "hook-tls", "default", type=dict)
        data = {name: base64.b64decode(value) for name, value in found["data"].items()}
        assert data == {"ca": first.ca, "cert": first.certificate, "key": first.key}


async def test_the_configurations_asked_for_come_to_trust_it(tmp_path: Path) -> None:
    async with api_server(tmp_path) as client:
        for resource, kind in zip(CONFIGURATIONS, ("Validating", "Mutating"), strict=True):
            await client.create(f"{resource}.{GROUP}", configuration(f"{kind}WebhookConfiguration"))
        pair = make(["hook"], NOW)
        await create(client, "default", "hook-tls", pair, NAMES)
        await patch(client, "default", "hook-tls", "hook", CONFIGURATIONS[:1], "Fail")
        (trusting,) = (await client.get(f"{CONFIGURATIONS[0]}.{GROUP}", "hook", type=dict))["webhooks"]
        (other,) = (await client.get(f"{CONFIGURATIONS[1]}.{GROUP}", "hook", type=dict))["webhooks"]
        assert base64.b64decode(trusting["clientConfig"]["caBundle"]) == pair.ca
        assert trusting["failurePolicy"] == "Fail"
        assert "caBundle" not in other["clientConfig"]


async def test_without_the_secret_there_is_nothing_to_trust(tmp_path: Path) -> None:
    async with api_server(tmp_path) as client:
        with pytest.raises(NoCertificateError, match="no secret with 'hook-tls' in 'default'"):
            await patch(client, "default", "hook-tls", "hook", CONFIGURATIONS, "")
