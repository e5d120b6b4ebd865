"""Pods that nobody else will ever end: of nodes that are gone, or told to go before they had one."""

import asyncio
import logging
from collections.abc import Collection, Iterable

from fairlead.api.status import ApiError
from fairlead.api.types.core import Pod
from fairlead.controllers.context import Context

log = logging.getLogger(__name__)

LOOK = 20.0  # seconds
MOST_ENDED = 12500  # ended pods that are kept


def plan(pods: Iterable[Pod], nodes: Collection[str], missed: Collection[str]) -> list[Pod]:
    """Pods to delete. `missed`: nodes that were not there at the last look either; one look may be too early."""
    pods = list(pods)
    lost = [p for p in pods if p.spec.node_name and p.spec.node_name not in nodes and p.spec.node_name in missed]
    stray = [p for p in pods if not p.spec.node_name and p.metadata.deletion_timestamp]
    ended = [p for p in pods if p.is_terminated and p not in lost]
    ended.sort(key=lambda pod: pod.metadata.creation_timestamp or "")
    return [*lost, *stray, *ended[: max(0, len(ended) - MOST_ENDED)]]


def absent(pods: Iterable[Pod], nodes: Collection[str]) -> set[str]:
    return {pod.spec.node_name for pod in pods if pod.spec.node_name and pod.spec.node_name not in nodes}


class PodGarbageCollector:
    def __init__(self, context: Context) -> None:
        self._client = context.client
        self._pods, self._nodes = context.pods, context.nodes
        self._missed: set[str] = set()

    async def run(self) -> None:
        while True:
            await asyncio.sleep(LOOK)
            try:
                await self._collect()
            except (ApiError, OSError, EOFError) as error:
                log.info("pod gc: %s", error)

    async def _collect(self) -> None:
        pods, nodes = list(self._pods.items.values()), set(self._nodes.items)
        doomed, self._missed = plan(pods, nodes, self._missed), absent(pods, nodes)
        for pod in doomed:
            metadata = pod.metadata
            try:
                await self._client.delete("pods", metadata.name, metadata.namespace, grace=0, uid=metadata.uid)
            except ApiError as error:
                if not (error.is_not_found or error.is_conflict):
                    raise
