"""The scheduler as a part: pods without a node, one after another, to the best one there is."""

import asyncio
import logging
import random
import time
from dataclasses import dataclass

from fairlead.api import time as api_time
from fairlead.api.status import ApiError
from fairlead.api.types.core import Node, Pod
from fairlead.client.config import load
from fairlead.client.events import Recorder, reference
from fairlead.client.informer import Informer
from fairlead.client.rest import Client
from fairlead.client.workqueue import WorkQueue, run
from fairlead.scheduler.filter import refusal, summary
from fairlead.scheduler.model import NodeState
from fairlead.scheduler.score import score

log = logging.getLogger(__name__)

NAME = "default-scheduler"
UNSCHEDULABLE = "Unschedulable"
BINDERS = 8  # bindings on their way at once; each is decided, and counts, before the next is looked at


@dataclass(frozen=True, slots=True)
class Options:
    kubeconfig: str | None


async def serve(options: Options) -> None:
    """Runs until cancelled."""
    client = Client(load(options.kubeconfig), user_agent="kube-scheduler/fairlead")
    scheduler = Scheduler(client)
    try:
        await scheduler.run()
    finally:
        await client.close()


class Scheduler:
    """Its own picture of the nodes runs ahead of the cache: a pod that was bound counts at once."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._recorder = Recorder(client, NAME)
        self._queue = WorkQueue()
        self._states: dict[str, NodeState] = {}
        self._place: dict[str, str] = {}  # a pod's uid → the node where it counts
        self._unschedulable: set[str] = set()
        self._pods = Informer(client, "pods", Pod)
        self._nodes = Informer(client, "nodes", Node)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for informer in (self._pods, self._nodes):
                tasks.create_task(informer.run())
            for informer in (self._nodes, self._pods):
                await informer.synced()
            self._nodes.add_handler(self._on_node)
            self._pods.add_handler(self._on_pod)
            tasks.create_task(self._recorder.run())
            tasks.create_task(run(self._queue, BINDERS, self._schedule, "scheduler"))

    def _on_node(self, name: str, _: Node | None, new: Node | None) -> None:
        if new is None:
            self._states.pop(name, None)
        elif name in self._states:
            self._states[name].node = new
        else:
            self._states[name] = NodeState(new)
            for pod in self._pods.items.values():
                if pod.spec.node_name == name:
                    self._count(pod)
        self._retry()

    def _on_pod(self, key: str, old: Pod | None, new: Pod | None) -> None:
        if old is not None and (new is None or new.metadata.uid != old.metadata.uid):
            self._uncount(old.metadata.uid)
            self._unschedulable.discard(key)
            self._retry()
        if new is None:
            return
        if new.status.phase in ("Succeeded", "Failed"):
            self._uncount(new.metadata.uid)
            self._retry()
        elif new.spec.node_name:
            self._count(new)
        elif new.spec.scheduler_name == NAME and new.metadata.deletion_timestamp is None:
            self._queue.add(key)

    def _count(self, pod: Pod) -> None:
        uid, node = pod.metadata.uid, pod.spec.node_name
        if self._place.get(uid) not in (None, node):
            self._uncount(uid)
        if node in self._states:
            if uid not in self._states[node].pods:
                self._states[node].add(pod)
            self._place[uid] = node

    def _uncount(self, uid: str) -> None:
        node = self._place.pop(uid, None)
        if node is not None and node in self._states:
            self._states[node].remove(uid)

    def _retry(self) -> None:
        """Something became free, or a node changed."""
        for key in self._unschedulable:
            self._queue.add(key)

    async def _schedule(self, key: str) -> None:
        pod = self._pods.get(key)
        if pod is None or pod.spec.node_name or pod.metadata.deletion_timestamp or pod.metadata.uid in self._place:
            self._unschedulable.discard(key)
            return
        refusals = {name: why for name, state in self._states.items() if (why := refusal(pod, state)) is not None}
        possible = [state for name, state in self._states.items() if name not in refusals]
        if not possible:
            await self._refuse(key, pod, summary(refusals))
            return
        self._unschedulable.discard(key)
        best = max(possible, key=lambda state: (score(pod, state), random.random()))
        metadata = pod.metadata
        best.add(pod)
        self._place[metadata.uid] = best.name
        try:
            await self._client.bind(metadata.namespace, metadata.name, metadata.uid, best.name)
        except (ApiError, OSError, EOFError) as error:
            self._uncount(metadata.uid)
            if isinstance(error, ApiError) and error.code in (404, 409):
                return  # gone, or somebody else's already; the cache will tell
            raise
        text = f"Successfully assigned {metadata.namespace}/{metadata.name} to {best.name}"
        self._recorder.event(reference(pod, "Pod", "v1"), "Normal", "Scheduled", text)

    async def _refuse(self, key: str, pod: Pod, why: str) -> None:
        self._unschedulable.add(key)
        told = next((each for each in pod.status.conditions if each.type == "PodScheduled"), None)
        if told is not None and told.message == why:
            return
        self._recorder.event(reference(pod, "Pod", "v1"), "Warning", "FailedScheduling", why)
        condition = {
            "type": "PodScheduled",
            "status": "False",
            "reason": UNSCHEDULABLE,
            "message": why,
            "lastProbeTime": None,
            "lastTransitionTime": api_time.render(time.time()),
        }
        body = {"status": {"conditions": [condition]}}
        metadata = pod.metadata
        await self._client.patch(
            "pods", metadata.name, metadata.namespace, body, kind="strategic", subresource="status", type=Pod
        )
