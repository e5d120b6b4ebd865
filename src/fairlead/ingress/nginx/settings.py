"""What the administrator sets, typed: the only input of nginx.conf."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

LUA = Path(__file__).parent / "lua"
CIPHERS = (
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
)
LOG_FORMAT = (
    '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" '
    "$request_length $request_time [$proxy_upstream_name] [$proxy_alternative_upstream_name] $upstream_addr "
    "$upstream_response_length $upstream_response_time $upstream_status $req_id"
)


PASSTHROUGH_PORT = 442  # where nginx takes TLS from whoever looks at its first bytes, on this machine only


@dataclass(frozen=True, slots=True)
class Place:
    """Where nginx runs. `folder` is on a tmpfs, `work` takes long bodies. `listen`: addresses; `user`: the workers'
    user where the master is root, else None."""

    folder: Path
    work: Path
    user: str | None
    access_log: str
    http_port: int = 80
    https_port: int = 443
    listen: tuple[str, ...] = ("",)  # "" is every address
    ipv6: bool = False
    workers: int = 1
    passthrough: bool = False
    files: int = 65536  # that a process may have open

    @property
    def socket(self) -> Path:
        return self.folder / "control" / "nginx.sock"


@dataclass(frozen=True, slots=True)
class Static:
    """What only a reload changes. Defaults are ingress-nginx's; times in seconds, sizes in bytes."""

    dictionary: int = 128 << 20  # of the data's shared memory
    connections: int = 16384
    keep_alive: int = 75
    keep_alive_requests: int = 1000
    upstream_keepalive: int = 320
    upstream_keepalive_timeout: int = 60
    upstream_keepalive_requests: int = 10000
    client_header_timeout: int = 60
    client_header_buffer_size: int = 1024
    header_buffers: tuple[int, int] = (4, 8192)
    client_body_timeout: int = 60
    client_body_buffer_size: int = 8192
    underscores_in_headers: bool = False
    ignore_invalid_headers: bool = True
    server_tokens: bool | None = None  # None: a name without a version, as the conformance tests want a name
    http2: bool = True
    http2_streams: int = 128
    proxy_protocol: bool = False
    protocols: tuple[str, ...] = ("TLSv1.2", "TLSv1.3")
    ciphers: str = CIPHERS
    session_cache: bool = True
    session_tickets: bool = False
    session_timeout: int = 600
    tls_buffer_size: int = 4096
    shutdown_timeout: int = 240
    log_format: str = LOG_FORMAT
    log_escape: Literal["default", "json", "none"] = "default"
    access_log: bool = True
    error_level: str = "notice"
    trusted_proxies: tuple[str, ...] = ()
    real_ip_header: str = "X-Forwarded-For"
    gzip_types: tuple[str, ...] = ()  # none: no compression
    gzip_level: int = 1
    gzip_min_length: int = 256
