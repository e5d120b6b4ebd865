"""`fairlead down`: nothing is left; and what a cluster that died left behind is taken away before the next one."""

import contextlib
import os
import shutil
import signal
import time
from pathlib import Path

import msgspec

from fairlead.cluster import cgroups, topology
from fairlead.cluster.layout import Layout
from fairlead.host import process
from fairlead.runtime.interface import ContainerRecord

SECONDS = 10.0


def down(layout: Layout, *, delete_state: bool) -> bool:
    """Ends the cluster. Whether there was one. `delete_state`: forgets what was stored in it, too."""
    there = layout.run.exists()
    _end_processes(layout)
    remove_leftovers(layout)
    if delete_state:
        shutil.rmtree(layout.state, ignore_errors=True)
    return there


def _end_processes(layout: Layout) -> None:
    """The warden ends its guard and the parts. A guard alone would start another warden, so it goes first."""
    pids = {name: _pid(layout.run / f"{name}.pid") for name in ("guard", "warden")}
    if pids["warden"]:
        _signal(pids["warden"], signal.SIGTERM)
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline and _is_ours(pids["warden"]):
            time.sleep(0.005)
    for name in ("guard", "warden"):
        if (pid := _pid(layout.run / f"{name}.pid")) is not None:
            _signal(pid, signal.SIGKILL)


def remove_leftovers(layout: Layout) -> None:
    """Containers and parts that still run, the run folder, the host's leg in the LAN. Namespaces and mounts went with
    the processes that held them."""
    for name in ("guard", "warden"):
        if (pid := _pid(layout.run / f"{name}.pid")) is not None:
            _signal(pid, signal.SIGKILL)
    ended = []
    for path in layout.run.glob("parts/*.json"):
        with contextlib.suppress(OSError, msgspec.DecodeError):
            known = msgspec.json.decode(path.read_bytes())
            ended.append((known["pid"], known["began"]))
    for path in layout.run.glob("nodes/*/records/containers/*.json"):
        with contextlib.suppress(OSError, msgspec.DecodeError):
            record = msgspec.json.decode(path.read_bytes(), type=ContainerRecord)
            if record.pid and record.finished_at is None:
                ended.append((record.pid, record.began))
    for pid, began in ended:
        if process.is_alive(pid, began):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline and any(process.is_alive(pid, began) for pid, began in ended):
        time.sleep(0.002)
    cgroups.remove(layout)
    shutil.rmtree(layout.run, ignore_errors=True)
    for folder in layout.state.glob("nodes/*"):
        shutil.rmtree(folder, ignore_errors=True)
    others = [path for path in layout.run.parent.glob("*") if path.is_dir()] if layout.run.parent.exists() else []
    topology.leave_host(layout, last=not others)


def _pid(path: Path) -> int | None:
    try:
        pid = int(path.read_text())
    except (OSError, ValueError):
        return None
    return pid if _is_ours(pid) else None


def _is_ours(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return "(fairlead-" in stat and ") Z " not in stat


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
