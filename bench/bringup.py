"""From `fairlead up` to API, nodes and DNS; memory at rest. The peer: the time to import what all parts need."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FAIRLEAD = str(Path(sys.executable).with_name("fairlead"))
IMPORT = "import fairlead.cluster.warden as w; w.warm_up()"


def run() -> Iterator[dict[str, Any]]:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", IMPORT], check=True)
    imports = time.perf_counter() - began
    done = subprocess.run(
        [FAIRLEAD, "up", "--name", "bench", "-o", "json"], check=True, capture_output=True, text=True, timeout=90
    )
    try:
        for what, seconds in json.loads(done.stdout)["seconds"].items():
            yield _result(f"up: {what}", seconds, "s", imports)
        time.sleep(3)
        shown = subprocess.run(
            [FAIRLEAD, "status", "--name", "bench", "-o", "json"], check=True, capture_output=True, text=True
        )
        total = sum(each["pss"] for each in json.loads(shown.stdout)["processes"])
        yield {
            "name": "memory at rest, control plane and agents",
            "value": total / 1e6,
            "unit": "MB (PSS)",
            "peer": "",
            "peer_value": 0.0,
            "ratio": 0.0,
        }
    finally:
        subprocess.run([FAIRLEAD, "down", "--name", "bench", "--delete-state"], check=True)


def _result(name: str, value: float, unit: str, imports: float) -> dict[str, Any]:
    return {
        "name": name,
        "value": value,
        "unit": unit,
        "peer": "importing the program",
        "peer_value": imports,
        "ratio": value / imports,
    }
