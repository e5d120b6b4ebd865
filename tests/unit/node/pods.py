"""Pods, runs and the like for tests, in one line each."""

from typing import Any

import msgspec

from fairlead.api.types.core import Pod
from fairlead.node.observed import Health, Observed, Run, Sandbox

NOW = 1_700_000_000.0
HEALTHY = Health()


def pod(*containers: str, **spec: Any) -> Pod:
    """A pod `dev/web`; spec in JSON's names. Containers run image `nginx`."""
    names = containers or ("web",)
    body = {"containers": [{"name": name, "image": "nginx"} for name in names], "nodeName": "node1"} | spec
    metadata = {"name": "web", "namespace": "dev", "uid": "1-2"}
    return msgspec.convert({"metadata": metadata, "spec": body}, Pod)


def init(name: str, *, sidecar: bool = False) -> dict[str, Any]:
    return {"name": name, "image": "nginx"} | ({"restartPolicy": "Always"} if sidecar else {})


def running(container: str = "web", attempt: int = 0, started: float = NOW - 60) -> Run:
    return Run(f"{container}-{attempt}", container, attempt, "nginx", "sha256:1", started, started)


def exited(container: str = "web", code: int = 0, attempt: int = 0, ago: float = 1.0, reason: str = "") -> Run:
    start = NOW - ago - 5
    return Run(f"{container}-{attempt}", container, attempt, "nginx", "sha256:1", start, start, NOW - ago, code, reason)


def observed(*runs: Run, healthy: bool = True, sandbox: bool = True, **more: Any) -> Observed:
    by_container: dict[str, tuple[Run, ...]] = {}
    for run in runs:
        by_container[run.container] = (*by_container.get(run.container, ()), run)
    health = {run.id: HEALTHY for run in runs} if healthy else {}
    known: dict[str, Any] = {"health": health, "started_at": NOW - 100} | more
    return Observed(
        sandbox=Sandbox("sandbox", 0, ("10.244.1.2",)) if sandbox else None,
        runs=by_container,
        **known,
    )
