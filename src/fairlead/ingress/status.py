"""The address in the status of every Ingress: kept by the leader of all copies of the controller."""

import asyncio
import logging

import msgspec

from fairlead.api.status import ApiError
from fairlead.api.types.core import Node, Pod
from fairlead.api.types.networking import (
    Ingress,
    IngressLoadBalancerIngress,
    IngressLoadBalancerStatus,
    IngressStatus,
)
from fairlead.client.leader import Election, LeadershipLostError, LeaseLock, Lock
from fairlead.client.leader_configmap import ConfigMapLock
from fairlead.client.rest import Client
from fairlead.client.workqueue import WorkQueue, run
from fairlead.ingress.observing import Observed
from fairlead.ingress.options import Options
from fairlead.ingress.plan import addresses

log = logging.getLogger(__name__)

INGRESSES = "ingresses.networking.k8s.io"
WORKERS = 8
LOOK = 5.0  # seconds between two looks at the nodes, where their addresses are shown
AGAIN = 0.5  # seconds before the API is asked again that did not answer


class StatusKeeper:
    """`changed` names an Ingress that is ours; `published_changed` is about where clients come in."""

    def __init__(self, client: Client, options: Options, observed: Observed, is_ours: "Ours") -> None:
        self._client = client
        self._options = options
        self._observed = observed
        self._is_ours = is_ours
        self._queue = WorkQueue()
        self._wanted: list[IngressLoadBalancerIngress] | None = None
        self.leads = False

    def changed(self, key: str) -> None:
        self._queue.add(key)

    def published_changed(self) -> None:
        published = self._options.publish_service
        if published is None or self._options.publish_status_address:
            return
        service = self._observed.services.get(published)
        self._want(addresses.of_service(service) if service is not None else [])

    async def run(self) -> None:
        """Leads, loses, waits again, until cancelled."""
        me = self._options.pod_name or "fairlead-ingress"
        namespace = self._options.pod_namespace or "default"
        lock = await self._lock(namespace)
        while True:
            try:
                await Election(self._client, self._options.election_id, me, namespace, lock=lock).run(self._lead)
            except LeadershipLostError as error:
                log.info("%s", error)
            finally:
                self.leads = False

    async def _lock(self, namespace: str) -> Lock:
        """A Lease, or the ConfigMap of older roles, whose name has the class at its end."""
        lease = LeaseLock(self._client, self._options.election_id, namespace)
        while True:
            try:
                await lease.read()
            except ApiError as error:
                if error.code == 403:
                    name = f"{self._options.election_id}-{self._options.choice.name}"
                    return ConfigMapLock(self._client, name, namespace)
                log.info("cannot read the lease: %s", error)
            except (OSError, EOFError) as error:
                log.info("cannot ask for the lease: %s", error)
                await asyncio.sleep(AGAIN)
                continue
            return lease

    async def _lead(self) -> None:
        self.leads = True
        if self._options.publish_status_address:
            self._want(addresses.of_texts(self._options.publish_status_address))
        self.published_changed()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(run(self._queue, WORKERS, self._reconcile, "status"))
            if self._options.publish_service is None and not self._options.publish_status_address:
                tasks.create_task(self._follow_nodes())

    def _want(self, found: list[IngressLoadBalancerIngress]) -> None:
        if found != self._wanted:
            self._wanted = found
            for key in self._observed.ingresses.items:
                self._queue.add(key)

    async def _follow_nodes(self) -> None:
        """The nodes where the controller's pods are; by itself, outside of a cluster, it has none."""
        name, namespace = self._options.pod_name, self._options.pod_namespace
        while name:
            try:
                nodes = await self._nodes_of_copies(name, namespace)
            except (ApiError, OSError, EOFError) as error:  # what is shown stays until they are known again
                log.info("the controller's nodes are not known: %s", error)
                await asyncio.sleep(AGAIN)
                continue
            self._want(addresses.of_nodes(nodes, internal=self._options.report_internal))
            await asyncio.sleep(LOOK)

    async def _nodes_of_copies(self, name: str, namespace: str) -> list[Node]:
        """Of the pods that are labelled like our own."""
        me = await self._client.get("pods", name, namespace, type=Pod)
        labels = ",".join(f"{key}={value}" for key, value in me.metadata.labels.items() if "hash" not in key)
        pods = await self._client.list("pods", type=Pod, namespace=namespace, label_selector=labels)
        names = sorted({pod.spec.node_name for pod in pods.items if pod.status.phase == "Running"})
        return [await self._client.get("nodes", each, type=Node) for each in names]

    async def _reconcile(self, key: str) -> None:
        ingress = self._observed.ingresses.get(key)
        if ingress is None or self._wanted is None or not self._is_ours(ingress):
            return
        if ingress.status.load_balancer.ingress == self._wanted:
            return
        namespace, _, name = key.partition("/")
        try:
            await self._write(ingress)
        except ApiError as error:
            if not error.is_conflict:
                raise
            await self._write(await self._client.get(INGRESSES, name, namespace, type=Ingress))

    async def _write(self, ingress: Ingress) -> None:
        status = IngressStatus(load_balancer=IngressLoadBalancerStatus(ingress=self._wanted or []))
        await self._client.update(INGRESSES, msgspec.structs.replace(ingress, status=status), subresource="status")


class Ours:
    """Whether an Ingress is served here."""

    def __init__(self, options: Options, observed: Observed) -> None:
        self._choice = options.choice
        self._observed = observed

    def __call__(self, ingress: Ingress) -> bool:
        classes = self._observed.classes
        return self._choice.takes(ingress, classes.items if classes is not None else None)
