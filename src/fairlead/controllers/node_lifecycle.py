"""Nodes: the address range of their pods; and what happens when one falls silent (pkg/controller/nodelifecycle)."""

import asyncio
import ipaddress
import time
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from fairlead.api import time as api_time
from fairlead.api.types.core import Node, Pod, Taint
from fairlead.api.types.discovery import Lease
from fairlead.client.events import reference
from fairlead.client.workqueue import WorkQueue, run
from fairlead.controllers.ahead import Ahead
from fairlead.controllers.context import Context
from fairlead.controllers.endpoints import ignore_missing
from fairlead.controllers.placement import tolerates
from fairlead.controllers.pods import condition

Json = dict[str, Any]

SILENT = 40.0  # seconds without a sign of life
LOOK = 5.0
LEASES = "kube-node-lease"
NOT_READY, UNREACHABLE = "node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"
OURS = (NOT_READY, UNREACHABLE, "node.kubernetes.io/unschedulable")
SIZES = {4: 24, 6: 64}  # kube-controller-manager's --node-cidr-mask-size-ipv4 and …-ipv6
CONTROL_PLANE = "node-role.kubernetes.io/control-plane"


def pod_cidr(cluster: str, taken: Iterable[str], *, first: bool) -> str:
    """The next free /24, or /64 in IPv6. The control plane's node has the first, as in the tutorial's clusters."""
    used = set(taken)
    network = ipaddress.ip_network(cluster)
    size = SIZES[network.version]
    subnets = network.subnets(new_prefix=size)
    for index, subnet in enumerate(subnets):
        if index == 0 and not first:
            continue
        if str(subnet) not in used:
            return str(subnet)
    raise ValueError(f"no /{size} is left in {cluster}")


def taints_of(node: Node, now: float) -> list[Taint]:
    """The taints that a node should have: its own, and ours by its condition."""
    found = [taint for taint in node.spec.taints if taint.key not in OURS]
    ready = condition(node.status.conditions, "Ready")
    status = ready.status if ready else "Unknown"
    key = {"True": None, "Unknown": UNREACHABLE}.get(status, NOT_READY)
    if key is not None:
        for effect in ("NoSchedule", "NoExecute"):
            known = next((t for t in node.spec.taints if (t.key, t.effect) == (key, effect)), None)
            found.append(known or Taint(key=key, effect=effect, time_added=api_time.render(now)))
    if node.spec.unschedulable:
        found.append(Taint(key="node.kubernetes.io/unschedulable", effect="NoSchedule"))
    return found


def evicted_at(pod: Pod, taints: Iterable[Taint]) -> float | None:
    """When a pod must leave its node for a NoExecute taint; None: it may stay."""
    times = []
    for taint in taints:
        if taint.effect != "NoExecute":
            continue
        matching = [t for t in pod.spec.tolerations if tolerates(t, taint)]
        since = api_time.parse(taint.time_added) if taint.time_added else 0.0
        if not matching:
            times.append(since)
        elif all(t.toleration_seconds is not None for t in matching):
            times.append(since + min(t.toleration_seconds or 0 for t in matching))
    return min(times) if times else None


class NodeLifecycleController:
    def __init__(self, context: Context, cluster_cidrs: Sequence[str]) -> None:
        self._client = context.client
        self._recorder = context.recorder("node-controller")
        self._evictions = context.recorder("taint-eviction-controller")
        self._cidrs = cluster_cidrs
        self._queue = WorkQueue()
        self._nodes, self._pods = context.nodes, context.pods
        self._leases = context.informer("leases.coordination.k8s.io", Lease)
        self._known = Ahead(self._nodes)
        self._given: dict[str, list[str]] = {}
        self._pods.add_index("node", lambda pod: [pod.spec.node_name] if pod.spec.node_name else [])
        self._nodes.add_handler(self._on_node)
        self._pods.add_handler(self._on_pod)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(run(self._queue, 1, self._reconcile, "node lifecycle"))
            tasks.create_task(self._look())

    def _on_node(self, key: str, old: Node | None, new: Node | None) -> None:
        if new is None:
            self._given.pop(key, None)
            return
        if old is None:
            text = f"Node {key} event: Registered Node {key} in Controller"
            self._recorder.event(reference(new, "Node", "v1"), "Normal", "RegisteredNode", text)
        self._queue.add(key)

    def _on_pod(self, _: str, old: Pod | None, new: Pod | None) -> None:
        """A pod that comes to a tainted node has its own time to leave it."""
        if new is not None and new.spec.node_name and (old is None or not old.spec.node_name):
            node = self._nodes.get(new.spec.node_name)
            if node is not None and any(taint.effect == "NoExecute" for taint in node.spec.taints):
                self._queue.add(new.spec.node_name)

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK)
            for name in self._nodes.items:
                self._queue.add(name)

    async def _reconcile(self, name: str) -> None:
        node = self._known.get(name)
        if node is None:
            return
        now = time.time()
        if not node.spec.pod_cidr:
            node = await self._give_range(node)
        if self._silent_for(node, now) > SILENT:
            node = await self._declare_unknown(node, now)
        wanted = taints_of(node, now)
        if [(t.key, t.effect) for t in wanted] != [(t.key, t.effect) for t in node.spec.taints]:
            # Only what we have seen is replaced: the list is also `kubectl taint`'s.
            seen = {"resourceVersion": node.metadata.resource_version}
            body = {"metadata": seen, "spec": {"taints": [msgspec.to_builtins(taint) for taint in wanted] or None}}
            self._known.write(await self._client.patch("nodes", name, None, body, type=Node))
        await self._evict(name, wanted, now)

    async def _give_range(self, node: Node) -> Node:
        name = node.metadata.name
        taken = {cidr for each in self._nodes.items.values() for cidr in each.spec.pod_cidrs}
        taken.update(cidr for cidrs in self._given.values() for cidr in cidrs)
        first = CONTROL_PLANE in node.metadata.labels
        if name not in self._given:
            self._given[name] = [pod_cidr(cluster, taken, first=first) for cluster in self._cidrs]
        cidrs = self._given[name]
        body = {"spec": {"podCIDR": cidrs[0], "podCIDRs": cidrs}}
        node = await self._client.patch("nodes", name, None, body, type=Node)
        self._known.write(node)
        return node

    def _silent_for(self, node: Node, now: float) -> float:
        lease = self._leases.get(f"{LEASES}/{node.metadata.name}")
        ready = condition(node.status.conditions, "Ready")
        signs = [node.metadata.creation_timestamp, lease.spec.renew_time if lease else None]
        signs.append(ready.last_heartbeat_time if ready and ready.status != "Unknown" else None)
        return now - max(api_time.parse(sign) for sign in signs if sign)

    async def _declare_unknown(self, node: Node, now: float) -> Node:
        ready = condition(node.status.conditions, "Ready")
        if ready is not None and ready.status == "Unknown":
            return node
        moment = api_time.render(now)
        changed = [
            {
                **msgspec.to_builtins(each),
                "status": "Unknown",
                "reason": "NodeStatusUnknown",
                "message": "Kubelet stopped posting node status.",
                "lastTransitionTime": moment,
            }
            for each in node.status.conditions
        ]
        body = {"status": {"conditions": changed}}
        node = await self._client.patch("nodes", node.metadata.name, None, body, subresource="status", type=Node)
        self._known.write(node)
        text = f"Node {node.metadata.name} status is now: NodeNotReady"
        self._recorder.event(reference(node, "Node", "v1"), "Normal", "NodeNotReady", text)
        for pod in self._pods.by_index("node", node.metadata.name):
            await self._not_ready(pod, moment)
        return node

    async def _not_ready(self, pod: Pod, moment: str) -> None:
        """Its Services must not send anything there."""
        found = condition(pod.status.conditions, "Ready")
        if found is None or found.status != "True":
            return
        conditions = [{"type": "Ready", "status": "False", "lastTransitionTime": moment, "reason": "NodeNotReady"}]
        metadata = pod.metadata
        body = {"status": {"conditions": conditions}}
        await ignore_missing(
            self._client.patch(
                "pods", metadata.name, metadata.namespace, body, kind="strategic", subresource="status", type=Pod
            )
        )

    async def _evict(self, name: str, taints: list[Taint], now: float) -> None:
        if not any(taint.effect == "NoExecute" for taint in taints):
            return
        for pod in self._pods.by_index("node", name):
            at = evicted_at(pod, taints)
            if at is None or pod.metadata.deletion_timestamp is not None:
                continue
            if at > now:
                self._queue.add_after(name, at - now)
                continue
            text = f"Marking for deletion Pod {pod.metadata.namespace}/{pod.metadata.name}"
            self._evictions.event(reference(pod, "Pod", "v1"), "Normal", "TaintManagerEviction", text)
            metadata = pod.metadata
            await ignore_missing(self._client.delete("pods", metadata.name, metadata.namespace, uid=metadata.uid))
