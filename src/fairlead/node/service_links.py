"""The environment variables that tell a container of Services (kubelet `envvars.go`). Pure."""

from collections.abc import Iterable, Mapping

import msgspec

from fairlead.api.types.meta import Struct


class LinkedPort(Struct):
    port: int
    name: str = ""
    protocol: str = "TCP"


class LinkedSpec(Struct):
    ports: list[LinkedPort] = msgspec.field(default_factory=list)
    cluster_ip: str = msgspec.field(default="", name="clusterIP")


class LinkedMetadata(Struct):
    name: str = ""
    namespace: str = ""
    resource_version: str = ""


class LinkedService(Struct):
    """A Service as far as variables tell of it: every node holds all of them, so nothing else is kept."""

    metadata: LinkedMetadata = msgspec.field(default_factory=LinkedMetadata)
    spec: LinkedSpec = msgspec.field(default_factory=LinkedSpec)


def variables(services: Mapping[str, LinkedService], namespace: str, *, links: bool) -> dict[str, str]:
    """Of `default/kubernetes` always, of the namespace's own Services where `links` asks for them.

    `services` is keyed `namespace/name`. A Service named kubernetes in the namespace hides the cluster's.
    """
    chosen: dict[str, LinkedService] = {}
    if (cluster := services.get("default/kubernetes")) is not None:
        chosen["kubernetes"] = cluster
    if links:
        chosen |= {s.metadata.name: s for s in services.values() if s.metadata.namespace == namespace}
    return of_services(chosen[name] for name in sorted(chosen))


def of_services(services: Iterable[LinkedService]) -> dict[str, str]:
    """Those without an address of their own (headless, ExternalName) have no variables."""
    result: dict[str, str] = {}
    for service in services:
        address, ports = service.spec.cluster_ip, service.spec.ports
        if address in ("", "None") or not ports:
            continue
        prefix = _variable(service.metadata.name)
        result[f"{prefix}_SERVICE_HOST"] = address
        result[f"{prefix}_SERVICE_PORT"] = str(ports[0].port)
        result |= {f"{prefix}_SERVICE_PORT_{_variable(port.name)}": str(port.port) for port in ports if port.name}
        result |= _links(prefix, address, ports)
    return result


def _links(prefix: str, address: str, ports: list[LinkedPort]) -> dict[str, str]:
    """The variables that Docker's links had."""
    host = f"[{address}]" if ":" in address else address
    result = {f"{prefix}_PORT": f"{ports[0].protocol.lower()}://{host}:{ports[0].port}"}
    for port in ports:
        protocol = port.protocol.lower()
        name = f"{prefix}_PORT_{port.port}_{port.protocol.upper()}"
        result[name] = f"{protocol}://{host}:{port.port}"
        result |= {f"{name}_PROTO": protocol, f"{name}_PORT": str(port.port), f"{name}_ADDR": address}
    return result


def _variable(name: str) -> str:
    return name.upper().replace("-", "_")
