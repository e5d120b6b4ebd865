"""Ports that lead to Services beside HTTP (`--tcp-services-configmap`, `--udp-services-configmap`). Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from fairlead.ingress.plan.targets import Target

# "namespace/service:port", then whether the PROXY protocol is read from clients and sent to pods.
ENTRY = re.compile(r"^([a-z0-9-]+)/([a-z0-9.-]+):([a-z0-9-]+)(?::(PROXY)?)?(?::(PROXY)?)?$")
OWN_PORTS = frozenset({10254})


@dataclass(frozen=True, slots=True)
class Stream:
    target: Target
    protocol: str  # TCP or UDP
    send_proxy: bool = False


def read(data: Mapping[str, str], protocol: str, taken: frozenset[int]) -> tuple[dict[int, Stream], list[str]]:
    """Port → where it leads; and what cannot be, in words. `taken`: ports that are the controller's own."""
    found: dict[int, Stream] = {}
    faults = []
    for key, value in sorted(data.items()):
        match = ENTRY.match(value.strip())
        if not key.isdigit() or not 1 <= int(key) <= 65535:
            faults.append(f"{key!r} is no port")
        elif int(key) in taken | OWN_PORTS:
            faults.append(f"port {key} is the controller's own")
        elif match is None or match[4]:
            faults.append(f"{key}: {value!r} is not namespace/service:port, with ::PROXY where pods read that protocol")
        else:
            found[int(key)] = Stream(Target(match[1], match[2], match[3]), protocol, bool(match[5]))
    return found, faults
