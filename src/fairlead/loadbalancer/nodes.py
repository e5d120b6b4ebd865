"""Which nodes a load balancer sends to (k8s.io/cloud-provider's predicates). Pure."""

from collections.abc import Iterable

from fairlead.api.types.core import Node

EXCLUDED = "node.kubernetes.io/exclude-from-external-load-balancers"
ENDING = "ToBeDeletedByClusterAutoscaler"  # a taint


def addressed(nodes: Iterable[Node]) -> dict[str, tuple[str, ...]]:
    """Name → one address of each family. Whether a node is Ready is not asked: its health check tells, and sooner."""
    return {node.metadata.name: addresses for node in nodes if (addresses := _addresses(node))}


def leaving(nodes: Iterable[Node]) -> frozenset[str]:
    """Names of those that shall get no new connections, and keep what is open to them."""
    return frozenset(node.metadata.name for node in nodes if _leaves(node))


def _leaves(node: Node) -> bool:
    metadata = node.metadata
    is_ending = metadata.deletion_timestamp is not None or any(taint.key == ENDING for taint in node.spec.taints)
    return is_ending or EXCLUDED in metadata.labels


def _addresses(node: Node) -> tuple[str, ...]:
    by_family: dict[bool, str] = {}
    for each in node.status.addresses:
        if each.type == "InternalIP":
            by_family.setdefault(":" in each.address, each.address)
    return tuple(by_family.values())
