"""The downward API: what a pod can be told of itself. Pure.

Source: kubelet `pkg/fieldpath` and `kubelet_pods.go` podFieldSelectorRuntimeValue; `resource/helpers.go`.
"""

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from fairlead.api.quantity import parse
from fairlead.api.types.core import Container, Pod, ResourceFieldSelector
from fairlead.node.sources import SourceError

_SUBSCRIPT: Final = re.compile(r"^metadata\.(labels|annotations)\['(.+)'\]$")


@dataclass(frozen=True, slots=True)
class Self:
    """A pod and where it runs. `allocatable`: the node's, which stands in for limits that are not set."""

    pod: Pod
    pod_ips: Sequence[str]  # the primary one first; none before the network is there
    node_ips: Sequence[str]
    allocatable: Mapping[str, str]


def _map(entries: Mapping[str, str]) -> str:
    return "\n".join(f"{key}={json.dumps(entries[key], ensure_ascii=False)}" for key in sorted(entries))


_FIELDS: Final[dict[str, Callable[[Self], str]]] = {
    "metadata.name": lambda self: self.pod.metadata.name,
    "metadata.namespace": lambda self: self.pod.metadata.namespace,
    "metadata.uid": lambda self: self.pod.metadata.uid,
    "metadata.labels": lambda self: _map(self.pod.metadata.labels),
    "metadata.annotations": lambda self: _map(self.pod.metadata.annotations),
    "spec.nodeName": lambda self: self.pod.spec.node_name,
    "spec.serviceAccountName": lambda self: self.pod.spec.service_account_name,
    "status.hostIP": lambda self: self.node_ips[0],
    "status.hostIPs": lambda self: ",".join(self.node_ips),
    "status.podIP": lambda self: next(iter(self.pod_ips), ""),
    "status.podIPs": lambda self: ",".join(self.pod_ips),
}


def field(self: Self, path: str) -> str:
    """The value of `fieldRef.fieldPath`. Raises SourceError for a path that is not offered."""
    if match := _SUBSCRIPT.match(path):
        entries = self.pod.metadata.labels if match[1] == "labels" else self.pod.metadata.annotations
        return entries.get(match[2], "")
    if path not in _FIELDS:
        raise SourceError(f"unsupported fieldPath: {path}")
    return _FIELDS[path](self)


def resource(self: Self, container: Container, selector: ResourceFieldSelector) -> str:
    """The value of `resourceFieldRef`, in units of its divisor, rounded up. Raises SourceError."""
    kind, _, name = selector.resource.partition(".")
    if kind not in ("limits", "requests") or name not in ("cpu", "memory", "ephemeral-storage"):
        raise SourceError(f"unsupported container resource : {selector.resource}")
    if selector.container_name:
        containers = (*self.pod.spec.containers, *self.pod.spec.init_containers)
        named = next((each for each in containers if each.name == selector.container_name), None)
        if named is None:
            raise SourceError(f"container {selector.container_name} not found")
        container = named
    limits, requests = container.resources.limits, container.resources.requests
    value = limits.get(name, self.allocatable.get(name, 0)) if kind == "limits" else requests.get(name, 0)
    divisor = parse(str(selector.divisor or "1")) or parse("1")
    return str(math.ceil(parse(str(value)) / divisor))
