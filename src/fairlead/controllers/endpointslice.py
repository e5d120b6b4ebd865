"""EndpointSlices of Services, kept as planned in `slices` (pkg/controller/endpointslice)."""

from fairlead.api.types.core import Node
from fairlead.api.types.discovery import EndpointSlice
from fairlead.client.workqueue import WorkQueue, run
from fairlead.controllers.ahead import Ahead
from fairlead.controllers.context import Context
from fairlead.controllers.endpoint_ports import families_of
from fairlead.controllers.endpoints import ignore_missing
from fairlead.controllers.selecting import follow_services
from fairlead.controllers.slices import CONTROLLER, MANAGED_BY, SERVICE_NAME, plan

RESOURCE = "endpointslices.discovery.k8s.io"
ZONE = "topology.kubernetes.io/zone"


class EndpointSliceController:
    def __init__(self, context: Context) -> None:
        self._client = context.client
        self._queue = WorkQueue()
        self._services, self._slices = context.services, context.slices
        self._zones: dict[str, str] = {}
        self._ahead = Ahead(self._slices)
        self._selected = follow_services(context, self._queue)
        self._slices.add_index("service", service_key)
        self._slices.add_handler(self._on_slice)
        context.nodes.add_handler(self._on_node)

    async def run(self) -> None:
        await run(self._queue, 4, self._reconcile, "endpointslice")

    def _on_slice(self, _: str, old: EndpointSlice | None, new: EndpointSlice | None) -> None:
        for obj in (old, new):
            for key in service_key(obj) if obj is not None else ():
                self._queue.add(key)

    def _on_node(self, name: str, _: Node | None, new: Node | None) -> None:
        zone = new.metadata.labels.get(ZONE) if new is not None else None
        if zone == self._zones.get(name):
            return
        if zone is None:
            del self._zones[name]
        else:
            self._zones[name] = zone
        for key in self._services.items:
            self._queue.add(key)

    async def _reconcile(self, key: str) -> None:
        service, namespace = self._services.get(key), key.partition("/")[0]
        known = self._ahead.over(self._slices.by_index("service", key), lambda each: service_key(each) == [key])
        current = [each for each in known if each.metadata.deletion_timestamp is None]
        if service is None:
            for each in current:
                await self._delete(each, namespace)
            return
        if not service.spec.selector or service.spec.type == "ExternalName":
            return
        pods = list(self._selected(service))
        families = families_of(service)
        for family in families:
            own = [each for each in current if each.address_type == family]
            found = plan(service, pods, own, self._zones, family)
            for each in found.update:
                self._ahead.write(await self._client.update(RESOURCE, each))
            for each in found.create:
                self._ahead.write(await self._client.create(RESOURCE, each, namespace))
            for each in found.delete:
                await self._delete(each, namespace)
        for each in current:
            if each.address_type not in families:  # a type is for ever, so the Service has lost this family
                await self._delete(each, namespace)

    async def _delete(self, each: EndpointSlice, namespace: str) -> None:
        await ignore_missing(self._client.delete(RESOURCE, each.metadata.name, namespace, uid=each.metadata.uid))
        self._ahead.delete(each)


def service_key(obj: EndpointSlice) -> list[str]:
    """Of the slices that are ours."""
    labels = obj.metadata.labels
    if labels.get(MANAGED_BY) != CONTROLLER or SERVICE_NAME not in labels:
        return []
    return [f"{obj.metadata.namespace}/{labels[SERVICE_NAME]}"]
