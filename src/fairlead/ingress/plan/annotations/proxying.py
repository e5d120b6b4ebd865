"""How a request goes on to the pods: protocol, sizes, times, retries, headers."""

import re
from typing import Any

from fairlead.ingress.plan.annotations.reader import Reader
from fairlead.ingress.plan.annotations.templates import template
from fairlead.ingress.plan.options import Upstream
from fairlead.ingress.plan.profiles import FLAGS, PROTOCOLS

HEADER_VALUE = re.compile(r"^[\x20-\x7e]+$")
PREFIX = re.compile(r"^/[A-Za-z0-9\-._~%/]*$")
SERVER_NAME = re.compile(r"^[A-Za-z0-9*.-]+$")
REDIRECT = re.compile(r"^[A-Za-z0-9\-._~%:/?#\[\]@!$&'()*+,;=]+$")
ON_OFF = ("on", "off")


def read(reader: Reader) -> dict[str, Any]:
    for name in ("proxy-http-version",):
        if reader.text(name) not in (None, "1.1"):
            reader.refuse(name, "connections to pods are HTTP/1.1, or they could not be kept")
    if reader.boolean("proxy-ssl-verify") or reader.text("proxy-ssl-verify") == "on":
        reader.deny(
            "proxy-ssl-verify", "this nginx cannot verify pods by an Ingress's own authority, so none is served"
        )
    source, target = reader.text("proxy-redirect-from", REDIRECT, what="an URL"), template(reader, "proxy-redirect-to")
    return {
        "upstream": _upstream(reader),
        "body_size": reader.size("proxy-body-size"),
        "connect_timeout": reader.seconds("proxy-connect-timeout"),
        "send_timeout": reader.seconds("proxy-send-timeout"),
        "read_timeout": reader.seconds("proxy-read-timeout"),
        "tries": reader.integer("proxy-next-upstream-tries", 0, 100),
        "vhost": template(reader, "upstream-vhost"),
        "prefix": reader.text("x-forwarded-prefix", PREFIX, what="a path") or "",
        "connection": reader.text("connection-proxy-header", HEADER_VALUE, what="a header's value") or "",
        "redirect_from": source if source not in (None, "off") else "",
        "redirect_to": target,
        "cookie_domain": _pair(reader, "proxy-cookie-domain"),
        "cookie_path": _pair(reader, "proxy-cookie-path"),
        "tls_name": _tls_name(reader),
        "tls_secret": _tls_secret(reader),
        "passthrough": reader.boolean("ssl-passthrough") or False,
        "service_upstream": reader.boolean("service-upstream"),
    }


def _upstream(reader: Reader) -> Upstream:
    protocol = (reader.text("backend-protocol") or "HTTP").upper()
    if protocol not in PROTOCOLS:
        reader.deny("backend-protocol", f"{protocol!r} is none of {', '.join(sorted(PROTOCOLS))}")
        protocol = "HTTP"
    buffering = reader.choice("proxy-buffering", ON_OFF)
    requests = reader.choice("proxy-request-buffering", ON_OFF)
    flags = reader.text("proxy-next-upstream")
    chosen = tuple(flags.split()) if flags is not None else None
    if chosen is not None and not set(chosen) <= FLAGS:
        reader.refuse("proxy-next-upstream", f"{flags!r} has a word that nginx does not know")
        chosen = None
    return Upstream(
        protocol=protocol,
        buffering=None if buffering is None else buffering == "on",
        request_buffering=None if requests is None else requests == "on",
        buffer_size=reader.size("proxy-buffer-size"),
        next=chosen,
    )


def _pair(reader: Reader, name: str) -> tuple[str, str] | None:
    """ "FROM TO", as nginx's directives have it."""
    value = reader.text(name)
    if value in (None, "off"):
        return None
    assert value is not None
    words = value.split()
    if len(words) != 2 or any("$" in each or each.startswith("~") for each in words):
        reader.refuse(name, f"{value!r} is not one text and what stands for it; patterns and variables are not taken")
        return None
    return words[0], words[1]


def _tls_name(reader: Reader) -> str:
    sends = reader.text("proxy-ssl-server-name")
    name = reader.text("proxy-ssl-name", SERVER_NAME, what="a server's name") or ""
    return name if sends in ("on", "true") or (sends is None and name) else ""


def _tls_secret(reader: Reader) -> str:
    key = reader.reference("proxy-ssl-secret")
    if key is None:
        return ""
    reader.secrets.append(f"c:{key}")
    return key
