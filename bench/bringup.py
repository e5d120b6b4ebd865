"""From `fairlead up` to API, nodes and DNS; then memory at rest. The peer: the time to import what all parts need."""

import subprocess
import sys
import time
from collections.abc import Iterator

from bench.cluster import cluster
from bench.result import Result

IMPORT = "import fairlead.cluster.warden as w; w.warm_up()"
TARGETS = {"api": "< 0.5", "nodes": "< 2", "dns": "< 2"}
REST = 5.0  # seconds until what starting has left over is settled


def run() -> Iterator[Result]:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", IMPORT], check=True)
    imports = time.perf_counter() - began
    with cluster() as running:
        for what, seconds in running.seconds.items():
            yield Result(f"up: {what}", seconds, "s", "importing the program", imports, TARGETS.get(what, ""))
        time.sleep(REST)
        processes = running.status()["processes"]
        total = sum(each["pss"] for each in processes) / 1e6
        yield Result(f"memory at rest, {len(processes)} processes", total, "MB PSS", target="< 200")
