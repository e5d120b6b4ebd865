"""EndpointSlices of Services, kept as planned in `slices` (pkg/controller/endpointslice)."""

from collections.abc import Mapping, Sequence

from fairlead.api.types.core import Node, Pod
from fairlead.api.types.discovery import EndpointSlice
from fairlead.api.types.service import Service
from fairlead.client.events import reference
from fairlead.client.workqueue import WorkQueue, run
from fairlead.controllers import topology
from fairlead.controllers.ahead import Ahead
from fairlead.controllers.context import Context
from fairlead.controllers.endpoint_ports import families_of
from fairlead.controllers.endpoints import ignore_missing
from fairlead.controllers.selecting import follow_services
from fairlead.controllers.slices import CONTROLLER, MANAGED_BY, SERVICE_NAME, meant_for, plan, ready_zones
from fairlead.controllers.topology import Place

RESOURCE = "endpointslices.discovery.k8s.io"


class EndpointSliceController:
    def __init__(self, context: Context) -> None:
        self._client = context.client
        self._queue = WorkQueue()
        self._services, self._slices = context.services, context.slices
        self._recorder = context.recorder("endpoint-slice-controller")
        self._places: dict[str, Place] = {}
        self._zones: dict[str, str] = {}
        self._processors: Mapping[str, int] = {}
        self._told: dict[tuple[str, str], str] = {}  # Service and family → what was said of its hints
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
        place = Place.of(new) if new is not None else None
        if place == self._places.get(name):
            return
        self._places = {key: each for key, each in self._places.items() if key != name}
        if place is not None:
            self._places[name] = place
        zones = {key: each.zone for key, each in self._places.items() if each.zone}
        processors = topology.processors(self._places.values())
        everywhere, shares = zones != self._zones, processors != self._processors
        self._zones, self._processors = zones, processors
        for key, service in self._services.items.items():
            if everywhere or (shares and topology.is_wanted(service)):
                self._queue.add(key)

    async def _reconcile(self, key: str) -> None:
        service, namespace = self._services.get(key), key.partition("/")[0]
        known = self._ahead.over(self._slices.by_index("service", key), lambda each: service_key(each) == [key])
        current = [each for each in known if each.metadata.deletion_timestamp is None]
        if service is None:
            self._told = {told: each for told, each in self._told.items() if told[0] != key}
            for each in current:
                await self._delete(each, namespace)
            return
        if not service.spec.selector or service.spec.type == "ExternalName":
            return
        pods = list(self._selected(service))
        families = families_of(service)
        for family in families:
            own = [each for each in current if each.address_type == family]
            meant = self._meant(key, service, pods, own, family)
            found = plan(service, pods, own, self._zones, family, meant)
            for each in found.update:
                self._ahead.write(await self._client.update(RESOURCE, each))
            for each in found.create:
                self._ahead.write(await self._client.create(RESOURCE, each, namespace))
            for each in found.delete:
                await self._delete(each, namespace)
        for each in current:
            if each.address_type not in families:  # a type is for ever, so the Service has lost this family
                await self._delete(each, namespace)

    def _meant(
        self, key: str, service: Service, pods: Sequence[Pod], own: Sequence[EndpointSlice], family: str
    ) -> dict[str, str] | None:
        """By topology aware routing, which the Service's events tell of."""
        if not topology.is_wanted(service):
            if self._told.pop((key, family), "") == topology.ENABLED:
                self._tell(service, "Warning", topology.DISABLED, family)
            return None
        zones = ready_zones(service, pods, self._zones, family)
        found = topology.allocate(zones, meant_for(own), self._processors)
        text = found if isinstance(found, str) else topology.ENABLED
        if self._told.get((key, family)) != text:
            self._told[key, family] = text
            self._tell(service, "Warning" if isinstance(found, str) else "Normal", text, family)
        return {} if isinstance(found, str) else found

    def _tell(self, service: Service, kind: str, text: str, family: str) -> None:
        reason = "TopologyAwareHintsEnabled" if text == topology.ENABLED else "TopologyAwareHintsDisabled"
        self._recorder.event(reference(service, "Service", "v1"), kind, reason, f"{text}, addressType: {family}")

    async def _delete(self, each: EndpointSlice, namespace: str) -> None:
        await ignore_missing(self._client.delete(RESOURCE, each.metadata.name, namespace, uid=each.metadata.uid))
        self._ahead.delete(each)


def service_key(obj: EndpointSlice) -> list[str]:
    """Of the slices that are ours."""
    labels = obj.metadata.labels
    if labels.get(MANAGED_BY) != CONTROLLER or SERVICE_NAME not in labels:
        return []
    return [f"{obj.metadata.namespace}/{labels[SERVICE_NAME]}"]
