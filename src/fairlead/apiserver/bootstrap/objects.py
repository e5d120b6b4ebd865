"""Makes what is missing, at every start; what is there is left as its owner wants it."""

import asyncio
from ipaddress import ip_address
from typing import Any

from fairlead.api.resources import BY_KIND, ENDPOINT_SLICES, ENDPOINTS, SERVICES, Resource
from fairlead.api.status import ApiError
from fairlead.apiserver.allocation import Allocators
from fairlead.apiserver.bootstrap.policy import BINDINGS, ROLES
from fairlead.apiserver.kinds import KINDS
from fairlead.apiserver.registry import Registry, stamp

Json = dict[str, Any]

NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
LABELS = {"component": "apiserver", "provider": "kubernetes"}


async def ensure(registry: Registry, allocators: Allocators, service_address: str, address: str, port: int) -> None:
    """`service_address` is what the Service `kubernetes` has; `address` and `port` are where this server listens."""
    namespaces = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in NAMESPACES]
    await asyncio.gather(*(_create(registry, obj) for obj in (*namespaces, *ROLES, *BINDINGS)))
    service = _service(service_address, port)
    if registry.find(SERVICES, "default", "kubernetes") is None:
        service = _prepared(SERVICES, service)
        allocators.settle(SERVICES, service, None)
        claim = allocators.claim(SERVICES, service, None)
        try:
            await registry.create(SERVICES, service)
        finally:
            claim.release()
    await _replace(registry, ENDPOINTS, _endpoints(address, port))
    await _replace(registry, ENDPOINT_SLICES, _slice(address, port))


async def _create(registry: Registry, obj: Json) -> None:
    resource = BY_KIND[obj["apiVersion"], obj["kind"]]
    if registry.find(resource, obj["metadata"].get("namespace"), obj["metadata"]["name"]) is None:
        await registry.create(resource, _prepared(resource, obj))


async def _replace(registry: Registry, resource: Resource, obj: Json) -> None:
    """The server's own address may have changed since."""
    metadata = obj["metadata"]
    try:
        await registry.create(resource, _prepared(resource, obj))
    except ApiError as error:
        if not error.is_already_exists:
            raise
        await registry.change(
            resource,
            metadata["namespace"],
            metadata["name"],
            lambda entry: {**obj, "metadata": entry.decode()["metadata"]},
        )


def _prepared(resource: Resource, obj: Json) -> Json:
    obj = {"metadata": dict(obj["metadata"]), **{key: value for key, value in obj.items() if key != "metadata"}}
    kind = KINDS[resource]
    kind.default(obj)
    stamp(obj["metadata"])
    kind.prepare_create(obj)
    return obj


def _service(address: str, port: int) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "kubernetes", "namespace": "default", "labels": LABELS},
        "spec": {
            "clusterIP": address,
            "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": port}],
            "sessionAffinity": "None",
            "type": "ClusterIP",
        },
    }


def _endpoints(address: str, port: int) -> Json:
    labels = {"endpointslice.kubernetes.io/skip-mirror": "true"}
    subset = {"addresses": [{"ip": address}], "ports": [{"name": "https", "port": port, "protocol": "TCP"}]}
    metadata = {"name": "kubernetes", "namespace": "default", "labels": labels}
    return {"apiVersion": "v1", "kind": "Endpoints", "metadata": metadata, "subsets": [subset]}


def _slice(address: str, port: int) -> Json:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": "kubernetes",
            "namespace": "default",
            "labels": {"kubernetes.io/service-name": "kubernetes"},
        },
        "addressType": f"IPv{ip_address(address).version}",
        "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
        "ports": [{"name": "https", "port": port, "protocol": "TCP"}],
    }
