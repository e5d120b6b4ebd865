"""Pods that nobody else will ever end: of nodes that are gone, or told to go before they had one."""

import asyncio
import logging

from fairlead.api.status import ApiError
from fairlead.controllers.context import Context

log = logging.getLogger(__name__)

LOOK = 20.0  # seconds
MOST_ENDED = 12500  # ended pods that are kept


class PodGarbageCollector:
    def __init__(self, context: Context) -> None:
        self._client = context.client
        self._pods, self._nodes = context.pods, context.nodes

    async def run(self) -> None:
        while True:
            await asyncio.sleep(LOOK)
            try:
                await self._collect()
            except (ApiError, OSError) as error:
                log.info("pod gc: %s", error)

    async def _collect(self) -> None:
        pods = list(self._pods.items.values())
        doomed = [p for p in pods if p.spec.node_name and p.spec.node_name not in self._nodes.items]
        doomed += [p for p in pods if not p.spec.node_name and p.metadata.deletion_timestamp]
        ended = [p for p in pods if p.status.phase in ("Succeeded", "Failed")]
        ended.sort(key=lambda pod: pod.metadata.creation_timestamp or "")
        doomed += ended[: max(0, len(ended) - MOST_ENDED)]
        for pod in doomed:
            try:
                await self._client.delete("pods", pod.metadata.name, pod.metadata.namespace, grace=0)
            except ApiError as error:
                if not error.is_not_found:
                    raise
