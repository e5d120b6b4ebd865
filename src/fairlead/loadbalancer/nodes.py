"""Which nodes a load balancer sends to (k8s.io/cloud-provider's predicates). Pure."""

from collections.abc import Iterable

from fairlead.api.types.core import Node

EXCLUDED = "node.kubernetes.io/exclude-from-external-load-balancers"
ENDING = "ToBeDeletedByClusterAutoscaler"  # a taint


def eligible(nodes: Iterable[Node]) -> dict[str, tuple[str, ...]]:
    """Name → one address of each family. Whether a node is Ready is not asked: its health check tells, and sooner."""
    found = {}
    for node in nodes:
        metadata = node.metadata
        if metadata.deletion_timestamp is not None or EXCLUDED in metadata.labels:
            continue
        if any(taint.key == ENDING for taint in node.spec.taints):
            continue
        if addresses := _addresses(node):
            found[metadata.name] = addresses
    return found


def _addresses(node: Node) -> tuple[str, ...]:
    by_family: dict[bool, str] = {}
    for each in node.status.addresses:
        if each.type == "InternalIP":
            by_family.setdefault(":" in each.address, each.address)
    return tuple(by_family.values())
