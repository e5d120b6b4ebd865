"""What clients see besides the pods' answers: CORS, headers, error pages, logs; and who gets a copy of a request."""

import re
from typing import Any

from fairlead.ingress.plan.annotations.reader import NAME, Reader
from fairlead.ingress.plan.annotations.templates import compiled
from fairlead.ingress.plan.options import Cors, Mirror
from fairlead.ingress.plan.targets import Target, of_url

ORIGIN = re.compile(r"^(\*|(https?|[A-Za-z][A-Za-z0-9+.-]*)://(\*\.)?[A-Za-z0-9\-.]+(:\d+)?)$")
METHODS = re.compile(r"^[A-Za-z]+(,\s*[A-Za-z]+)*$")
HEADERS = re.compile(r"^(\*|[A-Za-z0-9\-_]+(,\s*[A-Za-z0-9\-_]+)*)$")
HOST = re.compile(r"^[A-Za-z0-9.-]+(:\d+)?$")
FIRST_PORT = ""


def read(reader: Reader) -> dict[str, Any]:
    headers = reader.reference("custom-headers")
    if headers is not None:
        reader.config_maps.append(headers)
    return {
        "cors": _cors(reader),
        "error_codes": _error_codes(reader),
        "error_backend": _default_backend(reader),
        "headers_from": headers or "",
        "mirror": _mirror(reader),
        "log": reader.boolean("enable-access-log") is not False,
    }


def _cors(reader: Reader) -> Cors | None:
    if not reader.boolean("enable-cors"):
        return None
    origins = []
    for each in reader.words("cors-allow-origin") or ("*",):
        if ORIGIN.match(each):
            origins.append(each)
        else:
            reader.refuse("cors-allow-origin", f"{each!r} is no origin")
    fallback = Cors()
    credentials = reader.boolean("cors-allow-credentials")
    max_age = reader.integer("cors-max-age", 0, 10**9)
    return Cors(
        origins=tuple(origins),
        methods=reader.text("cors-allow-methods", METHODS, what="methods") or fallback.methods,
        headers=reader.text("cors-allow-headers", HEADERS, what="headers") or fallback.headers,
        expose=reader.text("cors-expose-headers", HEADERS, what="headers") or "",
        credentials=credentials is not False,
        max_age=fallback.max_age if max_age is None else max_age,
    )


def _error_codes(reader: Reader) -> tuple[int, ...]:
    codes = []
    for each in reader.words("custom-http-errors"):
        if re.fullmatch(r"[3-5]\d\d", each):
            codes.append(int(each))
        else:
            reader.refuse("custom-http-errors", f"{each!r} is no status from 300 to 599")
    return tuple(sorted(set(codes)))


def _default_backend(reader: Reader) -> str:
    """The key of a Service's first port."""
    name = reader.text("default-backend", NAME, what="a Service's name")
    if not name:
        return ""
    target = Target(reader.namespace, name, FIRST_PORT)
    reader.targets.append(target)
    return target.key


def _mirror(reader: Reader) -> Mirror | None:
    url = reader.text("mirror-target")
    if not url:
        return None
    found = of_url(url)
    if found is None or "$" in found[1].netloc:
        reader.refuse("mirror-target", f"{url!r} is no http or https URL with a host")
        return None
    target, parts = found
    uri = compiled(parts.path + (f"?{parts.query}" if parts.query else "")) if parts.path else ((True, "request_uri"),)
    if isinstance(uri, str):
        reader.refuse("mirror-target", f"the variable ${uri} has no meaning here")
        return None
    reader.targets.append(target)
    return Mirror(
        backend=target.key,
        scheme=parts.scheme,
        host=reader.text("mirror-host", HOST, what="a host") or parts.netloc,
        uri=uri,
        body=reader.choice("mirror-request-body", ("on", "off")) != "off",
    )
