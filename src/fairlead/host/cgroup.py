"""What this machine's control groups can do for containers."""

from pathlib import Path

ROOT = Path("/sys/fs/cgroup")


def degraded() -> tuple[str, ...]:
    """What pods ask for and do not get here, for people to read."""
    controllers = ROOT / "cgroup.controllers"
    try:
        there = set(controllers.read_text().split())
    except OSError:
        there = set()
    lacking = [name for name in ("cpu", "memory", "pids") if name not in there]
    if lacking:
        return (f"no cgroup v2 controllers for {', '.join(lacking)}: limits of containers are not enforced",)
    return ("limits of containers are not enforced yet",)
