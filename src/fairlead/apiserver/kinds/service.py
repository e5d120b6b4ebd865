"""Services. Their addresses and node ports are given out in `allocation`."""

from typing import Any

from fairlead.api.resources import SERVICES
from fairlead.apiserver.allocation.allocators import may_have_node_ports, wants_node_ports
from fairlead.apiserver.kinds.kind import IDENTITY, Kind, identity, keep_status
from fairlead.apiserver.tables.service import COLUMNS
from fairlead.apiserver.validation.service import validate_service, validate_service_update
from fairlead.apiserver.validation.service_load_balancer import has_health_check, validate_load_balancer_status

Json = dict[str, Any]

AFFINITY_SECONDS = 10800


def default(service: Json) -> None:
    spec = service.setdefault("spec", {})
    spec.setdefault("type", "ClusterIP")
    if not spec.get("sessionAffinity"):
        spec["sessionAffinity"] = "None"
    if spec["sessionAffinity"] == "None":
        spec.pop("sessionAffinityConfig", None)
    elif spec["sessionAffinity"] == "ClientIP":
        client = spec.setdefault("sessionAffinityConfig", {}).setdefault("clientIP", {})
        client.setdefault("timeoutSeconds", AFFINITY_SECONDS)
    for port in spec.get("ports", ()):
        port.setdefault("protocol", "TCP")
        if not port.get("targetPort"):
            port["targetPort"] = port.get("port", 0)
    if is_reached_from_outside(spec):
        spec["externalTrafficPolicy"] = spec.get("externalTrafficPolicy") or "Cluster"
    if spec["type"] == "LoadBalancer":
        spec.setdefault("allocateLoadBalancerNodePorts", True)
    if spec["type"] != "ExternalName":
        spec.setdefault("internalTrafficPolicy", "Cluster")
    balancer = service.setdefault("status", {}).setdefault("loadBalancer", {})
    for each in balancer.get("ingress") or ():
        if each.get("ip"):
            each.setdefault("ipMode", "VIP")


def is_reached_from_outside(spec: Json) -> bool:
    """ExternallyAccessible (pkg/api/service): an externalTrafficPolicy has a meaning."""
    return spec["type"] in ("NodePort", "LoadBalancer") or (
        spec["type"] == "ClusterIP" and bool(spec.get("externalIPs"))
    )


def prepare_create(service: Json) -> None:
    service["status"] = {"loadBalancer": {}}
    spec = service["spec"]
    if spec.get("clusterIP") and not spec.get("clusterIPs"):  # not the other way: who knows one must say both
        spec["clusterIPs"] = [spec["clusterIP"]]


def prepare_update(new: Json, old: Json) -> None:
    """What was given out and is left empty stays; what a type does not have goes (registry/core/service)."""
    keep_status(new, old)
    spec, before = new["spec"], old["spec"]
    _keep_addresses(spec, before)
    if wants_node_ports(spec) and wants_node_ports(before):
        _keep_node_ports(spec, before)
    if not may_have_node_ports(spec):
        _drop_node_ports(spec, before)
    if spec["type"] == "ExternalName":
        _drop_addresses(spec, before)
    policy = "externalTrafficPolicy"
    if is_reached_from_outside(before) and not is_reached_from_outside(spec) and spec.get(policy) == before.get(policy):
        spec.pop(policy, None)
    if spec["type"] != "LoadBalancer":
        for field in ("allocateLoadBalancerNodePorts", "loadBalancerClass"):
            if spec.get(field) == before.get(field):
                spec.pop(field, None)
        if before["type"] == "LoadBalancer":
            new["status"] = {"loadBalancer": {}}
    if has_health_check(spec) and has_health_check(before):
        spec["healthCheckNodePort"] = spec.get("healthCheckNodePort") or before.get("healthCheckNodePort", 0)
    elif not has_health_check(spec) and spec.get("healthCheckNodePort") == before.get("healthCheckNodePort"):
        spec.pop("healthCheckNodePort", None)


def _keep_addresses(spec: Json, before: Json) -> None:
    """Who knows only `clusterIP` and changes it means the first of `clusterIPs` (NormalizeClusterIPs)."""
    if "ExternalName" not in (spec["type"], before["type"]):
        for field in ("clusterIP", "clusterIPs"):
            if not spec.get(field) and before.get(field):
                spec[field] = before[field]
    singular, known = spec.get("clusterIP") or "", before.get("clusterIP") or ""
    if singular != known and (spec.get("clusterIPs") or []) == (before.get("clusterIPs") or []):
        spec["clusterIPs"] = [singular] if singular else []


def _drop_addresses(spec: Json, before: Json) -> None:
    """Of what becomes an ExternalName; what its author has changed as well is refused, not forgotten."""
    spec.pop("internalTrafficPolicy", None)
    if all((spec.get(field) or "") == (before.get(field) or "") for field in ("clusterIP", "clusterIPs")):
        spec.pop("clusterIP", None)
        spec.pop("clusterIPs", None)
    for field in ("ipFamilies", "ipFamilyPolicy"):
        if spec.get(field) == before.get(field):
            spec.pop(field, None)


def _keep_node_ports(spec: Json, before: Json) -> None:
    known = {(port["port"], port["protocol"]): port.get("nodePort") for port in before.get("ports", ())}
    used = {port.get("nodePort") for port in spec.get("ports", ())}
    for port in spec.get("ports", ()):
        number = known.get((port["port"], port["protocol"]))
        if not port.get("nodePort") and number and number not in used:
            port["nodePort"] = number


def _drop_node_ports(spec: Json, before: Json) -> None:
    known = {port.get("nodePort") for port in before.get("ports", ())}
    for port in spec.get("ports", ()):
        if port.get("nodePort") in known:
            port.pop("nodePort", None)


def selectable_fields(service: Json) -> dict[str, str]:
    spec = service["spec"]
    return identity(service) | {"spec.clusterIP": spec.get("clusterIP", ""), "spec.type": spec["type"]}


SERVICE = Kind(
    SERVICES,
    COLUMNS,
    default,
    validate_service,
    validate_service_update,
    validate_status_update=validate_load_balancer_status,
    prepare_create=prepare_create,
    prepare_update=prepare_update,
    selectable_fields=selectable_fields,
    selectable_field_names=IDENTITY | {"spec.clusterIP", "spec.type"},
)
