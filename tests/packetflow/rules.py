"""What a mode has made of the kernel of a node, without what may differ where the effect is the same."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

from fairlead.proxy.modes.ebpf import Programs
from fairlead.proxy.modes.ebpf.encode import decode_aim, decode_endpoint
from fairlead.services.model import Family
from tests.packetflow.lab import NODES, in_family, said


def rules(mode: str, namespace: Path, family: Family = "IPv4") -> Any:
    return _RULES[mode](namespace, family)


def _ip(family: Family) -> str:
    return "ip6" if family == "IPv6" else "ip"


def _output(namespace: Path, *argv: str) -> str:
    return said(namespace, *argv)


def _nftables(namespace: Path, family: Family) -> Any:
    """Without handles, order, expiry, empty chains for other numbers of endpoints, and which endpoint of a frontend
    stands in which slot."""
    found = json.loads(_output(namespace, "nft", "-j", "list", "table", _ip(family), "kube-proxy"))
    chains: dict[str, list[str]] = {}
    sets: dict[str, Counter[str]] = {}
    for item in found["nftables"]:
        if rule := item.get("rule"):
            chains.setdefault(rule["chain"], []).append(json.dumps(rule["expr"]))
        elif kept := item.get("set") or item.get("map"):
            sets[kept["name"]] = Counter(_unslotted(kept["name"], each) for each in kept.get("elem", ()))
    shared = {name for name in chains if name.removeprefix("masq-").startswith(("lb-", "np-"))}
    return {"rules": {name: text for name, text in chains.items() if name not in shared}, "sets": sets}


def _ebpf(namespace: Path, family: Family) -> Any:
    """Each frontend with its endpoints, who can be asked for them, and what is behind; without the numbers of sets and
    slots, and since when clients are known."""
    maps = Programs(namespace.with_name("cgroup"), family).find_maps()
    slots = Counter((key[:4], decode_endpoint(value)) for key, value in maps["slots"].items())
    members = Counter((key[:4], decode_endpoint(key[4:])) for key, _ in maps["members"].items())
    found = {}
    for key, value in maps["frontends"].items():
        number, count, affinity = decode_aim(value)
        own = number.to_bytes(4, "little")
        endpoints = sorted(endpoint for set_, endpoint in slots.elements() if set_ == own)
        assert len(endpoints) == count
        found[key] = endpoints, affinity, value[20:], sorted(e for set_, e in members.elements() if set_ == own)
    for each in maps.values():
        each.close()
    return found, slots.total(), members.total(), _nftables(namespace, family)


def _userspace(namespace: Path, family: Family) -> Any:
    """Without the numbers of the ports where the proxy listens, and without handles and order."""
    found = json.loads(_output(namespace, "nft", "-j", "list", "table", _ip(family), "kube-proxy-userspace"))
    sets: dict[str, Counter[str]] = {}
    for item in found["nftables"]:
        if kept := item.get("set") or item.get("map"):
            portals = kept["name"].startswith(("portals-", "nodeports-"))
            elements = kept.get("elem", ())
            if kept["name"] == "listening":
                sets["listening"] = Counter(each["concat"][0] for each in elements)
            else:
                sets[kept["name"]] = Counter(json.dumps(each[0] if portals else each) for each in elements)
    return sets


def _unslotted(name: str, element: Any) -> str:
    if name.startswith(("endpoints-", "nodeport-endpoints-")):
        (key, value) = element
        return json.dumps([key["concat"][:-1], value])
    return json.dumps(element)


def _iptables(namespace: Path, family: Family) -> Any:
    """Chains that many Services share hold their rules in any order, but for the last one."""
    chains: dict[str, list[str]] = {}
    for table in ("nat", "filter"):
        for line in _output(namespace, f"{_ip(family)}tables-save", "-t", table).splitlines():
            if line.startswith(":"):
                chains.setdefault(f"{table} {line[1:].split()[0]}", [])
            elif line.startswith("-A "):
                chains[f"{table} {line.split()[1]}"].append(line)
    last = chains["nat KUBE-SERVICES"][-1]
    shared = ("KUBE-SERVICES", "KUBE-NODEPORTS", "KUBE-EXTERNAL-SERVICES", "KUBE-PROXY-FIREWALL")
    return last, {name: sorted(each) if name.endswith(shared) else each for name, each in chains.items()}


def _ipvs(namespace: Path, family: Family) -> Any:
    """Without destinations that wait for their connections to end, which address is the node's own, and the marks'
    numbers."""
    servers = _output(namespace, "ipvsadm", "-Sn").splitlines()
    entries = [line for line in _output(namespace, "ipset", "save").splitlines() if line.startswith("add ")]
    chains = [line for line in _output(namespace, f"{_ip(family)}tables-save").splitlines() if "KUBE-" in line]
    kept = [line for line in servers if not line.endswith("-w 0")]
    bound = re.findall(r"inet6? (\S+)", _output(namespace, "ip", "addr", "show", "dev", "kube-ipvs0"))
    text = "\n".join(sorted([*kept, *entries, *bound]))
    for own in NODES.values():
        text = text.replace(in_family(own, family), "NODE")
    for entry, mark in re.findall(r"^add \S+-SHORT-CUT (NODE,\S+) skbmark (0x[0-9a-f]+)$", text, re.MULTILINE):
        text = text.replace(mark, entry).replace(f"-f {int(mark, 16)} ", f"-f {entry} ")
    return sorted(text.splitlines()), chains


_RULES = {"ebpf": _ebpf, "iptables": _iptables, "ipvs": _ipvs, "nftables": _nftables, "userspace": _userspace}
