"""Endpoints made by hand, for Services without a selector, as EndpointSlices: what proxies read."""

import msgspec

from fairlead.api.types.discovery import EndpointConditions, EndpointSlice, SliceEndpoint, SlicePort
from fairlead.api.types.meta import ObjectMeta, OwnerReference
from fairlead.api.types.service import EndpointAddress, Endpoints, EndpointSubset, Service
from fairlead.client.workqueue import WorkQueue, run
from fairlead.controllers.context import Context
from fairlead.controllers.endpoints import HEADLESS, LEADER, ignore_missing
from fairlead.controllers.endpointslice import RESOURCE
from fairlead.controllers.slices import MANAGED_BY, SERVICE_NAME

CONTROLLER = "endpointslicemirroring-controller.k8s.io"
SKIP = "endpointslice.kubernetes.io/skip-mirror"


def plan(endpoints: Endpoints) -> list[EndpointSlice]:
    """One slice a subset and address family, named for its place."""
    return [
        made
        for index, subset in enumerate(endpoints.subsets)
        for family in ("IPv4", "IPv6")
        if (made := _slice(endpoints, subset, index, family)).endpoints
    ]


def _slice(endpoints: Endpoints, subset: EndpointSubset, index: int, family: str) -> EndpointSlice:
    name = endpoints.metadata.name
    labels = {key: value for key, value in endpoints.metadata.labels.items() if key != HEADLESS}
    owner = OwnerReference(
        api_version="v1",
        kind="Endpoints",
        name=name,
        uid=endpoints.metadata.uid,
        controller=True,
        block_owner_deletion=True,
    )
    told = [(address, True) for address in subset.addresses]
    told += [(address, False) for address in subset.not_ready_addresses]
    return EndpointSlice(
        api_version="discovery.k8s.io/v1",
        kind="EndpointSlice",
        metadata=ObjectMeta(
            name=f"{name}-mirror-{index}{'' if family == 'IPv4' else '-v6'}",
            namespace=endpoints.metadata.namespace,
            labels={**labels, SERVICE_NAME: name, MANAGED_BY: CONTROLLER},
            owner_references=[owner],
        ),
        address_type=family,
        endpoints=[_endpoint(each, ready=ready) for each, ready in told if (":" in each.ip) == (family == "IPv6")],
        ports=[
            SlicePort(name=port.name, protocol=port.protocol, port=port.port, app_protocol=port.app_protocol)
            for port in subset.ports
        ],
    )


def _endpoint(address: EndpointAddress, *, ready: bool) -> SliceEndpoint:
    return SliceEndpoint(
        addresses=[address.ip],
        conditions=EndpointConditions(ready=ready),
        hostname=address.hostname or None,
        target_ref=address.target_ref,
        node_name=address.node_name,
    )


def is_mirrored(service: Service | None, endpoints: Endpoints | None) -> bool:
    return (
        service is not None
        and endpoints is not None
        and not service.spec.selector
        and endpoints.metadata.labels.get(SKIP) != "true"
        and LEADER not in endpoints.metadata.annotations
    )


class EndpointSliceMirroringController:
    def __init__(self, context: Context) -> None:
        self._client = context.client
        self._queue = WorkQueue()
        self._services, self._endpoints, self._slices = context.services, context.endpoints, context.slices
        self._slices.add_index("mirrored", _mirrored)
        self._services.add_handler(lambda key, _old, _new: self._queue.add(key))
        self._endpoints.add_handler(lambda key, _old, _new: self._queue.add(key))
        self._slices.add_handler(self._on_slice)

    async def run(self) -> None:
        await run(self._queue, 2, self._reconcile, "endpointslice mirroring")

    def _on_slice(self, _: str, old: EndpointSlice | None, new: EndpointSlice | None) -> None:
        for obj in (old, new):
            for key in _mirrored(obj) if obj is not None else ():
                self._queue.add(key)

    async def _reconcile(self, key: str) -> None:
        endpoints = self._endpoints.get(key)
        namespace = key.partition("/")[0]
        current = {each.metadata.name: each for each in self._slices.by_index("mirrored", key)}
        wanted = plan(endpoints) if endpoints and is_mirrored(self._services.get(key), endpoints) else []
        for each in wanted:
            known = current.pop(each.metadata.name, None)
            if known is None:
                await self._client.create(RESOURCE, each, namespace)
            elif _content(known) != _content(each):
                each.metadata.resource_version = known.metadata.resource_version
                await self._client.update(RESOURCE, each)
        for name in current:
            await ignore_missing(self._client.delete(RESOURCE, name, namespace))


def _content(obj: EndpointSlice) -> bytes:
    return msgspec.json.encode([obj.endpoints, obj.ports, obj.metadata.labels])


def _mirrored(obj: EndpointSlice) -> list[str]:
    labels = obj.metadata.labels
    if labels.get(MANAGED_BY) != CONTROLLER or SERVICE_NAME not in labels:
        return []
    return [f"{obj.metadata.namespace}/{labels[SERVICE_NAME]}"]
