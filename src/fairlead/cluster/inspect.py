"""`fairlead status`: what runs, in which state, and what it costs."""

import json
import urllib.request
from pathlib import Path
from typing import Any

from fairlead.cluster.enter import in_network
from fairlead.cluster.layout import Layout
from fairlead.cluster.running import NotRunningError, is_up, plan_of

Json = dict[str, Any]


def report(layout: Layout) -> Json:
    plan = plan_of(layout)
    processes = [{"name": path.stem, **_process(path)} for path in sorted((layout.run / "parts").glob("*.json"))] + [
        {"name": name, **_process(layout.run / f"{name}.pid")} for name in ("warden", "guard")
    ]
    processes += _parts_in_pods(layout, {each["pid"] for each in processes if "pid" in each})
    return {
        "name": layout.name,
        "running": is_up(layout),
        "nodes": [
            {"name": node.name, "address": node.address, **_proxy_mode(layout, node.name)}
            for node in (plan.nodes if plan else ())
        ],
        "processes": [each for each in processes if each.get("pid")],
        "kubeconfig": str(layout.kubeconfig),
    }


def render(report_: Json) -> list[str]:
    if not report_["running"]:
        return [f"cluster {report_['name']} is not running: start it with `fairlead up`"]
    lines = [f"cluster {report_['name']} is running, kubeconfig {report_['kubeconfig']}"]
    lines += [f"  node {node['name']:<10} {node['address']:<16} {_told(node)}" for node in report_["nodes"]]
    lines += [f"  {each['name']:<14} pid {each['pid']:<8} {each['pss'] / 1e6:6.1f} MB" for each in report_["processes"]]
    total = sum(each["pss"] for each in report_["processes"])
    return [*lines, f"  {'together':<27} {total / 1e6:6.1f} MB (proportional share)"]


def _proxy_mode(layout: Layout, node: str) -> Json:
    """How kube-proxy serves on a node, and how it was told to."""

    def ask() -> Json:
        told = {}
        for name in ("proxyMode", "configz"):
            with urllib.request.urlopen(f"http://127.0.0.1:10249/{name}", timeout=1) as answer:
                told[name] = answer.read().decode()
        wanted = json.loads(told["configz"])["kubeproxy.config.k8s.io"].get("mode", "")
        return {"proxyMode": told["proxyMode"], "proxyModeWanted": wanted}

    try:
        return in_network(layout, node, ask)
    except (OSError, ValueError, NotRunningError):
        return {"proxyMode": None}


def _told(node: Json) -> str:
    mode, wanted = node["proxyMode"], node.get("proxyModeWanted")
    if mode is None:
        return "kube-proxy does not answer"
    return f"proxy mode {mode}" + (f", because {wanted} cannot be used" if wanted != mode else "")


def _parts_in_pods(layout: Layout, known: set[int]) -> list[Json]:
    """kube-proxy and kube-dns: forks of the warden too, which nodes' agents look after as containers."""
    try:
        mounts = Path(f"/proc/{int((layout.run / 'warden.pid').read_text())}/ns/mnt").readlink()
    except (OSError, ValueError):
        return []
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            name = (path / "comm").read_text().strip()
            if name.startswith("fl-") and int(path.name) not in known and (path / "ns/mnt").readlink() == mounts:
                found.append({"name": name.removeprefix("fl-"), "pid": int(path.name), "pss": pss(int(path.name))})
        except OSError:  # it ended
            continue
    return sorted(found, key=lambda each: str(each["name"]))


def _process(path: Path) -> Json:
    try:
        text = path.read_text()
        pid = int(text) if path.suffix == ".pid" else int(json.loads(text)["pid"])
        return {"pid": pid, "pss": pss(pid)}
    except (OSError, ValueError):
        return {}


def pss(pid: int) -> int:
    """Proportional set size in bytes (proc(5), smaps_rollup)."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0
