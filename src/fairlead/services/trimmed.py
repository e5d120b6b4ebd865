"""Services and EndpointSlices as far as proxies read them: there are many, and each part that watches them keeps all.
Read from JSON, never written. Pure."""

import msgspec

from fairlead.api.types.discovery import EndpointHints
from fairlead.api.types.service import ServiceStatus, SessionAffinityConfig


class _Trimmed(msgspec.Struct, rename="camel", kw_only=True, frozen=True, gc=False):
    """Without the collector's header: nothing here refers back to what holds it."""


class Metadata(_Trimmed, frozen=True):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""


class ServiceMetadata(Metadata, frozen=True):
    creation_timestamp: str | None = None


class SliceAnnotations(_Trimmed, frozen=True):
    triggered: str = msgspec.field(default="", name="endpoints.kubernetes.io/last-change-trigger-time")


class SliceMetadata(Metadata, frozen=True):
    labels: dict[str, str] = {}
    annotations: SliceAnnotations = SliceAnnotations()


class Conditions(_Trimmed, frozen=True):
    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None


class TrimmedEndpoint(_Trimmed, frozen=True):
    addresses: tuple[str, ...] = ()
    conditions: Conditions = Conditions()
    node_name: str | None = None
    hints: EndpointHints | None = None


class SlicePort(_Trimmed, frozen=True):
    name: str | None = None
    protocol: str | None = None
    port: int | None = None


class TrimmedSlice(_Trimmed, frozen=True):
    metadata: SliceMetadata = SliceMetadata()
    address_type: str = ""
    endpoints: tuple[TrimmedEndpoint, ...] = ()
    ports: tuple[SlicePort, ...] = ()


class TrimmedPort(_Trimmed, frozen=True):
    port: int
    name: str = ""
    protocol: str = "TCP"
    node_port: int | None = None


class TrimmedSpec(_Trimmed, frozen=True):
    ports: tuple[TrimmedPort, ...] = ()
    cluster_ip: str = msgspec.field(default="", name="clusterIP")
    cluster_ips: tuple[str, ...] = msgspec.field(default=(), name="clusterIPs")
    type: str = "ClusterIP"
    external_ips: tuple[str, ...] = msgspec.field(default=(), name="externalIPs")
    session_affinity: str = "None"
    session_affinity_config: SessionAffinityConfig | None = None
    load_balancer_source_ranges: tuple[str, ...] = ()
    external_traffic_policy: str = ""
    internal_traffic_policy: str | None = None
    health_check_node_port: int = 0


class TrimmedService(_Trimmed, frozen=True):
    metadata: ServiceMetadata = ServiceMetadata()
    spec: TrimmedSpec = TrimmedSpec()
    status: ServiceStatus | None = None
