"""nginx.conf, from typed administrator settings and nothing else. Pure.

No byte of a tenant is ever in it: what Ingresses say is data that the Lua code reads, and what nginx cannot vary by
request is a finite set of locations that stand here from the start.
"""

from fairlead.ingress.nginx.settings import LUA, Place, Static

MODULES = ("ndk_http_module", "ngx_http_lua_module")


def render(place: Place, static: Static) -> str:
    folder = place.folder
    user = f"user {place.user};\n" if place.user else ""
    modules = "".join(f"load_module modules/{name}.so;\n" for name in MODULES)
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
    lua_regex_match_limit 100000;
    init_by_lua_block {{
        require("resty.core")
        for _, name in ipairs({{ "balance", "certificate", "control", "request", "response", "metrics" }}) do
            require("fairlead." .. name)
        end
        require("fairlead.store").load("{folder}/snapshot")
    }}
    init_worker_by_lua_block {{ require("fairlead.metrics").start() }}
    exit_worker_by_lua_block {{ require("fairlead.metrics").flush() }}

    client_body_temp_path {folder}/work/body;
    proxy_temp_path {folder}/work/proxy;
    fastcgi_temp_path {folder}/work/fastcgi;
    uwsgi_temp_path {folder}/work/uwsgi;
    scgi_temp_path {folder}/work/scgi;
    default_type text/html;
    server_tokens off;
    sendfile on;
    tcp_nopush on;
    tcp_nodelay on;
    aio threads;
    port_in_redirect off;
    reset_timedout_connection on;
    keepalive_timeout {static.keep_alive}s;
    keepalive_requests {static.keep_alive_requests};
    client_header_buffer_size 1k;
    large_client_header_buffers 4 8k;
    client_max_body_size 0;
    server_names_hash_bucket_size 128;
    variables_hash_bucket_size 256;
    variables_hash_max_size 2048;
    underscores_in_headers off;
    ignore_invalid_headers on;

    ssl_protocols {" ".join(static.protocols)};
    ssl_ciphers "{static.ciphers}";
    ssl_prefer_server_ciphers on;
    ssl_session_cache shared:fl_sessions:10m;
    ssl_session_timeout 10m;
    ssl_session_tickets off;
    ssl_buffer_size 4k;
    ssl_certificate {folder}/control/default.pem;
    ssl_certificate_key {folder}/control/default.pem;

    map $http_upgrade $connection_upgrade {{
        default upgrade;
        "" "";
    }}
    map $http_x_request_id $req_id {{
        default $http_x_request_id;
        "" $request_id;
    }}
    log_format upstreaminfo escape=default {_quoted(static.log_format)};
    access_log {_access_log(place, static)};

{_upstream("fl_http", static)}
{_upstream("fl_https", static)}
    proxy_http_version 1.1;
    proxy_set_header Host $fl_host;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection $connection_upgrade;
    proxy_set_header X-Request-ID $req_id;
    proxy_set_header X-Real-IP $remote_addr;
    proxy_set_header X-Forwarded-For $remote_addr;
    proxy_set_header X-Forwarded-Host $http_host;
    proxy_set_header X-Forwarded-Port $server_port;
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_set_header X-Forwarded-Scheme $scheme;
    proxy_set_header X-Scheme $scheme;
    proxy_set_header X-Original-Forwarded-For $http_x_forwarded_for;
    proxy_set_header Proxy "";
    proxy_connect_timeout 5s;
    proxy_send_timeout 60s;
    proxy_read_timeout 60s;
    proxy_buffering off;
    proxy_buffer_size 4k;
    proxy_buffers 4 4k;
    proxy_max_temp_file_size 1024m;
    proxy_request_buffering on;
    proxy_cookie_domain off;
    proxy_cookie_path off;
    proxy_redirect off;
    proxy_next_upstream error timeout;
    proxy_next_upstream_timeout 0;
    proxy_ssl_server_name on;

    server {{
        server_name _;
{_listen(place, static)}
        ssl_certificate_by_lua_block {{ require("fairlead.certificate").serve() }}

        set $fl_stash "";
        set $fl_hsts "";
        set $fl_host $http_host;
        set $proxy_upstream_name "";
        set $proxy_alternative_upstream_name "";
        add_header Strict-Transport-Security $fl_hsts always;
        log_by_lua_block {{ require("fairlead.metrics").log() }}

        location / {{
            rewrite_by_lua_block {{ require("fairlead.request").rewrite() }}
            proxy_pass http://fl_http;
        }}
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


def _upstream(name: str, static: Static) -> str:
    return f"""\
    upstream {name} {{
        server 0.0.0.1;
        balancer_by_lua_block {{ require("fairlead.balance").balance() }}
        keepalive {static.upstream_keepalive};
        keepalive_timeout {static.upstream_keepalive_timeout}s;
        keepalive_requests {static.upstream_keepalive_requests};
    }}"""


def _listen(place: Place, static: Static) -> str:
    lines = []
    secure = "ssl http2" if static.http2 else "ssl"
    for address in place.listen:
        hosts = [f"{address}:" if address else ""]
        if not address and place.ipv6:
            hosts.append("[::]:")
        for host in hosts:
            lines.append(f"        listen {host}{place.http_port} default_server reuseport backlog=4096;")
            lines.append(f"        listen {host}{place.https_port} default_server reuseport backlog=4096 {secure};")
    return "\n".join(lines)


def _access_log(place: Place, static: Static) -> str:
    return f"{place.access_log} upstreaminfo" if static.access_log else "off"


def _quoted(text: str) -> str:
    """As one argument of nginx's configuration."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
