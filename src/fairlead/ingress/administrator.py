"""The controller's ConfigMap (`--configmap`): its keys, typed, and what each of them changes. Pure.

`Live` holds at once, `Defaults` once the Ingresses are planned again, `Static` after a reload of nginx.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import msgspec

from fairlead.ingress.administrator_keys import IGNORED, REFUSED
from fairlead.ingress.nginx.settings import Static
from fairlead.ingress.plan.annotations.external import external_of
from fairlead.ingress.plan.annotations.reader import TOKEN, Reader, size_of
from fairlead.ingress.plan.defaults import Defaults
from fairlead.ingress.plan.model import Problem
from fairlead.ingress.plan.options import External, Upstream
from fairlead.ingress.plan.profiles import FLAGS
from fairlead.ingress.plan.targets import Target

PROTOCOLS = ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
CIPHERS = re.compile(r"^[A-Za-z0-9!+@:._=-]+$")
MEDIA_TYPE = re.compile(r"^[A-Za-z0-9.+*-]+(/[A-Za-z0-9.+*-]+)?$")
LEVELS = ("debug", "info", "notice", "warn", "error", "crit", "alert", "emerg")
GZIP_TYPES = (
    "application/atom+xml application/javascript application/x-javascript application/json application/rss+xml "
    "application/vnd.ms-fontobject application/x-font-ttf application/x-web-app-manifest+json application/xhtml+xml "
    "application/xml font/opentype image/svg+xml image/x-icon text/css text/javascript text/plain text/x-component"
)


class Live(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Settings that the Lua code reads with each request. Times in seconds, sizes in bytes."""

    https_port: int = 443
    redirect_code: int = 308
    hsts: str = "max-age=31536000; includeSubDomains"
    exempt: tuple[str, ...] = ("/.well-known/acme-challenge",)
    no_auth: tuple[str, ...] = ("/.well-known/acme-challenge",)
    body_size: int = 1 << 20
    tries: int = 3
    connect_timeout: float = 5
    send_timeout: float = 60
    read_timeout: float = 60
    limit_status: int = 503
    log: bool = True
    use_forwarded_headers: bool = False
    full_forwarded_for: bool = False
    external: External | None = None
    default_backend: str = ""
    add_headers: str = ""
    set_headers: str = ""
    buffering: bool = False
    port_in_redirects: bool = False
    blocked_ranges: tuple[str, ...] = ()
    blocked_agents: tuple[str, ...] = ()
    blocked_referers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Administrator:
    """`config_maps` and `targets`: what the settings name besides."""

    live: Live = Live()  # noqa: RUF009  # frozen
    defaults: Defaults = Defaults()  # noqa: RUF009
    static: Static = Static()  # noqa: RUF009
    problems: tuple[Problem, ...] = ()
    config_maps: tuple[str, ...] = ()
    targets: tuple[Target, ...] = ()


def read(data: Mapping[str, str], where: str, base: Administrator) -> Administrator:
    """`where`: the ConfigMap's "namespace/name"; `base`: what holds without it."""
    namespace = where.partition("/")[0]
    reader = Reader(data, f"ConfigMap {where}", namespace, allow_other_namespaces=True)
    defaults, static = _defaults(reader, base.defaults), _static(reader, base.static)
    live = msgspec.structs.replace(_live(reader, base.live), buffering=bool(defaults.upstream.buffering))
    known = _KEYS | IGNORED | set(REFUSED)
    for name in sorted(data):
        if name in REFUSED:
            reader.refuse(name, REFUSED[name])
        elif name not in known:
            reader.refuse(name, "there is no such key")
    return Administrator(
        live, defaults, static, tuple(reader.problems), tuple(reader.config_maps), tuple(reader.targets)
    )


def _set(**given: Any) -> dict[str, Any]:
    """Without what is not given."""
    return {name: value for name, value in given.items() if value is not None}


def _live(reader: Reader, base: Live) -> Live:
    no_tls, no_auth = reader.words("no-tls-redirect-locations"), reader.words("no-auth-locations")
    statuses = [reader.integer(name, 400, 599) for name in ("limit-req-status-code", "limit-conn-status-code")]
    for name in ("add-headers", "proxy-set-headers"):
        if (key := reader.reference(name)) is not None:
            reader.config_maps.append(key)
    return msgspec.structs.replace(
        base,
        external=external_of(reader, "global-auth"),
        **_set(
            body_size=reader.size("proxy-body-size"),
            connect_timeout=reader.seconds("proxy-connect-timeout"),
            send_timeout=reader.seconds("proxy-send-timeout"),
            read_timeout=reader.seconds("proxy-read-timeout"),
            tries=reader.integer("proxy-next-upstream-tries", 0, 100),
            redirect_code=reader.integer("http-redirect-code", 300, 308),
            hsts=_hsts(reader),
            exempt=no_tls or None,
            no_auth=no_auth or None,
            limit_status=next((each for each in statuses if each is not None), None),
            use_forwarded_headers=reader.boolean("use-forwarded-headers"),
            full_forwarded_for=reader.boolean("compute-full-forwarded-for"),
            add_headers=reader.reference("add-headers"),
            set_headers=reader.reference("proxy-set-headers"),
            port_in_redirects=reader.boolean("use-port-in-redirects"),
            blocked_ranges=reader.networks("block-cidrs"),
            blocked_agents=_patterns(reader, "block-user-agents"),
            blocked_referers=_patterns(reader, "block-referers"),
            log=None if (off := reader.boolean("disable-access-log")) is None else not off,
        ),
    )


def _patterns(reader: Reader, name: str) -> tuple[str, ...]:
    """As nginx's `map` has them: `~REGEX`, `~*REGEX` or a whole text. One that is none is told, and the others hold."""
    found = []
    for each in reader.words(name):
        try:
            re.compile(each.removeprefix("~").removeprefix("*") if each.startswith("~") else "")
        except re.error as error:
            reader.refuse(name, f"{each!r} is no regular expression: {error}")
        else:
            found.append(each)
    return tuple(found)


def _hsts(reader: Reader) -> str:
    given = [reader.boolean(name) for name in ("hsts", "hsts-include-subdomains", "hsts-preload")]
    age = reader.integer("hsts-max-age", 0, 10**9)
    if given[0] is False:
        return ""
    text = f"max-age={31536000 if age is None else age}"
    return text + ("" if given[1] is False else "; includeSubDomains") + ("; preload" if given[2] else "")


def _defaults(reader: Reader, base: Defaults) -> Defaults:
    buffering, requests = (_switch(reader, name) for name in ("proxy-buffering", "proxy-request-buffering"))
    flags = reader.text("proxy-next-upstream")
    following = tuple(flags.split()) if flags is not None else base.upstream.next or ()
    if not set(following) <= FLAGS:
        reader.refuse("proxy-next-upstream", f"{flags!r} has a word that nginx does not know")
        following = base.upstream.next or ()
    if reader.boolean("retry-non-idempotent"):
        following = (*following, "non_idempotent")
    codes = []
    for each in reader.words("custom-http-errors"):
        if re.fullmatch(r"[3-5]\d\d", each):
            codes.append(int(each))
        else:
            reader.refuse("custom-http-errors", f"{each!r} is no status from 300 to 599")
    upstream = Upstream(
        buffering=base.upstream.buffering if buffering is None else buffering,
        request_buffering=base.upstream.request_buffering if requests is None else requests,
        buffer_size=reader.size("proxy-buffer-size") or base.upstream.buffer_size,
        next=following,
    )
    return replace(
        base,
        upstream=upstream,
        **_set(
            ssl_redirect=reader.boolean("ssl-redirect"),
            force_ssl_redirect=reader.boolean("force-ssl-redirect"),
            error_codes=tuple(sorted(set(codes))) or None,
            service_upstream=reader.boolean("service-upstream"),
            allow_other_namespaces=reader.boolean("allow-cross-namespace-resources"),
            strict_paths=reader.boolean("strict-validate-path-type"),
            balance=reader.choice("load-balance", ("round_robin", "ewma")),
            allow=reader.networks("whitelist-source-range") or reader.networks("allowlist-source-range"),
            deny=reader.networks("denylist-source-range"),
        ),
    )


def _static(reader: Reader, base: Static) -> Static:
    return replace(
        base,
        gzip_types=_gzip_types(reader),
        trusted_proxies=_trusted(reader),
        log_escape=_log_escape(reader),
        **_set(
            connections=reader.integer("max-worker-connections", 64, 1 << 20) or None,
            keep_alive=reader.integer("keep-alive", 0, 86400),
            keep_alive_requests=reader.integer("keep-alive-requests", 1, 10**9),
            upstream_keepalive=reader.integer("upstream-keepalive-connections", 1, 100_000),
            upstream_keepalive_timeout=reader.integer("upstream-keepalive-timeout", 1, 86400),
            upstream_keepalive_requests=reader.integer("upstream-keepalive-requests", 1, 10**9),
            client_header_timeout=reader.integer("client-header-timeout", 1, 86400),
            client_header_buffer_size=reader.size("client-header-buffer-size"),
            header_buffers=_header_buffers(reader),
            client_body_timeout=reader.integer("client-body-timeout", 1, 86400),
            client_body_buffer_size=reader.size("client-body-buffer-size"),
            underscores_in_headers=reader.boolean("enable-underscores-in-headers"),
            ignore_invalid_headers=reader.boolean("ignore-invalid-headers"),
            server_tokens=reader.boolean("server-tokens"),
            http2=reader.boolean("use-http2"),
            http2_streams=reader.integer("http2-max-concurrent-streams", 1, 10_000),
            proxy_protocol=reader.boolean("use-proxy-protocol"),
            protocols=_protocols(reader),
            ciphers=reader.text("ssl-ciphers", CIPHERS, what="a list of ciphers"),
            session_cache=reader.boolean("ssl-session-cache"),
            session_tickets=reader.boolean("ssl-session-tickets"),
            session_timeout=_whole(reader.seconds("ssl-session-timeout")),
            tls_buffer_size=reader.size("ssl-buffer-size"),
            shutdown_timeout=_whole(reader.seconds("worker-shutdown-timeout")),
            log_format=reader.text("log-format-upstream"),
            access_log=None if (off := reader.boolean("disable-access-log")) is None else not off,
            error_level=reader.choice("error-log-level", LEVELS),
            real_ip_header=reader.text("forwarded-for-header", TOKEN, what="a header's name"),
            gzip_level=reader.integer("gzip-level", 1, 9),
            gzip_min_length=reader.integer("gzip-min-length", 0, 10**9),
        ),
    )


def _switch(reader: Reader, name: str) -> bool | None:
    value = reader.choice(name, ("on", "off"))
    return None if value is None else value == "on"


def _whole(seconds: float | None) -> int | None:
    return None if seconds is None else max(1, int(seconds))


def _log_escape(reader: Reader) -> Literal["default", "json", "none"]:
    if reader.boolean("log-format-escape-none"):
        return "none"
    return "json" if reader.boolean("log-format-escape-json") else "default"


def _protocols(reader: Reader) -> tuple[str, ...] | None:
    text = reader.text("ssl-protocols")
    if text is None:
        return None
    found = tuple(text.split())
    if not found or not set(found) <= set(PROTOCOLS):
        reader.refuse("ssl-protocols", f"{text!r} has another word than {', '.join(PROTOCOLS)}")
        return None
    return found


def _header_buffers(reader: Reader) -> tuple[int, int] | None:
    text = reader.text("large-client-header-buffers")
    if text is None:
        return None
    words = text.split()
    size = size_of(words[1]) if len(words) == 2 else None
    if size is None or not words[0].isdigit() or not 1 <= int(words[0]) <= 64:
        reader.refuse("large-client-header-buffers", f"{text!r} is not a number and a size")
        return None
    return int(words[0]), size


def _gzip_types(reader: Reader) -> tuple[str, ...]:
    if not reader.boolean("use-gzip"):
        return ()
    found = tuple((reader.text("gzip-types") or GZIP_TYPES).split())
    for each in found:
        if not MEDIA_TYPE.match(each):
            reader.refuse("gzip-types", f"{each!r} is no media type")
            return tuple(GZIP_TYPES.split())
    return tuple(each for each in found if each != "text/html")  # which is always compressed


def _trusted(reader: Reader) -> tuple[str, ...]:
    """Whose word on the client's address counts: everybody's, unless the administrator says whose."""
    wanted = [reader.boolean(each) for each in ("use-forwarded-headers", "use-proxy-protocol", "enable-real-ip")]
    if not any(wanted):
        return ()
    return reader.networks("proxy-real-ip-cidr") or ("0.0.0.0/0",)


class _Recorder(dict[str, str]):
    """Remembers which keys were looked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: set[str] = set()

    def get(self, key: str, default: Any = None) -> Any:
        self.asked.add(key)
        return default


def _keys() -> frozenset[str]:
    """Every key that is read: what `read` asks for."""
    recorder = _Recorder()
    reader = Reader(recorder, "", "")
    _live(reader, Live()), _defaults(reader, Defaults()), _static(reader, Static())
    more = {"gzip-types", "proxy-real-ip-cidr", "allowlist-source-range", "log-format-escape-json"}
    auth = {"method", "signin", "signin-redirect-param", "response-headers", "request-redirect", "cache-key"}
    auth |= {"cache-duration", "always-set-cookie"}
    return frozenset(recorder.asked | more | {f"global-auth-{each}" for each in auth})


_KEYS = _keys()
KNOWN = _KEYS
