"""What the Ingress controller is compared with: a static nginx, HAProxy, and the pods behind all of them."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

OURS, STATIC, HAPROXY = "192.0.2.1", "192.0.2.2", "192.0.2.3"
PODS = ("10.244.7.1", "10.244.7.2")
POD_PORT = 8080
WORKERS = 1
TEMP = "client_body_temp_path {0}; proxy_temp_path {0}; fastcgi_temp_path {0}; uwsgi_temp_path {0}; scgi_temp_path {0};"

# Each pod says who it is.
POD = """
daemon off; master_process off; pid {folder}/{name}.pid; error_log {folder}/{name}.log crit;
events {{ worker_connections 4096; }}
http {{ access_log off; keepalive_requests 1000000; {temp}
       server {{ listen {address}:{port} backlog=4096; location / {{ return 200 "{address}"; }} }} }}
"""
PROXY = """
user www-data; daemon off; worker_processes {workers}; pid {folder}/static.pid; error_log {folder}/static.log crit;
events {{ worker_connections 8192; multi_accept on; }}
http {{
    access_log off; keepalive_requests 1000; server_names_hash_bucket_size 128; server_names_hash_max_size 16384; {temp}
    ssl_protocols TLSv1.2 TLSv1.3; ssl_session_tickets off; ssl_session_cache shared:S:10m;
    ssl_certificate {folder}/pair.pem; ssl_certificate_key {folder}/pair.pem;
    map $http_upgrade $connection_upgrade {{ default upgrade; "" ""; }}
    upstream pods {{ {servers} keepalive 320; keepalive_requests 10000; }}
    proxy_http_version 1.1; proxy_buffering off; proxy_next_upstream error timeout; proxy_connect_timeout 5s;
    {headers}
    {sites}
}}
"""
HEADERS = {
    "Host": "$http_host",
    "Upgrade": "$http_upgrade",
    "Connection": "$connection_upgrade",
    "X-Request-ID": "$request_id",
    "X-Real-IP": "$remote_addr",
    "X-Forwarded-For": "$remote_addr",
    "X-Forwarded-Host": "$http_host",
    "X-Forwarded-Port": "$server_port",
    "X-Forwarded-Proto": "$scheme",
    "X-Forwarded-Scheme": "$scheme",
    "X-Scheme": "$scheme",
    "X-Original-Forwarded-For": "$http_x_forwarded_for",
    "Proxy": '""',
}
SITE = """
    server {{ listen {address}:80 backlog=4096 reuseport; listen {address}:443 ssl http2 backlog=4096 reuseport;
             server_name {name}; location / {{ proxy_pass http://pods; }} }}"""
MORE = """
    server {{ listen {address}:80; listen {address}:443 ssl http2; server_name {name};
             location / {{ proxy_pass http://pods; }} }}"""
BALANCER = """
global
    nbthread {workers}
    maxconn 8192
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    option forwardfor
frontend web
    bind {address}:80
    bind {address}:443 ssl crt {folder}/pair.pem alpn h2,http/1.1
    http-request set-header X-Forwarded-Proto %[ssl_fc,iif(https,http)]
    default_backend pods
backend pods
    balance roundrobin
    http-reuse always
    {servers}
"""


@contextmanager
def peers(folder: Path, pair: tuple[bytes, bytes], hosts: int) -> Iterator[None]:
    """The pods, static nginx with that many hosts, and HAProxy, until left."""
    for address in (OURS, STATIC, HAPROXY, *PODS):
        subprocess.run(["ip", "addr", "replace", f"{address}/32", "dev", "lo"], check=True)
    folder.chmod(0o755)
    (folder / "pair.pem").write_bytes(pair[0] + pair[1])
    temp = TEMP.format(folder)
    started = []
    for number, address in enumerate(PODS):
        conf = POD.format(folder=folder, name=f"pod{number}", address=address, port=POD_PORT, temp=temp)
        started.append(_nginx(folder / f"pod{number}.conf", conf))
    sites = SITE.format(address=STATIC, name=host(0))
    sites += "".join(MORE.format(address=STATIC, name=host(number)) for number in range(1, hosts))
    static = PROXY.format(
        folder=folder,
        workers=WORKERS,
        temp=temp,
        sites=sites,
        servers=" ".join(f"server {address}:{POD_PORT};" for address in PODS),
        headers=" ".join(f"proxy_set_header {name} {value};" for name, value in HEADERS.items()),
    )
    started.append(_nginx(folder / "static.conf", static))
    servers = "\n    ".join(f"server p{n} {address}:{POD_PORT}" for n, address in enumerate(PODS))
    (folder / "haproxy.cfg").write_text(
        BALANCER.format(workers=WORKERS, address=HAPROXY, folder=folder, servers=servers)
    )
    started.append(subprocess.Popen(["haproxy", "-q", "-db", "-f", str(folder / "haproxy.cfg")]))
    time.sleep(1)
    try:
        yield
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait(10)


def host(number: int) -> str:
    return f"h{number}.bench.test"


def memory(pids: list[int]) -> float:
    """Proportional set size of processes, in MB (proc(5), smaps_rollup)."""
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total / 1024


def family(pid: int) -> list[int]:
    """A process and its descendants."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            children.setdefault(int(stat.rpartition(")")[2].split()[1]), []).append(int(entry.name))
    found = [pid]
    for each in found:
        found += children.get(each, [])
    return found


def _nginx(path: Path, conf: str) -> "subprocess.Popen[bytes]":
    path.write_text(conf)
    return subprocess.Popen(["nginx", "-c", str(path)], env=dict(os.environ))
