"""An image from a Debian package of this machine: its files, the libraries of its programs, a shell and a few tools.

It serves machines without a registry. It is not the upstream image of that name, and says so: in a label, and from
there in the events of every pod that runs it.
"""

import io
import json
import os
import re
import subprocess
import tarfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from fairlead.runtime.images import reference
from fairlead.runtime.images.archive import manifest_of
from fairlead.runtime.images.store import LAYER, ImageStore
from fairlead.runtime.interface import Image, ImageFault

BUILT_FROM = "fairlead.dev/built-from"

# What somebody who opens a shell in a container expects to find.
TOOLS = (
    "sh", "bash", "cat", "ls", "echo", "cp", "mv", "rm", "mkdir", "chmod", "ln", "touch", "head", "tail", "wc", "sort",
    "grep", "sed", "id", "env", "date", "sleep", "true", "false", "hostname", "uname", "pwd", "test", "printf", "tee",
    "kill", "ps", "curl", "nc", "ip", "find", "expr", "seq", "basename", "dirname", "stat", "cut", "tr", "tty", "stty",
    "tar", "gzip",
)  # fmt: skip
_LIBRARY = re.compile(rb"(?:=> )?(/\S+) \(0x")

NGINX_CONF = """\
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
NGINX_DEFAULT = """\
server {
    listen 80;
    server_name localhost;
    location / {
        root /usr/share/nginx/html;
        index index.html index.htm;
    }
    error_page 500 502 503 504 /50x.html;
    location = /50x.html { root /usr/share/nginx/html; }
}
"""
NGINX_INDEX = """\
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


@dataclass(frozen=True, slots=True)
class Recipe:
    """`packages`: which one provides it, the first that is installed. `files` and `links` go over the package's own;
    what matches `left_out` (beginnings of paths) does not come along."""

    packages: tuple[str, ...]
    command: tuple[str, ...]
    files: dict[str, str] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    folders: tuple[str, ...] = ()
    user: str = ""
    ports: tuple[str, ...] = ()
    stop_signal: str = "SIGTERM"
    left_out: tuple[str, ...] = ("/usr/share/doc", "/usr/share/man", "/usr/share/lintian", "/lib/systemd")


RECIPES = {
    "nginx": Recipe(
        packages=("nginx", "nginx-light", "nginx-core", "nginx-full"),
        command=("nginx", "-g", "daemon off;"),
        files={
            "/etc/nginx/nginx.conf": NGINX_CONF,
            "/etc/nginx/conf.d/default.conf": NGINX_DEFAULT,
            "/usr/share/nginx/html/index.html": NGINX_INDEX,
        },
        links={"/var/log/nginx/access.log": "/dev/stdout", "/var/log/nginx/error.log": "/dev/stderr"},
        folders=("/var/lib/nginx", "/var/log/nginx", "/var/cache/nginx", "/var/run"),
        user="nginx",
        ports=("80/tcp",),
        stop_signal="SIGQUIT",
    ),
}


def build(store: ImageStore, package: str, tag: str) -> Image:
    """Raises ImageFault where the package is not installed."""
    recipe = RECIPES.get(package) or Recipe((package,), ("/bin/sh",))
    installed = next((name for name in recipe.packages if _version(name)), None)
    if installed is None:
        names = " or ".join(recipe.packages)
        raise ImageFault(
            "ErrImagePull", f"no Debian package {names} is installed here: apt-get install {recipe.packages[0]}"
        )
    origin = f"Debian package {installed} {_version(installed)} of this machine"
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        _Tree(tar).fill(installed, recipe)
    archive.seek(0)
    digest, size, diff_id = store.add_layer(archive)
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "config": {
                "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
                "Cmd": list(recipe.command),
                "Labels": {BUILT_FROM: origin},
                "ExposedPorts": {port: {} for port in recipe.ports},
                "StopSignal": recipe.stop_signal,
            },
            "rootfs": {"type": "layers", "diff_ids": [diff_id]},
            "history": [{"created_by": f"fairlead image from-package {package}", "comment": origin}],
        }
    ).encode()
    manifest = manifest_of(store, config, [{"mediaType": LAYER, "digest": digest, "size": size}])
    return store.add(reference.parse(tag), manifest, config)


def _version(package: str) -> str:
    done = subprocess.run(
        ["dpkg-query", "--show", "--showformat=${db:Status-Status} ${Version}", package],
        capture_output=True,
        text=True,
        check=False,
    )
    status, _, version = done.stdout.partition(" ")
    return version if status == "installed" else ""


class _Tree:
    """The archive as it grows: every path once, folders before what is in them, merged /usr as on Debian."""

    MERGED = ("bin", "sbin", "lib", "lib64")

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self._there: set[str] = set()

    def fill(self, package: str, recipe: Recipe) -> None:
        for name in self.MERGED:
            self._folder(f"/usr/{name}")
            self._link(f"/{name}", f"usr/{name}")
        for folder, mode in (
            ("/tmp", 0o1777),
            ("/var/tmp", 0o1777),
            ("/root", 0o700),
            ("/run", 0o755),
            ("/etc", 0o755),
        ):
            self._folder(folder, mode)
        user = recipe.user or "nobody"
        passwd = f"root:x:0:0:root:/root:/bin/sh\n{user}:x:101:101:{user}:/nonexistent:/bin/false\n"
        self._text("/etc/passwd", passwd)
        self._text("/etc/group", f"root:x:0:\n{user}:x:101:\n")
        self._text("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n")
        for path, text in recipe.files.items():
            self._text(path, text)
        for path, target in recipe.links.items():
            self._link(path, target)
        for folder in recipe.folders:
            self._folder(folder)
        listed = subprocess.run(["dpkg", "-L", package], capture_output=True, text=True, check=True).stdout.split("\n")
        depends = _dependencies(package)
        for other in depends:
            listed += subprocess.run(["dpkg", "-L", other], capture_output=True, text=True, check=True).stdout.split(
                "\n"
            )
        files = [path for path in listed if path and not path.startswith(recipe.left_out)]
        programs = [_which(tool) for tool in TOOLS]
        wanted = [*files, *(program for program in programs if program)]
        for path in wanted:
            self._copy(path)
        self._copy(str(_resolver_library()))
        for library in _libraries(wanted):
            self._copy(library)

    def _copy(self, path: str) -> None:
        """A file of this machine at its own place; a link with what it leads to."""
        source = Path(path)
        if not (source.is_symlink() or source.exists()):
            return
        place = _merged(path)
        if source.is_symlink():
            target = str(source.readlink())
            self._link(place, target)
            leads_to = os.path.normpath(source.parent / target)
            if leads_to.startswith("/") and Path(leads_to).is_file() and not leads_to.startswith("/proc"):
                self._copy(leads_to)
        elif source.is_dir():
            self._folder(place, source.stat().st_mode & 0o7777)
        elif source.is_file() and place not in self._there:
            self._parents(place)
            self._there.add(place)
            self._tar.add(source, arcname=place.lstrip("/"), recursive=False, filter=_owned_by_root)

    def _parents(self, path: str) -> None:
        parent = path.rpartition("/")[0]
        if parent:
            self._folder(parent)

    def _folder(self, path: str, mode: int = 0o755) -> None:
        path = _merged(path)
        if path in self._there or path == "/":
            return
        self._parents(path)
        self._there.add(path)
        info = tarfile.TarInfo(path.lstrip("/"))
        info.type, info.mode = tarfile.DIRTYPE, mode
        self._tar.addfile(info)

    def _link(self, path: str, target: str) -> None:
        if path in self._there:
            return
        self._parents(path)
        self._there.add(path)
        info = tarfile.TarInfo(path.lstrip("/"))
        info.type, info.linkname, info.mode = tarfile.SYMTYPE, target, 0o777
        self._tar.addfile(info)

    def _text(self, path: str, text: str) -> None:
        if path in self._there:
            return
        self._parents(path)
        self._there.add(path)
        info = tarfile.TarInfo(path.lstrip("/"))
        info.size, info.mode = len(text.encode()), 0o644
        self._tar.addfile(info, io.BytesIO(text.encode()))


def _owned_by_root(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.uid = info.gid = 0
    info.uname = info.gname = "root"
    return info


def _merged(path: str) -> str:
    """`/bin/sh` → `/usr/bin/sh`."""
    first = path.lstrip("/").partition("/")[0]
    return f"/usr{path}" if first in _Tree.MERGED and path.lstrip("/") != first else path


def _dependencies(package: str) -> list[str]:
    """Packages of the same source that are installed with it: configuration and modules."""
    done = subprocess.run(
        ["dpkg-query", "--show", "--showformat=${Depends}", package], capture_output=True, text=True, check=False
    )
    names = [re.split(r"[ (|]", part.strip())[0] for part in done.stdout.split(",")]
    stem = package.partition("-")[0]
    own = [name for name in names if name.startswith(stem) and _version(name)]
    return own + [other for name in own for other in _dependencies(name)]


def _which(tool: str) -> str | None:
    for folder in ("/usr/bin", "/bin", "/usr/sbin", "/sbin"):
        if Path(folder, tool).exists():
            return f"{folder}/{tool}"
    return None


def _resolver_library() -> Path:
    found = sorted(Path("/lib").glob("*-linux-gnu/libnss_dns.so.2"))
    return found[0] if found else Path("/lib/libnss_dns.so.2")


def _libraries(paths: Iterable[str]) -> list[str]:
    """What the programs among these files are linked with, the loader too (ldd(1))."""
    programs = []
    for path in paths:
        file = Path(path)
        if file.is_file():
            with file.open("rb") as opened:
                if opened.read(4) == b"\x7fELF":
                    programs.append(str(file.resolve()))
    if not programs:
        return []
    done = subprocess.run(["ldd", *programs], capture_output=True, check=False)
    return sorted({path.decode() for path in _LIBRARY.findall(done.stdout)})
