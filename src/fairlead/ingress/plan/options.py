"""What a location does beside proxying: the typed form of annotations.

Fields are the Lua side's; None, False and empty are left out on the way there and mean the administrator's default, or
nothing. Times are in seconds, sizes in bytes, addresses "ADDRESS/BITS".
"""

import msgspec

Template = tuple[tuple[bool, str], ...]  # (is a variable, text): text with nginx's variables, taken apart


class Part(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The base of options."""


class Redirect(Part, frozen=True):
    code: int
    url: Template


class Cors(Part, frozen=True):
    """`origins`: "*", or origins of which a host may begin with "*."."""

    origins: tuple[str, ...] = ("*",)
    methods: str = "GET, PUT, POST, DELETE, PATCH, OPTIONS"
    headers: str = (
        "DNT,Keep-Alive,User-Agent,X-Requested-With,If-Modified-Since,Cache-Control,Content-Type,Range,Authorization"
    )
    expose: str = ""
    credentials: bool = True
    max_age: int = 1728000


class Limits(Part, frozen=True):
    """`rate` in bytes a second, behind `rate_after` bytes; `exempt`: sources that are not limited."""

    rps: int = 0
    rpm: int = 0
    connections: int = 0
    burst: int = 5
    rate: int = 0
    rate_after: int = 0
    exempt: tuple[str, ...] = ()


class Basic(Part, frozen=True):
    """`secret`: the key of the users' object."""

    secret: str
    realm: str = ""


class External(Part, frozen=True):
    """Who is asked before a request goes on. `backend`: where; `uri`: with which request; `host`: its Host header."""

    backend: str
    scheme: str
    host: str
    uri: Template
    method: str = ""
    signin: Template = ()
    redirect_param: str = "rd"
    response_headers: tuple[str, ...] = ()
    request_redirect: Template = ()
    set_headers_from: str = ""
    cache_key: Template = ()
    cache_seconds: tuple[tuple[int, float], ...] = ()  # status → seconds; 0 is any other
    always_set_cookie: bool = False


class ClientTLS(Part, frozen=True):
    """`secret`: the key of the authorities' object."""

    secret: str
    verify: str = "on"
    depth: int = 1
    error_page: str = ""
    pass_certificate: bool = False
    match_cn: str = ""


class Affinity(Part, frozen=True):
    name: str = "INGRESSCOOKIE"
    persistent: bool = False
    legacy_canary: bool = False
    expires: int | None = None
    max_age: int | None = None
    path: str = ""
    domain: str = ""
    samesite: str = ""
    conditional: bool = False
    secure: bool | None = None
    change_on_failure: bool = False


class Hash(Part, frozen=True):
    by: Template
    subset: bool = False
    subset_size: int = 3


class Canary(Part, frozen=True):
    header: str = ""
    value: str = ""
    pattern: str = ""
    cookie: str = ""
    weight: int = 0
    total: int = 100


class Mirror(Part, frozen=True):
    backend: str
    scheme: str
    host: str
    uri: Template
    body: bool = True


class Upstream(Part, frozen=True):
    """How a connection to the pods is made; with the administrator's defaults it names the location of nginx.conf."""

    protocol: str = "HTTP"
    buffering: bool | None = None
    request_buffering: bool | None = None
    buffer_size: int | None = None
    next: tuple[str, ...] | None = None


class Options(Part, frozen=True):
    denied: str = ""
    ssl_redirect: bool | None = None
    force_ssl_redirect: bool | None = None
    keep_slash: bool = False
    port_in_redirects: bool = False
    regex: bool = False
    rewrite: Template = ()
    app_root: str = ""
    redirect: Redirect | None = None
    relative: bool = False
    from_to_www: bool = False
    aliases: tuple[str, ...] = ()
    upstream: Upstream = Upstream()
    body_size: int | None = None
    connect_timeout: float | None = None
    send_timeout: float | None = None
    read_timeout: float | None = None
    tries: int | None = None
    vhost: Template = ()
    prefix: str = ""
    connection: str = ""
    redirect_from: str = ""
    redirect_to: Template = ()
    cookie_domain: tuple[str, str] | None = None
    cookie_path: tuple[str, str] | None = None
    tls_name: str = ""
    tls_secret: str = ""
    service_upstream: bool | None = None
    error_codes: tuple[int, ...] = ()
    error_backend: str = ""
    headers_from: str = ""
    cors: Cors | None = None
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    limits: Limits | None = None
    basic: Basic | None = None
    external: External | None = None
    global_auth: bool = True
    satisfy_any: bool = False
    client_tls: ClientTLS | None = None
    affinity: Affinity | None = None
    hash: Hash | None = None
    balance: str = ""
    canary: Canary | None = None
    mirror: Mirror | None = None
    log: bool = True
    passthrough: bool = False
    ciphers: str = ""
