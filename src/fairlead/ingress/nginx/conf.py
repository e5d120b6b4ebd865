"""nginx.conf, from typed administrator settings and nothing else. Pure.

No byte of a tenant is ever in it: what Ingresses say is data that the Lua code reads, and what nginx cannot vary by
request is a finite set of locations that stand here from the start.
"""

from fairlead.ingress.nginx import locations
from fairlead.ingress.nginx.settings import LUA, PASSTHROUGH_PORT, Place, Static
from fairlead.ingress.plan.defaults import Defaults

MODULES = ("ndk_http_module", "ngx_http_lua_module")
PARTS = ("request", "response", "certificate", "control", "metrics", "errors", "mirror", "body")
# Sent to pods. A client cannot say these itself: each is set, or taken away where it is empty. What Lua can change is a
# map over a variable of Lua's; the location that requests reach first has nothing changed, and no maps to pay for.
HEADERS = (
    ("Host", "$to_host"),
    ("X-Request-ID", "$req_id"),
    ("X-Real-IP", "$remote_addr"),
    ("X-Forwarded-For", "$to_forwarded_for"),
    ("X-Forwarded-Host", "$to_forwarded_host"),
    ("X-Forwarded-Port", "$to_port"),
    ("X-Forwarded-Proto", "$to_scheme"),
    ("X-Forwarded-Scheme", "$to_scheme"),
    ("X-Scheme", "$to_scheme"),
    ("X-Original-Forwarded-For", "$http_x_forwarded_for"),
    ("X-Original-Forwarded-Host", "$http_x_forwarded_host"),
    ("Proxy", '""'),  # httpoxy (CVE-2016-5387)
)
AWAY = 418  # what leads a request from the first location on to the others; nobody sees it
CHANGED = (
    ("host", "$http_host"),
    ("forwarded_host", "$http_host"),
    ("forwarded_for", "$remote_addr"),
    ("port", "$own_port"),
    ("scheme", "$scheme"),
    ("connection", "$connection_upgrade"),
)
DECLARED = (
    "fl_host", "fl_forwarded_host", "fl_forwarded_for", "fl_port", "fl_scheme", "fl_connection", "fl_log",
    "proxy_upstream_name", "fl_stash", "proxy_alternative_upstream_name", "fl_limit_rate_after", "fl_tls_name",
    "fl_tls_certificate", "fl_tls_key", "fl_mirror", "fl_mirror_uri", "fl_mirror_host", "fl_sub_uri", "fl_sub_host",
    "fl_sub_original", "fl_sub_redirect", "fl_sub_method", "fl_hsts", "fl_id",
)  # fmt: skip


def render(place: Place, static: Static, defaults: Defaults) -> str:
    folder = place.folder
    user = f"user {place.user};\n" if place.user else ""
    modules = "".join(f"load_module modules/{name}.so;\n" for name in MODULES)
    parts = ", ".join(f'"{name}"' for name in PARTS)
    return f"""\
{modules}{user}daemon off;
worker_processes {place.workers};
worker_shutdown_timeout {static.shutdown_timeout}s;
pid {folder}/nginx.pid;
error_log stderr {static.error_level};

events {{
    worker_connections {min(static.connections, place.files // 2)};
    multi_accept on;
}}

http {{
    lua_package_path "{LUA}/?.lua;/usr/share/lua/5.1/?.lua;;";
    lua_shared_dict fl_data {static.dictionary};
    lua_shared_dict fl_index {max(static.dictionary // 8, 1 << 20)};
    lua_shared_dict fl_changes 4m;
    lua_shared_dict fl_metrics 32m;
    lua_shared_dict fl_limits 16m;
    lua_shared_dict fl_auth 8m;
    lua_regex_match_limit 100000;
    lua_regex_cache_max_entries 4096;
    init_by_lua_block {{
        require("resty.core")
        for _, name in ipairs({{ {parts} }}) do
            require("fairlead." .. name)
        end
        fairlead = require("fairlead.phases")
        require("fairlead.settings").anonymous = {"true" if static.server_tokens is False else "false"}
        require("fairlead.store").load("{folder}/snapshot")
    }}
    init_worker_by_lua_block {{ require("fairlead.metrics").start() }}
    exit_worker_by_lua_block {{ require("fairlead.metrics").flush() }}

    client_body_temp_path {place.work}/body;
    proxy_temp_path {place.work}/proxy;
    fastcgi_temp_path {place.work}/fastcgi;
    uwsgi_temp_path {place.work}/uwsgi;
    scgi_temp_path {place.work}/scgi;
    default_type text/html;
    server_tokens {_switch(bool(static.server_tokens))};
    sendfile on;
    tcp_nopush on;
    tcp_nodelay on;
    request_pool_size 8k;
    aio threads;
    port_in_redirect off;
    reset_timedout_connection on;
    uninitialized_variable_warn off;
    keepalive_timeout {static.keep_alive}s;
    keepalive_requests {static.keep_alive_requests};
    client_header_timeout {static.client_header_timeout}s;
    client_header_buffer_size {static.client_header_buffer_size};
    large_client_header_buffers {static.header_buffers[0]} {static.header_buffers[1]};
    client_body_buffer_size {static.client_body_buffer_size};
    client_body_timeout {static.client_body_timeout}s;
    client_max_body_size 0;
    variables_hash_bucket_size 256;
    variables_hash_max_size 2048;
    underscores_in_headers {_switch(static.underscores_in_headers)};
    ignore_invalid_headers {_switch(static.ignore_invalid_headers)};
    limit_rate_after $fl_limit_rate_after;
{_real_ip(static, passthrough=place.passthrough)}{_gzip(static)}
    ssl_protocols {" ".join(static.protocols)};
    ssl_ciphers "{static.ciphers}";
    ssl_prefer_server_ciphers on;
    ssl_session_cache {"shared:fl_sessions:10m" if static.session_cache else "off"};
    ssl_session_timeout {static.session_timeout}s;
    ssl_session_tickets {_switch(static.session_tickets)};
    ssl_buffer_size {static.tls_buffer_size};
    ssl_certificate {folder}/control/default.pem;
    ssl_certificate_key {folder}/control/default.pem;
    http2_max_concurrent_streams {static.http2_streams};

    map $http_upgrade $connection_upgrade {{
        default upgrade;
        "" "";
    }}
    map $fl_id $made_id {{
        default $fl_id;
        "" $request_id;
    }}
    map $http_x_request_id $req_id {{
        default $http_x_request_id;
        "" $made_id;
    }}
    map $http_x_request_id $straight_id {{
        default $http_x_request_id;
        "" $fl_id;
    }}
{_maps()}
    map $server_port $own_port {{
        default $server_port;
        {PASSTHROUGH_PORT} 443;
        {place.https_port} 443;
    }}
    map $fl_log $fl_logged {{
        default 0;
        "" 1;
    }}
    log_format upstreaminfo escape={static.log_escape} {_quoted(static.log_format)};
    access_log {_access_log(place, static)};

{_upstreams(static)}
{_proxy_settings()}
    server {{
        server_name _;
{_listen(place, static)}
        ssl_certificate_by_lua_block {{ require("fairlead.certificate").serve() }}
        log_by_lua_block {{ fairlead.log() }}

        location = /_fairlead/declared {{
            internal;
{_variables()}
        }}
        # The straight way. Not for bodies, whose limits differ, nor for HTTP/2, which does not say if there is one.
        location / {{
            if ($content_length) {{ return {AWAY}; }}
            if ($http_transfer_encoding) {{ return {AWAY}; }}
            if ($http2) {{ return {AWAY}; }}
            set_by_lua_block $fl_id {{ return fairlead.enter() }}
            if ($fl_id = "") {{ return {AWAY}; }}
            error_page {AWAY} = @any;
            recursive_error_pages on;
            add_header Strict-Transport-Security $fl_hsts always;
            {_lines([*_unchanged(place, "$straight_id"), *locations.first(defaults)], 12)}
            proxy_pass http://fl_http;
        }}
        location @any {{
            {locations.FILTER}
            rewrite_by_lua_block {{ fairlead.rewrite() }}
            {_lines([*_unchanged(place, "$req_id"), *locations.first(defaults)], 12)}
            proxy_pass http://fl_http;
        }}

{"".join(locations.all_of(defaults))}
{_questions()}
    }}

    server {{
        listen unix:{place.socket};
        access_log off;
        client_max_body_size 64m;
        client_body_buffer_size 64m;
        client_body_in_single_buffer on;
        keepalive_requests 1000000000;
        keepalive_timeout 1d;
        location / {{
            content_by_lua_block {{ require("fairlead.control").serve() }}
        }}
    }}
}}
"""


def _variables() -> str:
    """Declared where nobody comes by: `set` elsewhere would be done again by every subrequest, and takes its time."""
    return "\n".join(f'            set ${name} "";' for name in DECLARED)


def _maps() -> str:
    return "".join(
        f"""\
    map $fl_{name} $to_{name} {{
        default $fl_{name};
        "" {value};
    }}
"""
        for name, value in CHANGED
    )


def _unchanged(place: Place, request_id: str) -> list[str]:
    plain = {f"$to_{name}": value for name, value in CHANGED} | {"$req_id": request_id}
    if not place.passthrough:
        plain["$to_port"] = "$server_port"
    lines = ["proxy_set_header Upgrade $http_upgrade;", "proxy_set_header Connection $connection_upgrade;"]
    return lines + [f"proxy_set_header {name} {plain.get(value, value)};" for name, value in HEADERS]


def _upstreams(static: Static) -> str:
    """Connections of one kind are never taken for another: TLS apart from plain, and with a pair of the Ingress's own
    none is kept."""
    kept = f"""\
        keepalive {static.upstream_keepalive};
        keepalive_timeout {static.upstream_keepalive_timeout}s;
        keepalive_requests {static.upstream_keepalive_requests};
"""
    kinds = {"fl_http": kept, "fl_https": kept, "fl_grpc": kept, "fl_grpcs": kept, "fl_https_pair": ""}
    return "".join(
        f"""\
    upstream {name} {{
        server 0.0.0.1;
        balancer_by_lua_block {{ fairlead.balance() }}
{keep}    }}
"""
        for name, keep in kinds.items()
    )


def _proxy_settings() -> str:
    lines = ["proxy_http_version 1.1;", "proxy_set_header Upgrade $http_upgrade;"]
    lines.append("proxy_set_header Connection $to_connection;")
    for kind in ("proxy", "grpc"):
        lines += [f"{kind}_set_header {name} {value};" for name, value in HEADERS]
        lines += [f"{kind}_connect_timeout 5s;", f"{kind}_send_timeout 60s;", f"{kind}_read_timeout 60s;"]
        lines += [f"{kind}_ssl_server_name on;", f"{kind}_ssl_name $fl_tls_name;"]
    lines += ["grpc_next_upstream error timeout;", "proxy_max_temp_file_size 1024m;", "proxy_redirect off;"]
    return f"    {_lines(lines, 4)}\n"


def _questions() -> str:
    """Requests of our own beside a client's: to the judge of `auth-url`, and copies for `mirror-target`."""
    found = []
    for scheme in ("http", "https"):
        found.append(f"""\
        location = /_fairlead/auth/{scheme} {{
            internal;
            access_log off;
            {locations.FILTER}
            rewrite_by_lua_block {{ require("fairlead.external").rewrite() }}
            proxy_pass_request_body off;
            proxy_set_header Content-Length "";
            proxy_set_header Upgrade "";
            proxy_set_header Connection "";
            proxy_set_header Host $fl_sub_host;
            proxy_set_header X-Original-URL $fl_sub_original;
            proxy_set_header X-Original-Method $fl_sub_method;
            proxy_set_header X-Auth-Request-Redirect $fl_sub_redirect;
            proxy_set_header X-Sent-From nginx-ingress-controller;
            proxy_set_header X-Request-ID $req_id;
            proxy_set_header X-Real-IP $remote_addr;
            proxy_set_header X-Forwarded-For $to_forwarded_for;
            proxy_set_header X-Forwarded-Proto "";
            proxy_ssl_name $fl_sub_host;
            proxy_pass {scheme}://fl_{scheme}$fl_sub_uri;
        }}
        location = /_fairlead/mirror/{scheme} {{
            internal;
            access_log off;
            {locations.FILTER}
            rewrite_by_lua_block {{ require("fairlead.mirror").rewrite() }}
            proxy_set_header Host $fl_mirror_host;
            proxy_set_header X-Request-ID $req_id;
            proxy_set_header X-Real-IP $remote_addr;
            proxy_set_header X-Forwarded-For $to_forwarded_for;
            proxy_ssl_name $fl_mirror_host;
            proxy_pass {scheme}://fl_{scheme}$fl_mirror_uri;
        }}
""")
    return "".join(found)


def _listen(place: Place, static: Static) -> str:
    lines = []
    proxied = " proxy_protocol" if static.proxy_protocol else ""
    secure = ("ssl http2" if static.http2 else "ssl") + proxied
    for address in place.listen:
        hosts = [f"{address}:" if address else ""]
        if not address and place.ipv6:
            hosts.append("[::]:")
        for host in hosts:
            lines.append(f"        listen {host}{place.http_port} default_server reuseport backlog=4096{proxied};")
            if not place.passthrough:
                lines.append(f"        listen {host}{place.https_port} default_server reuseport backlog=4096 {secure};")
    if place.passthrough:
        also = "" if static.proxy_protocol else " proxy_protocol"
        lines.append(f"        listen 127.0.0.1:{PASSTHROUGH_PORT} default_server backlog=4096 {secure}{also};")
    return "\n".join(lines)


def _real_ip(static: Static, *, passthrough: bool) -> str:
    """Whom others before us may name as the client."""
    if not static.trusted_proxies and passthrough:
        return "    set_real_ip_from 127.0.0.1;\n    real_ip_header proxy_protocol;\n"
    if not static.trusted_proxies:
        return ""
    lines = [f"set_real_ip_from {network};" for network in static.trusted_proxies]
    lines.append(f"real_ip_header {'proxy_protocol' if static.proxy_protocol else static.real_ip_header};")
    lines.append("real_ip_recursive on;")
    return f"    {_lines(lines, 4)}\n"


def _gzip(static: Static) -> str:
    if not static.gzip_types:
        return ""
    lines = ["gzip on;", f"gzip_comp_level {static.gzip_level};", "gzip_http_version 1.1;", "gzip_proxied any;"]
    lines += [
        f"gzip_min_length {static.gzip_min_length};",
        f"gzip_types {' '.join(static.gzip_types)};",
        "gzip_vary on;",
    ]
    return f"    {_lines(lines, 4)}\n"


def _access_log(place: Place, static: Static) -> str:
    if not static.access_log or place.access_log == "off":
        return "off"
    return f"{place.access_log} upstreaminfo if=$fl_logged"


def _lines(lines: list[str], indent: int) -> str:
    return f"\n{' ' * indent}".join(lines)


def _switch(on: bool) -> str:
    return "on" if on else "off"


def _quoted(text: str) -> str:
    """As one argument of nginx's configuration."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
