"""What controllers share: one cache of each resource, one client, one recorder of events."""

import asyncio
from typing import Any, TypeVar, cast

from fairlead.api.types import apps, core, discovery
from fairlead.client.events import Recorder
from fairlead.client.informer import Informer
from fairlead.client.rest import Client

T = TypeVar("T")


class Context:
    """Informers are made when first asked for, and all run together."""

    def __init__(self, client: Client, component: str) -> None:
        self.client = client
        self.recorder = Recorder(client, component)
        self._informers: dict[str, Informer[Any]] = {}

    def informer(self, resource: str, type_: type[T]) -> Informer[T]:
        found = self._informers.get(resource)
        if found is None:
            found = self._informers[resource] = Informer(self.client, resource, type_)
        return cast(Informer[T], found)

    @property
    def pods(self) -> Informer[core.Pod]:
        return self.informer("pods", core.Pod)

    @property
    def services(self) -> Informer[core.Service]:
        return self.informer("services", core.Service)

    @property
    def endpoints(self) -> Informer[core.Endpoints]:
        return self.informer("endpoints", core.Endpoints)

    @property
    def slices(self) -> Informer[discovery.EndpointSlice]:
        return self.informer("endpointslices.discovery.k8s.io", discovery.EndpointSlice)

    @property
    def nodes(self) -> Informer[core.Node]:
        return self.informer("nodes", core.Node)

    @property
    def namespaces(self) -> Informer[core.Namespace]:
        return self.informer("namespaces", core.Namespace)

    @property
    def deployments(self) -> Informer[apps.Deployment]:
        return self.informer("deployments.apps", apps.Deployment)

    @property
    def replica_sets(self) -> Informer[apps.ReplicaSet]:
        return self.informer("replicasets.apps", apps.ReplicaSet)

    @property
    def daemon_sets(self) -> Informer[apps.DaemonSet]:
        return self.informer("daemonsets.apps", apps.DaemonSet)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.recorder.run())
            for informer in self._informers.values():
                tasks.create_task(informer.run())

    async def synced(self) -> None:
        for informer in list(self._informers.values()):
            await informer.synced()
