"""Services (pkg/apis/core/validation ValidateService)."""

from typing import Any

from fairlead.api.field import FieldError, duplicate, forbidden, invalid, not_supported, required
from fairlead.apiserver.validation import names
from fairlead.apiserver.validation.metadata import labels
from fairlead.apiserver.validation.service_addresses import (
    validate_addresses,
    validate_addresses_update,
    validate_no_addresses,
)
from fairlead.apiserver.validation.service_load_balancer import (
    validate_load_balancer,
    validate_load_balancer_update,
)

Json = dict[str, Any]

TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
AFFINITIES = ("ClientIP", "None")
PROTOCOLS = ("SCTP", "TCP", "UDP")
POLICIES = ("Cluster", "Local")
DISTRIBUTIONS = ("PreferClose", "PreferSameNode", "PreferSameZone")
LONGEST_AFFINITY = 86400


def validate_service(service: Json) -> list[FieldError]:
    spec: Json = service["spec"]
    kind = spec["type"]
    errors: list[FieldError] = []
    headless = spec.get("clusterIP") == "None"
    if not spec.get("ports") and not headless and kind != "ExternalName":
        errors.append(required("spec.ports"))
    if kind not in TYPES:
        errors.append(not_supported("spec.type", kind, TYPES))
    if kind in ("LoadBalancer", "NodePort") and headless:
        why = f"may not be set to 'None' for {kind} services"
        errors.append(invalid("spec.clusterIPs[0]", spec.get("clusterIPs"), why))
    if kind == "ExternalName":
        errors += _external_name(spec)
    errors += _ports(spec)
    errors += labels(spec.get("selector"), "spec.selector")
    errors += _affinity(spec)
    errors += validate_no_addresses(spec) if kind == "ExternalName" else validate_addresses(spec)
    errors += _external_ips(spec)
    for field in ("externalTrafficPolicy", "internalTrafficPolicy"):
        if (policy := spec.get(field)) is not None and policy not in POLICIES:
            errors.append(not_supported(f"spec.{field}", policy, POLICIES))
    if "externalTrafficPolicy" in spec and kind not in ("NodePort", "LoadBalancer") and not spec.get("externalIPs"):
        why = "may only be set for externally-accessible services"
        errors.append(invalid("spec.externalTrafficPolicy", spec["externalTrafficPolicy"], why))
    if (wanted := spec.get("trafficDistribution")) is not None and wanted not in DISTRIBUTIONS:
        errors.append(not_supported("spec.trafficDistribution", wanted, DISTRIBUTIONS))
    return errors + validate_load_balancer(spec, service["metadata"].get("annotations") or {})


def validate_service_update(new: Json, old: Json) -> list[FieldError]:
    return [
        *validate_addresses_update(new["spec"], old["spec"]),
        *validate_load_balancer_update(new["spec"], old["spec"]),
    ]


def _external_name(spec: Json) -> list[FieldError]:
    errors = []
    name = spec.get("externalName", "").removesuffix(".")
    if not name:
        errors.append(required("spec.externalName"))
    else:
        errors += [invalid("spec.externalName", name, problem) for problem in names.subdomain(name)]
    return errors


def _ports(spec: Json) -> list[FieldError]:
    ports = spec.get("ports", ())
    errors: list[FieldError] = []
    taken_names: set[str] = set()
    taken: set[tuple[str, int]] = set()
    taken_nodes: set[tuple[str, int]] = set()
    for index, port in enumerate(ports):
        path = f"spec.ports[{index}]"
        name, protocol = port.get("name", ""), port.get("protocol", "")
        if not name and len(ports) > 1:
            errors.append(required(f"{path}.name"))
        elif name:
            errors += [invalid(f"{path}.name", name, problem) for problem in names.label(name)]
            if name in taken_names:
                errors.append(duplicate(f"{path}.name", name))
            taken_names.add(name)
        number = port.get("port", 0)
        errors += [invalid(f"{path}.port", number, problem) for problem in names.port_number(number)]
        if protocol not in PROTOCOLS:
            errors.append(not_supported(f"{path}.protocol", protocol, PROTOCOLS))
        errors += _target(port.get("targetPort"), f"{path}.targetPort")
        if (protocol, number) in taken:
            errors.append(duplicate(path, {"protocol": protocol, "port": number}))
        taken.add((protocol, number))
        if node_port := port.get("nodePort"):
            if spec["type"] not in ("NodePort", "LoadBalancer"):
                errors.append(forbidden(f"{path}.nodePort", f"may not be used when `type` is '{spec['type']}'"))
            elif (protocol, node_port) in taken_nodes:
                errors.append(duplicate(f"{path}.nodePort", node_port))
            taken_nodes.add((protocol, node_port))
    return errors


def _target(target: Any, path: str) -> list[FieldError]:
    problems = names.port_name(target) if isinstance(target, str) else names.port_number(target)
    return [invalid(path, target, problem) for problem in problems]


def _affinity(spec: Json) -> list[FieldError]:
    affinity = spec["sessionAffinity"]
    if affinity not in AFFINITIES:
        return [not_supported("spec.sessionAffinity", affinity, AFFINITIES)]
    config = spec.get("sessionAffinityConfig")
    if affinity == "None":
        if config is not None:
            why = "must not be set when session affinity is None"
            return [forbidden("spec.sessionAffinityConfig", why)]
        return []
    seconds = (config or {}).get("clientIP", {}).get("timeoutSeconds")
    if not isinstance(seconds, int) or not 0 < seconds <= LONGEST_AFFINITY:
        path = "spec.sessionAffinityConfig.clientIP.timeoutSeconds"
        why = f"must be greater than 0 and less than {LONGEST_AFFINITY}"
        return [invalid(path, seconds, why)]
    return []


def _external_ips(spec: Json) -> list[FieldError]:
    return [
        invalid(f"spec.externalIPs[{index}]", each, problem)
        for index, each in enumerate(spec.get("externalIPs", ()))
        for problem in names.ip_address(each)
    ]
