"""`…/proxy/…` of nodes, pods and Services: any request to what they serve.

A name may say a scheme and a port: `NAME`, `NAME:PORT`, `https:NAME:PORT` (pkg/registry/core, ResourceLocation).
"""

import ipaddress
import random
from typing import Any

from fairlead.api.resources import ENDPOINTS, NODES, SERVICES
from fairlead.api.status import bad_request, unavailable
from fairlead.apiserver.call import Call
from fairlead.apiserver.forwarding import forward
from fairlead.http.server import Response, Stream, Upgrade

Json = dict[str, Any]


async def proxy(call: Call) -> Response | Stream | Upgrade:
    """Raises ApiError (400, 404, 503)."""
    scheme, name, port = _parts(call)
    match call.resource:
        case _ if call.resource is NODES:
            if port in ("", call.api.kubelets.address(name).rpartition(":")[2]):
                return await _to_agent(call, name)
            host = call.api.kubelets.address(name).removeprefix("https://").rpartition(":")[0]
        case _ if call.resource is SERVICES:
            host, port = _endpoint(call, name, port)
        case _:
            host, port = _pod(call, name, port)
    return await forward(call.request, scheme or "http", f"{host}:{port}", call.route.rest)


async def _to_agent(call: Call, name: str) -> Response | Stream:
    query = [(key, value) for key, values in call.request.query.items() for value in values]
    return await call.api.kubelets.stream(name, f"/{call.route.rest}", query, call.request)


def _parts(call: Call) -> tuple[str, str, str]:
    match call.name.split(":"):
        case [name]:
            return "", name, ""
        case [name, port] if name:
            return "", name, port
        case ["" | "http" | "https" as scheme, name, port] if name:
            return scheme, name, port
    raise bad_request(f'invalid {call.resource.singular} request "{call.name}"')


def _pod(call: Call, name: str, port: str) -> tuple[str, str]:
    """Where no port is said, the first that a container has."""
    pod = call.api.registry.get(call.resource, call.namespace, name).decode()
    if not port:
        ports = [each["containerPort"] for one in pod["spec"]["containers"] for each in one.get("ports") or ()]
        port = str(ports[0]) if ports else "80"
    address = pod.get("status", {}).get("podIP", "")
    if not address or not _is_elsewhere(address):
        raise bad_request("address not allowed")
    return _host(address), port


def _endpoint(call: Call, name: str, port: str) -> tuple[str, str]:
    """One of those that are ready, by chance: the port's name is the Service's."""
    registry = call.api.registry
    if port.isdigit():
        service = registry.get(SERVICES, call.namespace, name).decode()
        named = [each.get("name", "") for each in service["spec"].get("ports") or () if each["port"] == int(port)]
        if not named:
            raise unavailable(f'no service port {port} found for service "{name}"')
        port = named[0]
    subsets = registry.get(ENDPOINTS, call.namespace, name).decode().get("subsets") or ()
    found = [
        (address["ip"], each["port"])
        for subset in subsets
        for each in subset.get("ports") or ()
        if each.get("name", "") == port
        for address in subset.get("addresses") or ()
        if _is_elsewhere(address["ip"])
    ]
    if not found:
        raise unavailable(f'no endpoints available for service "{call.name}"')
    ip, number = random.choice(found)
    return _host(ip), str(number)


def _is_elsewhere(address: str) -> bool:
    """Nobody may make this server ask its own machine (CVE-2020-8562)."""
    ip = ipaddress.ip_address(address)
    return not (ip.is_loopback or ip.is_link_local or ip.is_multicast or ip.is_unspecified)


def _host(address: str) -> str:
    return f"[{address}]" if ":" in address else address
