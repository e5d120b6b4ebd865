"""Endpoints of Services, from the pods that they select (pkg/controller/endpoint)."""

from collections.abc import Iterable
from typing import Any

import msgspec

from fairlead.api.status import ApiError
from fairlead.api.types.core import EndpointAddress, EndpointPort, Endpoints, EndpointSubset, Pod, Service
from fairlead.api.types.meta import ObjectMeta, ObjectReference
from fairlead.client.workqueue import WorkQueue, run
from fairlead.controllers.context import Context
from fairlead.controllers.endpoint_ports import is_candidate, number_on
from fairlead.controllers.pods import is_ready
from fairlead.controllers.selecting import follow_services

HEADLESS = "service.kubernetes.io/headless"
MANAGED_BY, CONTROLLER = "endpoints.kubernetes.io/managed-by", "endpoint-controller"
TRUNCATED = "endpoints.kubernetes.io/over-capacity"
PortKey = tuple[tuple[Any, ...], ...]
MOST = 1000  # addresses in one object


def plan(service: Service, pods: Iterable[Pod]) -> tuple[list[EndpointSubset], dict[str, str]]:
    """The subsets, sorted and merged as Kubernetes does, and the annotations."""
    ports_of: dict[PortKey, list[EndpointPort]] = {}
    ready: dict[PortKey, list[EndpointAddress]] = {}
    waiting: dict[PortKey, list[EndpointAddress]] = {}
    for pod in pods:
        if not is_candidate(pod) or (pod.metadata.deletion_timestamp and not service.spec.publish_not_ready_addresses):
            continue
        ports = _ports(service, pod)
        if ports is None:
            continue
        key = tuple(msgspec.structs.astuple(port) for port in ports)
        ports_of[key] = ports
        serving = is_ready(pod) or service.spec.publish_not_ready_addresses
        (ready if serving else waiting).setdefault(key, []).append(_address(service, pod))
    subsets = []
    left = MOST
    truncated = False
    for key in sorted(ports_of, key=repr):
        addresses, others = sorted(ready.get(key, ()), key=_order), sorted(waiting.get(key, ()), key=_order)
        truncated |= len(addresses) + len(others) > left
        addresses, others = addresses[:left], others[: max(0, left - len(addresses))]
        left -= len(addresses) + len(others)
        subsets.append(EndpointSubset(addresses=addresses, not_ready_addresses=others, ports=ports_of[key]))
    return subsets, {TRUNCATED: "truncated"} if truncated else {}


def _ports(service: Service, pod: Pod) -> list[EndpointPort] | None:
    """None: none of the service's ports is on this pod, though it has some."""
    ports = []
    for port in service.spec.ports:
        number = number_on(pod, port)
        if number is not None:
            ports.append(
                EndpointPort(port=number, name=port.name, protocol=port.protocol, app_protocol=port.app_protocol)
            )
    if service.spec.ports and not ports:
        return None
    return ports


def _address(service: Service, pod: Pod) -> EndpointAddress:
    named = pod.spec.hostname and pod.spec.subdomain == service.metadata.name
    return EndpointAddress(
        ip=pod.status.pod_ip,
        hostname=pod.spec.hostname if named else "",
        node_name=pod.spec.node_name,
        target_ref=ObjectReference(
            kind="Pod", namespace=pod.metadata.namespace, name=pod.metadata.name, uid=pod.metadata.uid
        ),
    )


def _order(address: EndpointAddress) -> tuple[int, ...]:
    return tuple(int(part) for part in address.ip.split("."))


class EndpointsController:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._queue = WorkQueue()
        self._pods, self._services, self._endpoints = context.pods, context.services, context.endpoints
        self._selected = follow_services(context, self._queue)
        self._endpoints.add_handler(lambda key, _old, new: None if new else self._queue.add(key))

    async def run(self) -> None:
        await run(self._queue, 4, self._reconcile, "endpoints")

    async def _reconcile(self, key: str) -> None:
        service, current = self._services.get(key), self._endpoints.get(key)
        namespace, _, name = key.partition("/")
        if service is None:
            if current is not None and current.metadata.labels.get(MANAGED_BY) == CONTROLLER:
                await ignore_missing(self._context.client.delete("endpoints", name, namespace))
            return
        if not service.spec.selector or service.spec.type == "ExternalName":
            return
        subsets, annotations = plan(service, self._selected(service))
        labels = {**service.metadata.labels, MANAGED_BY: CONTROLLER}
        if service.spec.cluster_ip == "None":
            labels[HEADLESS] = ""
        wanted = Endpoints(
            api_version="v1",
            kind="Endpoints",
            metadata=ObjectMeta(name=name, namespace=namespace, labels=labels, annotations=annotations),
            subsets=subsets,
        )
        if current is None:
            await self._context.client.create("endpoints", wanted, namespace)
            return
        if current.subsets == subsets and current.metadata.labels == labels:
            return
        wanted.metadata.resource_version = current.metadata.resource_version
        await self._context.client.update("endpoints", wanted)


async def ignore_missing(deletion: Any) -> None:
    try:
        await deletion
    except ApiError as error:
        if not error.is_not_found:
            raise
