"""nginx, with the configuration and the page of upstream's image."""

from pathlib import Path

from fairlead.runtime.images.recipe import Recipe

CONF = """\
user nginx;
worker_processes auto;
error_log /var/log/nginx/error.log warn;
pid /var/run/nginx.pid;
events { worker_connections 1024; }
http {
    include /etc/nginx/mime.types;
    default_type application/octet-stream;
    log_format main '$remote_addr - $remote_user [$time_local] "$request" '
                    '$status $body_bytes_sent "$http_referer" "$http_user_agent" "$http_x_forwarded_for"';
    access_log /var/log/nginx/access.log main;
    sendfile on;
    keepalive_timeout 65;
    include /etc/nginx/conf.d/*.conf;
}
"""
# As the image's own start does it (10-listen-on-ipv6-by-default.sh): without IPv6 in the kernel it would not start.
LISTEN = "listen 80; listen [::]:80;" if Path("/proc/net/if_inet6").exists() else "listen 80;"
DEFAULT = f"""\
server {{
    {LISTEN}
    server_name localhost;
    location / {{
        root /usr/share/nginx/html;
        index index.html index.htm;
    }}
    error_page 500 502 503 504 /50x.html;
    location = /50x.html {{ root /usr/share/nginx/html; }}
}}
"""
INDEX = """\
<!DOCTYPE html>
<html>
<head>
<title>Welcome to nginx!</title>
<style>
    body {
        width: 35em;
        margin: 0 auto;
        font-family: Tahoma, Verdana, Arial, sans-serif;
    }
</style>
</head>
<body>
<h1>Welcome to nginx!</h1>
<p>If you see this page, the nginx web server is successfully installed and
working. Further configuration is required.</p>

<p>For online documentation and support please refer to
<a href="http://nginx.org/">nginx.org</a>.<br/>
Commercial support is available at
<a href="http://nginx.com/">nginx.com</a>.</p>

<p><em>Thank you for using nginx.</em></p>
</body>
</html>
"""

NGINX = Recipe(
    packages=("nginx", "nginx-light", "nginx-core", "nginx-full"),
    command=("nginx", "-g", "daemon off;"),
    files={
        "/etc/nginx/nginx.conf": CONF,
        "/etc/nginx/conf.d/default.conf": DEFAULT,
        "/usr/share/nginx/html/index.html": INDEX,
    },
    links={"/var/log/nginx/access.log": "/dev/stdout", "/var/log/nginx/error.log": "/dev/stderr"},
    folders=("/var/lib/nginx", "/var/log/nginx", "/var/cache/nginx", "/var/run"),
    user="nginx",
    ports=("80/tcp",),
    stop_signal="SIGQUIT",
)
