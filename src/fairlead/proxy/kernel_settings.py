"""The kernel's connection tracking as kube-proxy sets it (KubeProxyConntrackConfiguration,
cmd/kube-proxy/app/conntrack.go). Pure."""

import re
from collections.abc import Mapping
from typing import Any

from fairlead.client.config import ConfigError

MAX_PER_CORE, MIN, ESTABLISHED, CLOSE_WAIT = 32768, 131072, "24h", "1h"
MAXIMUM = "net.netfilter.nf_conntrack_max"  # of the machine, not of a network namespace: raised, never lowered
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)")
# field of `conntrack` → parameter beneath net.netfilter, and what is set where nothing is said
_TIMEOUTS = {
    "tcpEstablishedTimeout": ("nf_conntrack_tcp_timeout_established", ESTABLISHED),
    "tcpCloseWaitTimeout": ("nf_conntrack_tcp_timeout_close_wait", CLOSE_WAIT),
    "udpTimeout": ("nf_conntrack_udp_timeout", "0s"),
    "udpStreamTimeout": ("nf_conntrack_udp_timeout_stream", "0s"),
}


def settings(configuration: Mapping[str, Any]) -> dict[str, str]:
    """Of a KubeProxyConfiguration; a timeout of 0 leaves the kernel's. Raises ConfigError."""
    given = configuration.get("conntrack") or {}
    found = {}
    for field, (name, usual) in _TIMEOUTS.items():
        wanted = seconds(f"conntrack.{field}", usual if given.get(field) is None else given[field])
        if wanted:
            found[f"net.netfilter.{name}"] = str(wanted)
    if given.get("tcpBeLiberal"):
        found["net.netfilter.nf_conntrack_tcp_be_liberal"] = "1"
    return found


def most_connections(configuration: Mapping[str, Any], cores: int) -> int:
    """How many connections are to be tracked at least; 0: as the kernel has it."""
    given = configuration.get("conntrack") or {}
    per_core = MAX_PER_CORE if given.get("maxPerCore") is None else int(given["maxPerCore"])
    least = MIN if given.get("min") is None else int(given["min"])
    return max(per_core * cores, least) if per_core > 0 else 0


def seconds(field: str, text: object) -> int:
    """A Go duration, "1h30m"; a fraction counts as a whole second. Raises ConfigError."""
    parts = _PART.findall(str(text))
    if "".join(number + unit for number, unit in parts) != str(text) and str(text) != "0":
        raise ConfigError(f'{field}: Invalid value: {text!r}: must be a duration, as "24h0m0s"')
    return -int(-sum(float(number) * _UNITS[unit] for number, unit in parts) // 1)
