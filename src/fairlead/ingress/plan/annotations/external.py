"""Authentication by asking somebody else (`auth-url`)."""

import re
from typing import Any

from fairlead.ingress.plan.annotations.reader import TOKEN, Reader, seconds_of
from fairlead.ingress.plan.annotations.templates import compiled, template
from fairlead.ingress.plan.options import External
from fairlead.ingress.plan.targets import of_url

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
PARAMETER = re.compile(r"^[A-Za-z0-9_.-]+$")
DEFAULT_CACHE = "200 202 401 5m"


def read(reader: Reader) -> dict[str, Any]:
    enabled = reader.boolean("enable-global-auth")
    return {"external": external_of(reader, "auth"), "global_auth": enabled is not False}


def external_of(reader: Reader, prefix: str) -> External | None:
    """`prefix`: of the names, "auth" or the administrator's "global-auth"."""
    url = reader.text(f"{prefix}-url")
    if not url:
        return None
    # Only path and query may have variables: the host says where the request's own headers go.
    found = of_url(url)
    if found is None or "$" in found[1].netloc:
        reader.deny(f"{prefix}-url", f"{url!r} is no http or https URL with a host")
        return None
    target, parts = found
    uri = compiled((parts.path or "/") + (f"?{parts.query}" if parts.query else ""))
    if isinstance(uri, str):
        reader.deny(f"{prefix}-url", f"the variable ${uri} has no meaning here")
        return None
    reader.targets.append(target)
    headers = reader.words(f"{prefix}-response-headers")
    for each in headers:
        if not TOKEN.match(each):
            reader.deny(f"{prefix}-response-headers", f"{each!r} is no header's name")
            return None
    config_map = reader.reference(f"{prefix}-proxy-set-headers")
    if config_map is not None:
        reader.config_maps.append(config_map)
    cache_key = template(reader, f"{prefix}-cache-key")
    return External(
        backend=target.key,
        scheme=parts.scheme,
        host=parts.netloc,
        uri=uri,
        method=reader.choice(f"{prefix}-method", METHODS) or "",
        signin=template(reader, f"{prefix}-signin"),
        redirect_param=reader.text(f"{prefix}-signin-redirect-param", PARAMETER, what="a parameter's name") or "rd",
        response_headers=headers,
        request_redirect=template(reader, f"{prefix}-request-redirect"),
        set_headers_from=config_map or "",
        cache_key=cache_key,
        cache_seconds=_durations(reader, prefix) if cache_key else (),
        always_set_cookie=reader.boolean(f"{prefix}-always-set-cookie") or False,
    )


def _durations(reader: Reader, prefix: str) -> tuple[tuple[int, float], ...]:
    """ "200 202 10m, 401 5m": statuses and how long their answers are kept; without a status, of 200, 301 and 302."""
    found: dict[int, float] = {}
    for each in reader.words(f"{prefix}-cache-duration") or (DEFAULT_CACHE,):
        *codes, duration = each.split()
        seconds = seconds_of(duration)
        if seconds is None or not all(re.fullmatch(r"[1-5]\d\d|any", code) for code in codes):
            reader.refuse(f"{prefix}-cache-duration", f"{each!r} is not statuses and a time")
            continue
        for code in codes or ("200", "301", "302"):
            found[0 if code == "any" else int(code)] = seconds
    return tuple(sorted(found.items()))
