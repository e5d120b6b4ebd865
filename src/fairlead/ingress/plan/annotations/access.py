"""Who may send requests, and how many. What cannot be read here denies: a restriction must not be lost by a typo."""

import re
from typing import Any

from fairlead.ingress.plan.annotations.reader import Reader
from fairlead.ingress.plan.options import Basic, ClientTLS, Limits

REALM = re.compile(r"^[\x20\x21\x23-\x5b\x5d-\x7e]*$")  # what may stand in a quoted string
ERROR_PAGE = re.compile(r"^(@[A-Za-z0-9_-]+|((https?://)?[A-Za-z0-9\-.]+(:\d+)?)?(/[A-Za-z0-9\-_.]+)*/?)$")
MATCH_CN = re.compile(r"^CN=[\x20-\x7e]{1,1000}$")
VERIFY = ("on", "off", "optional", "optional_no_ca")
CIPHERS = re.compile(r"^[A-Za-z0-9!+@:._=-]+$")
MOST = 1_000_000


def read(reader: Reader) -> dict[str, Any]:
    allow = reader.networks("whitelist-source-range") or ()
    allow = (*allow, *(reader.networks("allowlist-source-range") or ()))
    return {
        "allow": allow,
        "deny": reader.networks("denylist-source-range") or (),
        "limits": _limits(reader),
        "basic": _basic(reader),
        "satisfy_any": reader.choice("satisfy", ("any", "all")) == "any",
        "client_tls": _client_tls(reader),
        "ciphers": reader.text("ssl-ciphers", CIPHERS, what="a list of ciphers") or "",
    }


def _limits(reader: Reader) -> Limits | None:
    exempt = (reader.networks("limit-whitelist") or ()) + (reader.networks("limit-allowlist") or ())
    found = Limits(
        rps=reader.integer("limit-rps", 0, MOST) or 0,
        rpm=reader.integer("limit-rpm", 0, MOST) or 0,
        connections=reader.integer("limit-connections", 0, MOST) or 0,
        burst=reader.integer("limit-burst-multiplier", 1, MOST) or 5,
        rate=(reader.integer("limit-rate", 0, MOST) or 0) << 10,
        rate_after=(reader.integer("limit-rate-after", 0, MOST) or 0) << 10,
        exempt=exempt,
    )
    return found if found.rps or found.rpm or found.connections or found.rate else None


def _basic(reader: Reader) -> Basic | None:
    kind = reader.text("auth-type")
    if kind is None:
        return None
    if kind != "basic":
        reader.deny("auth-type", f"{kind!r} is not supported: basic is, or auth-url")
        return None
    if not reader.given("auth-secret"):
        reader.deny("auth-secret", "it is not given")
        return None
    form = reader.choice("auth-secret-type", ("auth-file", "auth-map"))
    if form is None and reader.given("auth-secret-type"):
        reader.deny("auth-secret-type", "it is neither auth-file nor auth-map")
        return None
    realm = reader.text("auth-realm", REALM, what="a realm")
    key = reader.reference("auth-secret")
    if key is None:
        return None
    record = f"u:{'map' if form == 'auth-map' else 'file'}:{key}"
    reader.secrets.append(record)
    return Basic(secret=record, realm=realm or "")


def _client_tls(reader: Reader) -> ClientTLS | None:
    if not reader.given("auth-tls-secret"):
        return None
    verify = reader.choice("auth-tls-verify-client", VERIFY) or "on"
    if verify == "off":
        return None
    match_cn = reader.text("auth-tls-match-cn", MATCH_CN, what="a pattern that begins with CN=")
    if match_cn is None and reader.given("auth-tls-match-cn"):
        reader.deny("auth-tls-match-cn", "without it more clients would be let in")
        return None
    key = reader.reference("auth-tls-secret")
    if key is None:
        return None
    reader.secrets.append(f"a:{key}")
    return ClientTLS(
        secret=f"a:{key}",
        verify=verify,
        depth=reader.integer("auth-tls-verify-depth", 0, 100) or 1,
        error_page=reader.text("auth-tls-error-page", ERROR_PAGE, what="a page") or "",
        pass_certificate=reader.boolean("auth-tls-pass-certificate-to-upstream") or False,
        match_cn=match_cn or "",
    )
