"""A whole cluster for benchmarks, started and taken down by the command that users have."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fairlead.client.config import Config, load

FAIRLEAD = str(Path(sys.executable).with_name("fairlead"))
NAME = "bench"


@dataclass(frozen=True, slots=True)
class Cluster:
    """`seconds`: when what was ready, from the start of `fairlead up`."""

    seconds: dict[str, float]

    @property
    def nodes(self) -> list[str]:
        return [each["name"] for each in self.status()["nodes"]]

    @property
    def config(self) -> Config:
        return load(f"/var/lib/fairlead/{NAME}/kubeconfig")

    def status(self) -> Any:
        return json.loads(fairlead("status", "-o", "json"))


def fairlead(*arguments: str) -> str:
    """Runs a command on the cluster of the benchmarks; what it prints."""
    command = [FAIRLEAD, arguments[0], "--name", NAME, *arguments[1:]]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout


@contextmanager
def cluster() -> Iterator[Cluster]:
    seconds = json.loads(fairlead("up", "-o", "json"))["seconds"]
    try:
        yield Cluster(seconds)
    finally:
        fairlead("down", "--delete-state")
