"""What DNS keeps of Services and EndpointSlices: a few fields, packed, because there may be 100,000 endpoints. Pure.

The API's objects are read into structs of only those fields, so the rest is never decoded, and become entries, which
also travel from the process that watches the API to those that answer.
"""

import sys
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

import msgspec

from fairlead.api.types.discovery import EndpointConditions, SlicePort
from fairlead.api.types.meta import ObjectReference, Struct

Key = tuple[str, str]  # (namespace, name)
SERVICE_NAME = "kubernetes.io/service-name"


class Metadata(Struct):
    name: str = ""
    namespace: str = ""
    resource_version: str = ""
    labels: dict[str, str] = msgspec.field(default_factory=dict)


class Named(Struct):
    """An object as far as a cache must know it to tell whether it has changed."""

    metadata: Metadata = msgspec.field(default_factory=Metadata)


class ServicePortFields(Struct):
    port: int
    name: str = ""
    protocol: str = "TCP"


class ServiceFields(Struct):
    ports: list[ServicePortFields] = msgspec.field(default_factory=list)
    cluster_ip: str = msgspec.field(default="", name="clusterIP")
    cluster_ips: list[str] = msgspec.field(default_factory=list, name="clusterIPs")
    type: str = "ClusterIP"
    external_name: str = ""
    publish_not_ready_addresses: bool = False


class WatchedService(Named):
    spec: ServiceFields = msgspec.field(default_factory=ServiceFields)


class EndpointFields(Struct):
    addresses: list[str]
    conditions: EndpointConditions = msgspec.field(default_factory=EndpointConditions)
    hostname: str | None = None
    target_ref: ObjectReference | None = None


class WatchedSlice(Named):
    address_type: str = ""
    endpoints: list[EndpointFields] = msgspec.field(default_factory=list)
    ports: list[SlicePort] = msgspec.field(default_factory=list)


class PodStatusFields(Struct):
    pod_ips: list[dict[str, str]] = msgspec.field(default_factory=list, name="podIPs")
    phase: str = ""


class PodFields(Struct):
    host_network: bool = False


class WatchedPod(Named):
    spec: PodFields = msgspec.field(default_factory=PodFields)
    status: PodStatusFields = msgspec.field(default_factory=PodStatusFields)


class Port(msgspec.Struct, array_like=True, frozen=True, gc=False):
    name: str
    protocol: str  # lowered: tcp, udp, sctp
    port: int


@lru_cache(maxsize=1024)
def _port(name: str, protocol: str, port: int) -> Port:
    """One for all that are the same, of which there are many."""
    return Port(name, protocol, port)


class ServiceEntry(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """`addresses` are packed: 4 or 16 bytes each."""

    key: Key
    addresses: tuple[bytes, ...] = ()
    ports: tuple[Port, ...] = ()
    headless: bool = False
    external_name: str | None = None
    publish_not_ready: bool = False

    @classmethod
    def from_api(cls, service: Any) -> "ServiceEntry":
        """Raises ValueError for an address that is none."""
        spec = service.spec
        external = spec.external_name.rstrip(".") if spec.type == "ExternalName" else None
        headless = external is None and spec.cluster_ip == "None"
        addresses = () if headless or external is not None else spec.cluster_ips or filter(None, (spec.cluster_ip,))
        return cls(
            key=(sys.intern(service.metadata.namespace), service.metadata.name),
            addresses=tuple(ip_address(each).packed for each in addresses),
            ports=tuple(_port(p.name, p.protocol.lower(), p.port) for p in spec.ports),
            headless=headless,
            external_name=external,
            publish_not_ready=spec.publish_not_ready_addresses,
        )


class SliceEntry(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """An EndpointSlice of one Service: addresses of one family, one behind another; those that are ready come first.

    `hosts` and `pods` are as long as there are addresses, or empty where no endpoint has such a name.
    """

    service: Key
    size: int  # bytes of an address: 4 or 16
    ready: int  # how many of the addresses
    addresses: bytes
    ports: tuple[Port, ...] = ()
    hosts: tuple[str, ...] = ()
    pods: tuple[str, ...] = ()

    @classmethod
    def from_api(cls, slice_: Any) -> "SliceEntry | None":
        """None for slices that belong to no Service, or hold names instead of addresses. Raises ValueError for an
        address that is none."""
        service = slice_.metadata.labels.get(SERVICE_NAME)
        if service is None or slice_.address_type == "FQDN":
            return None
        size = 16 if slice_.address_type == "IPv6" else 4
        found: list[tuple[bool, bytes, str, str]] = []
        for endpoint in slice_.endpoints:
            reference = endpoint.target_ref
            pod = reference.name if reference is not None and reference.kind == "Pod" else ""
            for text in endpoint.addresses:
                packed = packed_of(text)
                if len(packed) != size:
                    raise ValueError(f"{text} is not of the family of its slice")
                found.append((endpoint.conditions.ready is False, packed, endpoint.hostname or "", pod))
        found.sort(key=lambda each: each[0])
        hosts, pods = tuple(each[2] for each in found), tuple(each[3] for each in found)
        ports = tuple(
            _port(p.name or "", (p.protocol or "TCP").lower(), p.port) for p in slice_.ports if p.port is not None
        )
        return cls(
            service=(sys.intern(slice_.metadata.namespace), service),
            size=size,
            ready=sum(not each[0] for each in found),
            addresses=b"".join(each[1] for each in found),
            ports=ports,
            hosts=hosts if any(hosts) else (),
            pods=pods if any(pods) else (),
        )

    def packed(self, *, all_: bool) -> list[bytes]:
        """The addresses: the ready ones, or all."""
        end = len(self.addresses) if all_ else self.ready * self.size
        return [self.addresses[at : at + self.size] for at in range(0, end, self.size)]


def packed_of(text: str) -> bytes:
    """As ipaddress has it, in a third of the time for the kind that there are many of. Raises ValueError."""
    parts = text.split(".")
    if len(parts) == 4 and text.replace(".", "").isdigit():
        return bytes(map(int, parts))
    return ip_address(text).packed


def text_of(packed: bytes) -> str:
    return str(IPv4Address(packed) if len(packed) == 4 else IPv6Address(packed))


def dashed(packed: bytes) -> str:
    """`10.244.1.4` → `10-244-1-4`, as endpoints without a hostname are called; no hyphen may stand at the end."""
    text = text_of(packed).replace(".", "-").replace(":", "-")
    return text + "0" if text.endswith("-") else text
