"""The locations of nginx.conf that proxy: one for each combination of what nginx cannot vary by request. Pure."""

from collections.abc import Iterator

from fairlead.ingress.plan.defaults import Defaults
from fairlead.ingress.plan.profiles import (
    BODY_LIMITS,
    BUFFER_SIZES,
    INTERCEPTED,
    NEXT,
    codes_of,
    next_index,
    size_index,
    tunings,
)

FILTER = "header_filter_by_lua_block { fairlead.filter() }"
TAKE = 'rewrite_by_lua_block { require("fairlead.stash").take() }'
KEEP = 'rewrite_by_lua_block { require("fairlead.stash").take(true) }'
PASS = {"http": "proxy_pass http://fl_http;", "https": "proxy_pass https://fl_https;"}


def first(defaults: Defaults) -> list[str]:
    """What the location that requests reach first has: the administrator's defaults."""
    wanted = defaults.upstream
    return _tuned(
        bool(wanted.buffering),
        bool(wanted.request_buffering),
        size_index(wanted.buffer_size or 0),
        next_index(wanted.next or NEXT[1]),
    )


def all_of(defaults: Defaults) -> Iterator[str]:
    plain = first(defaults)
    yield _location("@http", TAKE, *plain, PASS["http"])
    for protocol in ("grpc", "grpcs"):
        target = f"grpc_pass {protocol}://fl_{protocol};"
        yield _location(f"@{protocol}", TAKE, target)
        for number, limit in enumerate(BODY_LIMITS):
            yield _location(f"@{protocol}_{number}", TAKE, f"client_max_body_size {limit};", target)
    for number, limit in enumerate(BODY_LIMITS):
        read = 'rewrite_by_lua_block { require("fairlead.body").rewrite() }'
        yield _location(f"@body_{number}", f"client_max_body_size {limit};", read, PASS["http"])
    for protocol, target in PASS.items():
        for body in ("off", "on"):
            for copy in PASS:
                name = f"@mirror_{protocol}_{copy}_{int(body == 'on')}"
                mirror = [f"mirror /_fairlead/mirror/{copy};", f"mirror_request_body {body};"]
                yield _location(name, TAKE, *mirror, *plain, target)
        for buffering, requests, size, following in tunings():
            name = f"@{protocol}_{int(buffering)}{int(requests)}{size}{following}"
            yield _location(name, TAKE, *_tuned(buffering, requests, size, following), target)
        for mask in range(1, 1 << len(INTERCEPTED)):
            codes = " ".join(map(str, codes_of(mask)))
            errors = ["proxy_intercept_errors on;", f"error_page {codes} = @error;"]
            yield _location(f"@errors_{protocol}_{mask}", KEEP, *errors, *plain, target)
    pair = [
        "proxy_ssl_certificate $fl_tls_certificate;",
        "proxy_ssl_certificate_key $fl_tls_key;",
        "proxy_ssl_session_reuse off;",
        "proxy_pass https://fl_https_pair;",
    ]
    yield _location("@https_pair", TAKE, *plain, *pair)
    error = 'rewrite_by_lua_block { require("fairlead.errors").rewrite() }'
    yield _location("@error", error, *plain, PASS["http"])


def _tuned(buffering: bool, requests: bool, size: int, following: int) -> list[str]:
    number = BUFFER_SIZES[size]
    return [
        f"proxy_buffering {'on' if buffering else 'off'};",
        f"proxy_request_buffering {'on' if requests else 'off'};",
        f"proxy_buffer_size {number};",
        f"proxy_buffers 16 {number};",
        f"proxy_busy_buffers_size {2 * number};",
        f"proxy_next_upstream {' '.join(NEXT[following])};",
    ]


def _location(name: str, *lines: str) -> str:
    body = "\n".join(f"            {line}" for line in (FILTER, *lines))
    return f"        location {name} {{\n{body}\n        }}\n"
