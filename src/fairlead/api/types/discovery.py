"""discovery.k8s.io/v1: EndpointSlice, and coordination.k8s.io/v1: Lease."""

import msgspec

from fairlead.api.types.meta import Object, ObjectReference, Struct


class EndpointConditions(Struct):
    """None means unknown; consumers read it as ready/serving, not terminating (KEP-1672)."""

    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None


class ForZone(Struct):
    name: str


class ForNode(Struct):
    name: str


class EndpointHints(Struct):
    for_zones: list[ForZone] = []
    for_nodes: list[ForNode] = []


class SliceEndpoint(Struct):
    addresses: list[str]
    conditions: EndpointConditions = msgspec.field(default_factory=EndpointConditions)
    hostname: str | None = None
    target_ref: ObjectReference | None = None
    node_name: str | None = None
    zone: str | None = None
    hints: EndpointHints | None = None


class SlicePort(Struct):
    name: str | None = None
    protocol: str | None = None
    port: int | None = None
    app_protocol: str | None = None


class EndpointSlice(Object):
    address_type: str = ""
    endpoints: list[SliceEndpoint] = []
    ports: list[SlicePort] = []


class LeaseSpec(Struct):
    holder_identity: str | None = None
    lease_duration_seconds: int | None = None
    acquire_time: str | None = None
    renew_time: str | None = None
    lease_transitions: int | None = None


class Lease(Object):
    spec: LeaseSpec = msgspec.field(default_factory=LeaseSpec)
