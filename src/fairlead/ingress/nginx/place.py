"""Where nginx finds its files on this machine, and as whom it runs."""

import os
import pwd
import resource
import tempfile
from pathlib import Path

from fairlead.ingress.nginx import access_log
from fairlead.ingress.nginx.settings import Place

CANDIDATES = ("/run", "/dev/shm")
USERS = ("www-data", "nginx", "nobody")


class PlaceError(Exception):
    """nginx cannot run here. The text says what is missing."""


def folder(wanted: Path | None, name: str) -> Path:
    """A folder that only memory backs: private keys of Secrets are written to it."""
    if wanted is not None:
        return wanted
    for parent in map(Path, CANDIDATES):
        if parent.is_dir() and os.access(parent, os.W_OK) and _is_tmpfs(parent):
            return parent / name
    raise PlaceError(f"none of {', '.join(CANDIDATES)} is a tmpfs that can be written to: give --run-dir")


def worker_user() -> str | None:
    """None where the master is not root: the workers are what it is."""
    if os.geteuid() != 0:
        return None
    for name in USERS:
        try:
            pwd.getpwnam(name)
        except KeyError:
            continue
        return name
    raise PlaceError(f"none of the users {', '.join(USERS)} exists for nginx's workers")


def workers() -> int:
    """As many as there are processors, or a share of them where the cgroup has a limit."""
    available = len(os.sched_getaffinity(0))
    try:
        quota, _, period = Path("/sys/fs/cgroup/cpu.max").read_text().partition(" ")
        if quota != "max":
            return max(1, min(available, -(-int(quota) // int(period))))
    except (OSError, ValueError):
        pass
    return available


def open_files() -> int:
    """The limit, raised as far as it goes: nginx inherits it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def ipv6() -> bool:
    return Path("/proc/net/if_inet6").exists()


def _is_tmpfs(path: Path) -> bool:
    entries = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    return any(fields[1] == str(path) and fields[2] == "tmpfs" for fields in entries)


def place(
    run_dir: Path | None,
    name: str,
    http_port: int,
    https_port: int,
    listen: tuple[str, ...],
    count: int | None,
    *,
    passthrough: bool = False,
) -> Place:
    return Place(
        folder=folder(run_dir, name),
        work=Path(tempfile.mkdtemp(prefix=f"{name}-")),
        user=worker_user(),
        access_log=access_log.path(),
        http_port=http_port,
        https_port=https_port,
        listen=listen,
        ipv6=ipv6(),
        workers=count or workers(),
        passthrough=passthrough,
        files=open_files(),
    )
