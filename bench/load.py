"""wrk as the load: a C client, so that what is measured is the server."""

import re
import subprocess
import tempfile
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Load:
    """Answers a second, the share of them that were no success, and the 99th percentile in milliseconds."""

    rate: float
    failed: float
    p99: float


class WrkError(RuntimeError):
    pass


def wrk(url: str, *, script: str = "", connections: int = 16, seconds: int = 5, headers: tuple[str, ...] = ()) -> Load:
    """Closed-loop load from one thread. `script` is Lua. Raises WrkError where wrk says nothing that we understand."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(script)
        file.flush()
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency"]
        for header in headers:
            command += ["-H", header]
        if script:
            command += ["-s", file.name]
        done = subprocess.run([*command, url], capture_output=True, text=True, timeout=seconds + 30, check=False)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
    total = re.search(r"(\d+) requests in", done.stdout)
    if done.returncode or rate is None or total is None or not int(total[1]):
        raise WrkError(f"wrk {url}: {done.stdout}{done.stderr}")
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", done.stdout)
    return Load(float(rate[1]), int(bad[1]) / int(total[1]) if bad else 0.0, _milliseconds(done.stdout))


def _milliseconds(text: str) -> float:
    found = re.search(r"99%\s+([\d.]+)(us|ms|s)", text)
    if found is None:
        return 0.0
    return float(found[1]) * {"us": 1e-3, "ms": 1.0, "s": 1e3}[found[2]]
