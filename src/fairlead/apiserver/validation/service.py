"""Services (pkg/apis/core/validation ValidateService)."""

from typing import Any

from fairlead.api.field import FieldError, duplicate, forbidden, invalid, not_supported, required
from fairlead.apiserver.validation import names
from fairlead.apiserver.validation.metadata import labels

Json = dict[str, Any]

TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
AFFINITIES = ("ClientIP", "None")
PROTOCOLS = ("SCTP", "TCP", "UDP")
POLICIES = ("Cluster", "Local")
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
    if kind == "LoadBalancer" and headless:
        errors.append(invalid("spec.clusterIPs[0]", "None", "may not be set to 'None' for LoadBalancer services"))
    if kind == "NodePort" and headless:
        errors.append(invalid("spec.clusterIPs[0]", "None", "may not be set to 'None' for NodePort services"))
    if kind == "ExternalName":
        errors += _external_name(spec)
    errors += _ports(spec)
    errors += labels(spec.get("selector"), "spec.selector")
    errors += _affinity(spec)
    errors += _addresses(spec)
    for field in ("externalTrafficPolicy", "internalTrafficPolicy"):
        if (policy := spec.get(field)) is not None and policy not in POLICIES:
            errors.append(not_supported(f"spec.{field}", policy, POLICIES))
    if "externalTrafficPolicy" in spec and kind not in ("NodePort", "LoadBalancer") and not spec.get("externalIPs"):
        why = "may only be set for externally-accessible services"
        errors.append(invalid("spec.externalTrafficPolicy", spec["externalTrafficPolicy"], why))
    if spec.get("loadBalancerClass") and kind != "LoadBalancer":
        errors.append(forbidden("spec.loadBalancerClass", "may only be used when `type` is 'LoadBalancer'"))
    return errors


def validate_service_update(new: Json, old: Json) -> list[FieldError]:
    after, before = new["spec"], old["spec"]
    if "ExternalName" in (after["type"], before["type"]) or not before.get("clusterIP"):
        return []
    if after.get("clusterIP") == before["clusterIP"]:
        return []
    return [invalid("spec.clusterIPs[0]", [after.get("clusterIP", "")], "may not change once set")]


def _external_name(spec: Json) -> list[FieldError]:
    errors = []
    if spec.get("clusterIP"):
        errors.append(forbidden("spec.clusterIPs", "may not be set for ExternalName services"))
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


def _addresses(spec: Json) -> list[FieldError]:
    errors: list[FieldError] = []
    if spec["type"] != "ExternalName":
        address = spec.get("clusterIP", "")
        for index, each in enumerate(spec.get("clusterIPs", ())):
            if each not in ("None", ""):
                path = f"spec.clusterIPs[{index}]"
                errors += [invalid(path, each, problem) for problem in names.ip_address(each)]
                if not errors and ":" in each:
                    errors.append(invalid(path, each, "expected an IPv4 value as indicated by `spec.ipFamilies[0]`"))
        if spec.get("clusterIPs") and spec["clusterIPs"][0] != address:
            errors.append(invalid("spec.clusterIPs", spec["clusterIPs"], "first value must match `clusterIP`"))
        if len(spec.get("clusterIPs", ())) > 1:
            errors.append(invalid("spec.clusterIPs", spec["clusterIPs"], "this cluster has one IP family: IPv4"))
        if any(family != "IPv4" for family in spec.get("ipFamilies", ())):
            why = "not configured on this cluster"
            errors.append(invalid("spec.ipFamilies[0]", spec["ipFamilies"][0], why))
        if spec.get("ipFamilyPolicy") == "RequireDualStack":
            why = "this cluster is not configured for dual-stack services"
            errors.append(invalid("spec.ipFamilyPolicy", spec["ipFamilyPolicy"], why))
    for index, each in enumerate(spec.get("externalIPs", ())):
        path = f"spec.externalIPs[{index}]"
        errors += [invalid(path, each, problem) for problem in names.ip_address(each)]
    return errors
