"""Which pod a request goes to: balancing, sessions, canaries."""

import re
from typing import Any

from fairlead.ingress.plan.annotations.reader import TOKEN, Reader
from fairlead.ingress.plan.annotations.templates import template
from fairlead.ingress.plan.options import Affinity, Canary, Hash

COOKIE_PATH = re.compile(r"^/[A-Za-z0-9\-._~%!$&'()*+,=:@/]*$")
DOMAIN = re.compile(r"^[A-Za-z0-9.-]+$")
ALGORITHMS = ("round_robin", "ewma")
SAMESITE = {"none": "None", "lax": "Lax", "strict": "Strict"}
YEARS = 10 * 365 * 86400


def read(reader: Reader) -> dict[str, Any]:
    return {
        "balance": reader.choice("load-balance", ALGORITHMS) or "",
        "hash": _hash(reader),
        "affinity": _affinity(reader),
        "canary": _canary(reader),
    }


def _hash(reader: Reader) -> Hash | None:
    by = template(reader, "upstream-hash-by")
    if not by:
        return None
    return Hash(
        by=by,
        subset=reader.boolean("upstream-hash-by-subset") or False,
        subset_size=reader.integer("upstream-hash-by-subset-size", 1, 1000) or 3,
    )


def _affinity(reader: Reader) -> Affinity | None:
    if reader.choice("affinity", ("cookie",)) is None:
        return None
    samesite = reader.choice("session-cookie-samesite", SAMESITE, lower=True)
    return Affinity(
        name=reader.text("session-cookie-name", TOKEN, what="a cookie's name") or "INGRESSCOOKIE",
        persistent=reader.choice("affinity-mode", ("balanced", "persistent")) == "persistent",
        legacy_canary=reader.choice("affinity-canary-behavior", ("sticky", "legacy")) == "legacy",
        expires=reader.integer("session-cookie-expires", -YEARS, YEARS),
        max_age=reader.integer("session-cookie-max-age", -YEARS, YEARS),
        path=reader.text("session-cookie-path", COOKIE_PATH, what="a path") or "",
        domain=reader.text("session-cookie-domain", DOMAIN, what="a domain") or "",
        samesite=SAMESITE[samesite] if samesite else "",
        conditional=reader.boolean("session-cookie-conditional-samesite-none") or False,
        secure=reader.boolean("session-cookie-secure"),
        change_on_failure=reader.boolean("session-cookie-change-on-failure") or False,
    )


def _canary(reader: Reader) -> Canary | None:
    if not reader.boolean("canary"):
        return None
    total = reader.integer("canary-weight-total", 1, 1_000_000) or 100
    return Canary(
        header=reader.text("canary-by-header", TOKEN, what="a header's name") or "",
        value=reader.text("canary-by-header-value") or "",
        pattern=reader.text("canary-by-header-pattern") or "",
        cookie=reader.text("canary-by-cookie", TOKEN, what="a cookie's name") or "",
        weight=reader.integer("canary-weight", 0, max(total, 100)) or 0,
        total=max(total, 100),
    )
