"""The ipvs mode, in a virtual machine, as this machine's kernel may have no IPVS. In User Mode Linux programs run as
fast as here, but a system call costs some 10 µs more: ratios hold, absolute figures are an upper bound.

The peer of a change is ipvsadm(8), which a script would call for it; of a full load, the same by `ipvsadm -R`.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.proxy import NODE, service
from bench.result import Result
from fairlead.host import namespaces
from fairlead.proxy.modes.ipvs import IpvsMode, Kernel

COUNTS, CHANGES = (1_000, 10_000), 200
SECONDS = 300


def run() -> Iterator[Result]:
    from tests.vm import machine

    with tempfile.TemporaryDirectory() as folder:
        shared = Path(folder)
        try:
            said = list(machine.run(f"{sys.executable} -m bench.ipvs $SHARED/figures", shared, SECONDS))
        except machine.CannotRunError as why:
            sys.stderr.write(f"no virtual machine: {why}\n")
            return
        figures = shared / "figures"
        if not figures.exists():
            sys.stderr.write("".join(said))
            return
        for line in figures.read_text().splitlines():
            yield Result(*json.loads(line))


def _measure(count: int, folder: Path) -> Iterator[Result]:
    namespaces.create(folder, ["net"])
    network = folder / "net"
    subprocess.run(["nsenter", f"--net={network}", "ip", "link", "set", "lo", "up"], check=True)
    mode = IpvsMode(Kernel.open("IPv4", network), NODE)
    mode.apply({})
    services = dict(service(number, 0) for number in range(count))
    began = time.perf_counter()
    mode.apply(services)
    load = time.perf_counter() - began
    delays = []
    for number in range(CHANGES):
        key, ports = service(number * (count // CHANGES), number + 1)
        began = time.perf_counter()
        mode.apply({key: ports})
        delays.append(time.perf_counter() - began)
    change = sorted(delays)[CHANGES // 2] * 1e3
    what = f"ipvs, {count} Services × 5: one endpoint changes"
    yield Result(what, change, "ms", "ipvsadm -a and -e", _by_ipvsadm(network), "< 0.2")
    again = IpvsMode(Kernel.open("IPv4", network), NODE)
    began = time.perf_counter()
    again.apply(services)
    restart = time.perf_counter() - began
    peer = _load_by_ipvsadm(folder / "peer", network) if count == COUNTS[1] else None
    yield Result("  full load", load, "s", "ipvsadm -R" if peer else "", peer, "")
    yield Result("  restart, nothing to change but what the bench has", restart, "s")


def _by_ipvsadm(network: Path) -> float:
    enter = ["nsenter", f"--net={network}", "--", "ipvsadm"]
    server = ["-t", "10.96.0.2:80"]
    took = []
    for number in range(10):
        began = time.perf_counter()
        subprocess.run([*enter, "-a", *server, "-r", f"10.250.0.{number + 1}:80", "-m"], check=True)
        subprocess.run([*enter, "-e", *server, "-r", f"10.250.0.{number + 1}:80", "-m", "-w", "0"], check=True)
        took.append(time.perf_counter() - began)
    return sorted(took)[5] * 1e3


def _load_by_ipvsadm(folder: Path, network: Path) -> float:
    """Virtual servers alone, without sets and addresses."""
    saved = subprocess.run(["nsenter", f"--net={network}", "ipvsadm", "-Sn"], capture_output=True, check=True).stdout
    namespaces.create(folder, ["net"])
    enter = ["nsenter", f"--net={folder / 'net'}"]
    subprocess.run([*enter, "ip", "link", "set", "lo", "up"], check=True)
    began = time.perf_counter()
    subprocess.run([*enter, "ipvsadm", "-R"], input=saved, check=True)
    return time.perf_counter() - began


def main(figures: Path) -> None:
    """In the virtual machine."""
    with tempfile.TemporaryDirectory() as name, figures.open("w") as file:
        for count in COUNTS:
            folder = Path(name) / str(count)
            for each in _measure(count, folder):
                fields = [each.name, each.value, each.unit, each.peer, each.peer_value, each.target]
                file.write(json.dumps(fields) + "\n")
                file.flush()
            for each_network in (folder / "peer", folder):
                namespaces.remove(each_network)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
