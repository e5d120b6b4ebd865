"""The plan of a Service's EndpointSlices (KEP-752): at most a hundred endpoints each, few writes. Pure.

Source: staging/src/k8s.io/endpointslice (reconciler.go, utils.go).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from fairlead.api.types.core import Pod
from fairlead.api.types.discovery import (
    EndpointConditions,
    EndpointHints,
    EndpointSlice,
    ForNode,
    ForZone,
    SliceEndpoint,
    SlicePort,
)
from fairlead.api.types.meta import ObjectMeta, ObjectReference, OwnerReference
from fairlead.api.types.service import Service
from fairlead.controllers.endpoint_ports import TRIGGERED, addresses_of, hostname, is_candidate, number_on, triggered
from fairlead.controllers.endpoints import HEADLESS
from fairlead.controllers.pods import is_ready

SERVICE_NAME = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
CONTROLLER = "endpointslice-controller.k8s.io"
MOST = 100  # endpoints in a slice

PortsKey = tuple[tuple[object, ...], ...]

SAME_NODE = "PreferSameNode"
NEAR = ("PreferClose", "PreferSameZone", SAME_NODE)


@dataclass(frozen=True, slots=True)
class Plan:
    create: tuple[EndpointSlice, ...] = ()
    update: tuple[EndpointSlice, ...] = ()
    delete: tuple[EndpointSlice, ...] = ()


@dataclass(slots=True)
class _Slice:
    """A slice on its way; `known` is what is there."""

    known: EndpointSlice | None
    ports: list[SlicePort]
    endpoints: list[SliceEndpoint] = field(default_factory=list)
    changed: bool = True


def plan(
    service: Service,
    pods: Iterable[Pod],
    current: Sequence[EndpointSlice],
    zones: Mapping[str, str],
    family: str,
    meant: Mapping[str, str] | None,
) -> Plan:
    """Endpoints stay in the slice where they are; new ones fill slices that change anyway, then one that has room.

    `current`: those of this address family, `IPv4` or `IPv6`. `zones`: of nodes, by name. `meant`: zones for which pods
    are meant, by uid, where the Service asks for topology aware routing.
    """
    pods = list(pods)
    wanted: dict[PortsKey, dict[str, SliceEndpoint]] = {}
    ports: dict[PortsKey, list[SlicePort]] = {}
    for pod in pods:
        if is_candidate(pod) and (addresses := addresses_of(pod, family)):
            own = _ports(service, pod)
            ports[_key(own)] = own
            wanted.setdefault(_key(own), {})[pod.metadata.uid] = _endpoint(service, pod, addresses, zones, meant)
    delete = [each for each in current if _key(each.ports) not in wanted]
    slices: list[_Slice] = []
    for key, endpoints in wanted.items():
        kept = [_Slice(each, ports[key]) for each in current if _key(each.ports) == key]
        slices += _filled(service, ports[key], endpoints, kept)
    delete += [each.known for each in slices if each.known is not None and not each.endpoints]
    slices = [each for each in slices if each.endpoints]
    if not slices:
        # A Service without endpoints keeps one empty slice, which says that they have been looked for.
        empty = next((each for each in delete if not each.ports and each.metadata.labels == labels_of(service)), None)
        if empty is not None:
            return Plan(delete=tuple(each for each in delete if each is not empty))
        slices = [_Slice(None, [])]
    for each in slices:
        # One write instead of two, and consumers never see the Service without any slice.
        if each.known is None and delete:
            each.known = delete.pop()
    moment = triggered(service, pods)
    return Plan(
        create=tuple(_rendered(service, each, moment, family) for each in slices if each.known is None),
        update=tuple(
            _rendered(service, each, moment, family) for each in slices if each.known is not None and each.changed
        ),
        delete=tuple(delete),
    )


def _filled(
    service: Service, ports: list[SlicePort], endpoints: Mapping[str, SliceEndpoint], slices: list[_Slice]
) -> list[_Slice]:
    left = dict(endpoints)
    labels = labels_of(service)
    for each in slices:
        assert each.known is not None
        for endpoint in each.known.endpoints:
            uid = endpoint.target_ref.uid if endpoint.target_ref else ""
            if uid in left and len(each.endpoints) < MOST:
                each.endpoints.append(left.pop(uid))
        each.changed = each.endpoints != each.known.endpoints or each.known.metadata.labels != labels
    for each in sorted((each for each in slices if each.changed), key=lambda each: -len(each.endpoints)):
        _take(each, left)
    while left:
        # The fullest that has room for all the rest, so that one write is enough.
        roomy = [each for each in slices if not each.changed and len(each.endpoints) + len(left) <= MOST]
        target = max(roomy, key=lambda each: len(each.endpoints), default=None)
        if target is None:
            target = _Slice(None, ports)
            slices.append(target)
        _take(target, left)
    return slices


def _take(target: _Slice, left: dict[str, SliceEndpoint]) -> None:
    for uid in list(left)[: MOST - len(target.endpoints)]:
        target.endpoints.append(left.pop(uid))
        target.changed = True


def labels_of(service: Service) -> dict[str, str]:
    labels = {key: value for key, value in service.metadata.labels.items() if key != HEADLESS}
    labels |= {SERVICE_NAME: service.metadata.name, MANAGED_BY: CONTROLLER}
    if service.is_headless:
        labels[HEADLESS] = ""
    return labels


def _rendered(service: Service, each: _Slice, moment: str, family: str) -> EndpointSlice:
    name = service.metadata.name
    owner = OwnerReference(
        api_version="v1",
        kind="Service",
        name=name,
        uid=service.metadata.uid,
        controller=True,
        block_owner_deletion=True,
    )
    if each.known is None:
        metadata = ObjectMeta(namespace=service.metadata.namespace, generate_name=f"{name}-")
    else:
        metadata = each.known.metadata
    metadata = msgspec.structs.replace(
        metadata,
        labels=labels_of(service),
        annotations={**metadata.annotations, TRIGGERED: moment},
        owner_references=[owner],
    )
    return EndpointSlice(
        api_version="discovery.k8s.io/v1",
        kind="EndpointSlice",
        metadata=metadata,
        address_type=family,
        endpoints=each.endpoints,
        ports=each.ports,
    )


def _key(ports: Iterable[SlicePort]) -> PortsKey:
    return tuple(msgspec.structs.astuple(port) for port in ports)


def _ports(service: Service, pod: Pod) -> list[SlicePort]:
    return [
        SlicePort(name=port.name, protocol=port.protocol, port=number, app_protocol=port.app_protocol)
        for port in service.spec.ports
        if (number := number_on(pod, port)) is not None
    ]


def ready_zones(service: Service, pods: Iterable[Pod], zones: Mapping[str, str], family: str) -> dict[str, str | None]:
    """Of the endpoints that will be ready, by the pod's uid."""
    return {
        pod.metadata.uid: zones.get(pod.spec.node_name)
        for pod in pods
        if is_candidate(pod) and addresses_of(pod, family) and _is_ready(service, pod)
    }


def meant_for(slices: Iterable[EndpointSlice]) -> dict[str, str]:
    """The zones that their hints name, by the pod's uid."""
    return {
        each.target_ref.uid: each.hints.for_zones[0].name
        for slice_ in slices
        for each in slice_.endpoints
        if each.target_ref and each.hints and each.hints.for_zones
    }


def _is_ready(service: Service, pod: Pod) -> bool:
    return service.spec.publish_not_ready_addresses or (is_ready(pod) and pod.metadata.deletion_timestamp is None)


def _endpoint(
    service: Service, pod: Pod, addresses: list[str], zones: Mapping[str, str], meant: Mapping[str, str] | None
) -> SliceEndpoint:
    terminating = pod.metadata.deletion_timestamp is not None
    serving, ready = is_ready(pod), _is_ready(service, pod)
    if meant is None:
        hints = _hints(service, pod, zones)
    else:
        zone = meant.get(pod.metadata.uid)
        hints = EndpointHints(for_zones=[ForZone(zone)]) if zone is not None else None
    return SliceEndpoint(
        addresses=addresses,
        conditions=EndpointConditions(ready=ready, serving=serving, terminating=terminating),
        hostname=hostname(service, pod) or None,
        target_ref=ObjectReference(
            kind="Pod", namespace=pod.metadata.namespace, name=pod.metadata.name, uid=pod.metadata.uid
        ),
        node_name=pod.spec.node_name or None,
        zone=zones.get(pod.spec.node_name),
        hints=hints if ready else None,
    )


def _hints(service: Service, pod: Pod, zones: Mapping[str, str]) -> EndpointHints | None:
    """By `trafficDistribution`: an endpoint is for its own zone (KEP-4444), and for its own node first (KEP-3015)."""
    wanted = service.spec.traffic_distribution
    zone, node = zones.get(pod.spec.node_name), pod.spec.node_name
    if wanted not in NEAR or (zone is None and wanted != SAME_NODE):
        return None
    return EndpointHints(
        for_zones=[ForZone(zone)] if zone is not None else [],
        for_nodes=[ForNode(node)] if wanted == SAME_NODE and node else [],
    )
