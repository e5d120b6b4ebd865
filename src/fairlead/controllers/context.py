"""What controllers share: one client, one cache of each resource, a recorder of events in each one's name."""

import asyncio
from typing import Any, TypeVar, cast

from fairlead.api.types import apps, batch, core, discovery, service
from fairlead.client.events import Recorder
from fairlead.client.informer import Informer
from fairlead.client.rest import Client

T = TypeVar("T")


class Context:
    """Informers are made when first asked for, and all run together."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._recorders: dict[str, Recorder] = {}
        self._informers: dict[str, Informer[Any]] = {}

    def informer(self, resource: str, type_: type[T]) -> Informer[T]:
        found = self._informers.get(resource)
        if found is None:
            found = self._informers[resource] = Informer(self.client, resource, type_)
        return cast(Informer[T], found)

    def recorder(self, component: str) -> Recorder:
        """`component` is what `kubectl describe` shows as From: `replicaset-controller`."""
        return self._recorders.setdefault(component, Recorder(self.client, component))

    @property
    def pods(self) -> Informer[core.Pod]:
        return self.informer("pods", core.Pod)

    @property
    def services(self) -> Informer[service.Service]:
        return self.informer("services", service.Service)

    @property
    def endpoints(self) -> Informer[service.Endpoints]:
        return self.informer("endpoints", service.Endpoints)

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

    @property
    def controller_revisions(self) -> Informer[apps.ControllerRevision]:
        return self.informer("controllerrevisions.apps", apps.ControllerRevision)

    @property
    def jobs(self) -> Informer[batch.Job]:
        return self.informer("jobs.batch", batch.Job)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for recorder in self._recorders.values():
                tasks.create_task(recorder.run())
            for informer in self._informers.values():
                tasks.create_task(informer.run())

    async def synced(self) -> None:
        for informer in list(self._informers.values()):
            await informer.synced()
