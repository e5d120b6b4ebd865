"""EndpointSlices of Services (KEP-752): at most a hundred endpoints a slice, and a change touches only its slice."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from fairlead.api.types.core import Pod, Service
from fairlead.api.types.discovery import EndpointConditions, EndpointSlice, SliceEndpoint, SlicePort
from fairlead.api.types.meta import ObjectMeta, ObjectReference, OwnerReference
from fairlead.client.workqueue import WorkQueue, run
from fairlead.controllers.context import Context
from fairlead.controllers.endpoint_ports import is_candidate, number_on
from fairlead.controllers.endpoints import HEADLESS, ignore_missing
from fairlead.controllers.pods import is_ready
from fairlead.controllers.selecting import follow_services

RESOURCE = "endpointslices.discovery.k8s.io"
SERVICE_NAME = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
CONTROLLER = "endpointslice-controller.k8s.io"
MOST = 100  # endpoints in a slice

Ports = tuple[tuple[Any, ...], ...]


@dataclass(frozen=True, slots=True)
class Plan:
    create: tuple[EndpointSlice, ...] = ()
    update: tuple[EndpointSlice, ...] = ()
    delete: tuple[str, ...] = ()


def plan(service: Service, pods: Iterable[Pod], current: Sequence[EndpointSlice]) -> Plan:
    """Endpoints stay in the slice where they are; new ones fill slices that change anyway, then any with room."""
    wanted: dict[Ports, dict[str, SliceEndpoint]] = {}
    ports: dict[Ports, list[SlicePort]] = {}
    for pod in pods:
        if not is_candidate(pod):
            continue
        slice_ports = _ports(service, pod)
        key = tuple(msgspec.structs.astuple(port) for port in slice_ports)
        ports[key] = slice_ports
        wanted.setdefault(key, {})[pod.metadata.uid] = _endpoint(service, pod)
    if not wanted:
        ports[()] = []
        wanted[()] = {}
    creates: list[EndpointSlice] = []
    updates: list[EndpointSlice] = []
    deletes: list[str] = []
    by_ports: dict[Ports, list[EndpointSlice]] = {}
    for each in current:
        key = tuple(msgspec.structs.astuple(port) for port in each.ports)
        if key in wanted:
            by_ports.setdefault(key, []).append(each)
        else:
            deletes.append(each.metadata.name)
    for key, endpoints in wanted.items():
        _fill(service, ports[key], endpoints, by_ports.get(key, []), creates, updates, deletes)
    return Plan(tuple(creates), tuple(updates), tuple(deletes))


def _fill(
    service: Service,
    ports: list[SlicePort],
    endpoints: dict[str, SliceEndpoint],
    slices: list[EndpointSlice],
    creates: list[EndpointSlice],
    updates: list[EndpointSlice],
    deletes: list[str],
) -> None:
    left = dict(endpoints)
    kept: list[tuple[EndpointSlice, list[SliceEndpoint], bool]] = []
    for each in slices:
        now = []
        for endpoint in each.endpoints:
            uid = endpoint.target_ref.uid if endpoint.target_ref else ""
            found = left.pop(uid, None)
            if found is not None:
                now.append(found)
        changed = now != each.endpoints or each.metadata.labels != labels_of(service)
        kept.append((each, now, changed))
    kept.sort(key=lambda item: not item[2])
    for index, (each, now, _) in enumerate(kept):
        if left and len(now) < MOST:
            for uid in list(left)[: MOST - len(now)]:
                now.append(left.pop(uid))
            kept[index] = (each, now, True)
    survivors = [item for item in kept if item[1]] or kept[:1]
    for each, now, changed in kept:
        if not any(each is survivor[0] for survivor in survivors):
            deletes.append(each.metadata.name)
        elif changed:
            updates.append(_slice(service, ports, now, each.metadata))
    rest = list(left.values())
    for start in range(0, len(rest), MOST):
        creates.append(_slice(service, ports, rest[start : start + MOST], None))
    if not slices and not rest:
        creates.append(_slice(service, ports, [], None))


def labels_of(service: Service) -> dict[str, str]:
    labels = {key: value for key, value in service.metadata.labels.items() if key != HEADLESS}
    labels |= {SERVICE_NAME: service.metadata.name, MANAGED_BY: CONTROLLER}
    if service.spec.cluster_ip == "None":
        labels[HEADLESS] = ""
    return labels


def _slice(
    service: Service, ports: list[SlicePort], endpoints: list[SliceEndpoint], known: ObjectMeta | None
) -> EndpointSlice:
    name = service.metadata.name
    owner = OwnerReference(
        api_version="v1",
        kind="Service",
        name=name,
        uid=service.metadata.uid,
        controller=True,
        block_owner_deletion=True,
    )
    metadata = ObjectMeta(namespace=service.metadata.namespace, labels=labels_of(service), owner_references=[owner])
    if known is None:
        metadata.generate_name = f"{name}-"
    else:
        metadata.name = known.name
        metadata.resource_version = known.resource_version
        metadata.annotations = known.annotations
    return EndpointSlice(
        api_version="discovery.k8s.io/v1",
        kind="EndpointSlice",
        metadata=metadata,
        address_type="IPv4",
        endpoints=endpoints,
        ports=ports,
    )


def _ports(service: Service, pod: Pod) -> list[SlicePort]:
    found = []
    for port in service.spec.ports:
        number = number_on(pod, port)
        if number is not None:
            found.append(SlicePort(name=port.name, protocol=port.protocol, port=number, app_protocol=port.app_protocol))
    return found


def _endpoint(service: Service, pod: Pod) -> SliceEndpoint:
    terminating = pod.metadata.deletion_timestamp is not None
    serving = is_ready(pod)
    ready = service.spec.publish_not_ready_addresses or (serving and not terminating)
    named = pod.spec.hostname and pod.spec.subdomain == service.metadata.name
    return SliceEndpoint(
        addresses=[pod.status.pod_ip],
        conditions=EndpointConditions(ready=ready, serving=serving, terminating=terminating),
        hostname=pod.spec.hostname if named else None,
        target_ref=ObjectReference(
            kind="Pod", namespace=pod.metadata.namespace, name=pod.metadata.name, uid=pod.metadata.uid
        ),
        node_name=pod.spec.node_name,
    )


class EndpointSliceController:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._queue = WorkQueue()
        self._services, self._slices = context.services, context.slices
        self._selected = follow_services(context, self._queue)
        self._slices.add_index("service", _service_key)
        self._slices.add_handler(self._on_slice)
        self._writing: dict[str, set[str]] = {}

    async def run(self) -> None:
        await run(self._queue, 4, self._reconcile, "endpointslice")

    def _on_slice(self, _: str, old: EndpointSlice | None, new: EndpointSlice | None) -> None:
        obj = new or old
        assert obj is not None
        for key in _service_key(obj):
            self._queue.add(key)

    async def _reconcile(self, key: str) -> None:
        service = self._services.get(key)
        current = [each for each in self._slices.by_index("service", key) if each.metadata.deletion_timestamp is None]
        client, namespace = self._context.client, key.partition("/")[0]
        if service is None:
            for each in current:
                await ignore_missing(client.delete(RESOURCE, each.metadata.name, namespace))
            return
        if not service.spec.selector or service.spec.type == "ExternalName":
            return
        # What was just made may not be in the cache yet; making it again would leave two slices of one Service.
        pending = self._writing.setdefault(key, set())
        pending -= {each.metadata.name for each in current}
        if pending:
            self._queue.add_after(key, 0.01)
            return
        found = plan(service, self._selected(service), current)
        for each in found.update:
            await client.update(RESOURCE, each)
        for each in found.create:
            made = await client.create(RESOURCE, each, namespace)
            pending.add(made.metadata.name)
        for name in found.delete:
            await ignore_missing(client.delete(RESOURCE, name, namespace))
        if not pending:
            del self._writing[key]


def _service_key(obj: EndpointSlice) -> list[str]:
    """Of the slices that are ours."""
    labels = obj.metadata.labels
    if labels.get(MANAGED_BY) != CONTROLLER or SERVICE_NAME not in labels:
        return []
    return [f"{obj.metadata.namespace}/{labels[SERVICE_NAME]}"]
