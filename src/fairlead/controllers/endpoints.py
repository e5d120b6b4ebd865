"""Endpoints of Services, from the pods that they select (pkg/controller/endpoint)."""

from collections.abc import Awaitable, Iterable, Sequence
from dataclasses import dataclass

import msgspec

from fairlead.api.status import ApiError
from fairlead.api.types.core import Pod
from fairlead.api.types.meta import ObjectMeta, ObjectReference
from fairlead.api.types.service import EndpointAddress, EndpointPort, Endpoints, EndpointSubset, Service
from fairlead.client.workqueue import WorkQueue, run
from fairlead.controllers.ahead import Ahead
from fairlead.controllers.context import Context
from fairlead.controllers.endpoint_ports import (
    TRIGGERED,
    addresses_of,
    families_of,
    hostname,
    is_candidate,
    number_on,
    triggered,
)
from fairlead.controllers.pods import is_ready
from fairlead.controllers.selecting import follow_services

HEADLESS = "service.kubernetes.io/headless"
TRUNCATED = "endpoints.kubernetes.io/over-capacity"
LEADER = "control-plane.alpha.kubernetes.io/leader"  # an election's record, which needs no Service
MOST = 1000  # addresses in one object

PortKey = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """An address on one port. One object may serve several of them."""

    address: EndpointAddress
    ready: bool


def plan(service: Service, pods: Iterable[Pod], current: Endpoints | None) -> Endpoints | None:
    """What the Endpoints should be; None: they are so already."""
    pods = list(pods)
    subsets = subsets_of(service, pods)
    labels = {name: value for name, value in service.metadata.labels.items() if name != HEADLESS}
    if service.is_headless:
        labels[HEADLESS] = ""
    truncated = _truncate(subsets)
    metadata = ObjectMeta(name=service.metadata.name, namespace=service.metadata.namespace)
    if current is not None:
        metadata = current.metadata
        same = current.subsets == subsets and metadata.labels == labels
        if same and (TRUNCATED in metadata.annotations) == truncated:
            return None
    annotations = {name: value for name, value in metadata.annotations.items() if name != TRUNCATED}
    annotations |= {TRIGGERED: triggered(service, pods), **({TRUNCATED: "truncated"} if truncated else {})}
    metadata = msgspec.structs.replace(metadata, labels=labels, annotations=annotations)
    return Endpoints(api_version="v1", kind="Endpoints", metadata=metadata, subsets=subsets)


def subsets_of(service: Service, pods: Iterable[Pod]) -> list[EndpointSubset]:
    """Ports that the same addresses serve share a subset (RepackSubsets); addresses and ports are sorted. They are of
    the Service's primary family: this kind of object is older than Services of two."""
    family = families_of(service)[0]
    by_port: dict[PortKey, dict[str, Place]] = {}
    ports: dict[PortKey, EndpointPort] = {}
    for pod in pods:
        own_addresses = addresses_of(pod, family)
        if not own_addresses or not is_candidate(pod):
            continue
        if pod.metadata.deletion_timestamp and not service.spec.publish_not_ready_addresses:
            continue
        place = Place(
            _address(service, pod, own_addresses[0]), is_ready(pod) or service.spec.publish_not_ready_addresses
        )
        if not service.spec.ports:
            by_port.setdefault((), {})[pod.metadata.uid] = place  # a headless Service needs no port
        for port in _ports(service, pod):
            key = msgspec.structs.astuple(port)
            ports[key] = port
            by_port.setdefault(key, {})[pod.metadata.uid] = place
    together: dict[tuple[tuple[str, bool], ...], list[PortKey]] = {}
    for key, places in by_port.items():
        members = tuple(sorted((uid, place.ready) for uid, place in places.items()))
        together.setdefault(members, []).append(key)
    subsets = []
    for keys in together.values():
        places = by_port[keys[0]]
        own = sorted((ports[key] for key in keys if key), key=_port_order)
        ready = [place.address for place in places.values() if place.ready]
        waiting = [place.address for place in places.values() if not place.ready]
        subsets.append(
            EndpointSubset(
                addresses=sorted(ready, key=_order), not_ready_addresses=sorted(waiting, key=_order), ports=own
            )
        )
    return sorted(subsets, key=lambda subset: [_port_order(port) for port in subset.ports])


def _ports(service: Service, pod: Pod) -> list[EndpointPort]:
    return [
        EndpointPort(port=number, name=port.name, protocol=port.protocol, app_protocol=port.app_protocol)
        for port in service.spec.ports
        if (number := number_on(pod, port)) is not None
    ]


def _address(service: Service, pod: Pod, ip: str) -> EndpointAddress:
    return EndpointAddress(
        ip=ip,
        hostname=hostname(service, pod),
        node_name=pod.spec.node_name or None,
        target_ref=ObjectReference(
            kind="Pod", namespace=pod.metadata.namespace, name=pod.metadata.name, uid=pod.metadata.uid
        ),
    )


def _order(address: EndpointAddress) -> tuple[str, str]:
    """By the text of the address, not its number: so `kubectl get endpoints` has always shown them."""
    return address.ip, address.target_ref.uid if address.target_ref is not None else ""


def _port_order(port: EndpointPort) -> tuple[str, int, str]:
    return port.name, port.port, port.protocol


def _truncate(subsets: Sequence[EndpointSubset]) -> bool:
    """Cut to a thousand, ready ones before others, each subset by its share. Whether anything was cut."""
    ready = sum(len(subset.addresses) for subset in subsets)
    waiting = sum(len(subset.not_ready_addresses) for subset in subsets)
    if ready + waiting <= MOST:
        return False
    room, total = (MOST, ready) if ready > MOST else (MOST - ready, waiting)
    left = room
    for subset in subsets:
        cut = subset.addresses if ready > MOST else subset.not_ready_addresses
        taken = min(left, -(-len(cut) * room // total))
        left -= taken
        if ready > MOST:
            subset.addresses, subset.not_ready_addresses = cut[:taken], []
        else:
            subset.not_ready_addresses = cut[:taken]
    return True


class EndpointsController:
    def __init__(self, context: Context) -> None:
        self._client = context.client
        self._queue = WorkQueue()
        self._services, self._endpoints = context.services, context.endpoints
        self._known = Ahead(self._endpoints)
        self._selected = follow_services(context, self._queue)
        self._endpoints.add_handler(self._on_endpoints)

    async def run(self) -> None:
        # What outlived its Service while nobody looked. Later, Endpoints may well come before their Service.
        for key, each in self._endpoints.items.items():
            if key not in self._services.items and LEADER not in each.metadata.annotations:
                self._queue.add(key)
        await run(self._queue, 4, self._reconcile, "endpoints")

    def _on_endpoints(self, key: str, _: Endpoints | None, new: Endpoints | None) -> None:
        if new is None and key in self._services.items:
            self._queue.add(key)

    async def _reconcile(self, key: str) -> None:
        service, current = self._services.get(key), self._known.get(key)
        namespace, _, name = key.partition("/")
        if service is None:
            if current is not None:
                await ignore_missing(self._client.delete("endpoints", name, namespace, uid=current.metadata.uid))
            return
        if not service.spec.selector or service.spec.type == "ExternalName":
            return
        wanted = plan(service, self._selected(service), current)
        if wanted is None:
            return
        if current is None:
            self._known.write(await self._client.create("endpoints", wanted, namespace))
        else:
            self._known.write(await self._client.update("endpoints", wanted))


async def ignore_missing(deletion: Awaitable[object]) -> None:
    try:
        await deletion
    except ApiError as error:
        if not error.is_not_found:
            raise
