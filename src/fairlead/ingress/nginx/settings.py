"""What the administrator sets, typed: the only input of nginx.conf."""

from dataclasses import dataclass, field
from pathlib import Path

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


@dataclass(frozen=True, slots=True)
class Place:
    """Where nginx runs. `listen`: addresses; `user`: the workers' user where the master is root, else None."""

    folder: Path
    user: str | None
    access_log: str
    http_port: int = 80
    https_port: int = 443
    listen: tuple[str, ...] = ("",)  # "" is every address
    ipv6: bool = False
    workers: int = 1
    files: int = 65536  # that a process may have open

    @property
    def socket(self) -> Path:
        return self.folder / "control" / "nginx.sock"


@dataclass(frozen=True, slots=True)
class Static:
    """What only a reload changes. Defaults are ingress-nginx's."""

    dictionary: int = 128 << 20  # bytes of the data's shared memory
    connections: int = 16384
    keep_alive: int = 75
    keep_alive_requests: int = 1000
    upstream_keepalive: int = 320
    upstream_keepalive_timeout: int = 60
    upstream_keepalive_requests: int = 10000
    http2: bool = True
    protocols: tuple[str, ...] = ("TLSv1.2", "TLSv1.3")
    ciphers: str = CIPHERS
    shutdown_timeout: int = 240
    log_format: str = LOG_FORMAT
    access_log: bool = True
    error_level: str = "notice"
    trusted_proxies: tuple[str, ...] = field(default=())
