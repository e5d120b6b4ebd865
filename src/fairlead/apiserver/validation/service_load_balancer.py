"""What of a Service is about its load balancer (ValidateService, ValidateLoadBalancerStatus in pkg/apis/core)."""

import ipaddress
from collections.abc import Mapping
from typing import Any

from fairlead.api.field import FieldError, forbidden, invalid, not_supported, required
from fairlead.apiserver.validation import names

Json = dict[str, Any]

MODES = ("Proxy", "VIP")
ONLY = "may only be used when `type` is 'LoadBalancer'"
HEALTH_CHECK = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
RANGES = "must be a list of IP ranges. For example, 10.240.0.0/24,10.250.0.0/24 "
RANGES_ANNOTATION = "service.beta.kubernetes.io/load-balancer-source-ranges"


def validate_load_balancer(spec: Json, annotations: Mapping[str, str]) -> list[FieldError]:
    wanted = spec["type"] == "LoadBalancer"
    errors: list[FieldError] = []
    if ranges := spec.get("loadBalancerSourceRanges"):
        errors += _ranges("spec.LoadBalancerSourceRanges", f"[{' '.join(ranges)}]", ranges, wanted=wanted)
    elif (text := annotations.get(RANGES_ANNOTATION)) is not None:
        given = text.split(",") if text.strip() else []
        errors += _ranges(f"metadata.annotations[{RANGES_ANNOTATION}]", text, given, wanted=wanted)
    if spec.get("allocateLoadBalancerNodePorts") is not None and not wanted:
        errors.append(forbidden("spec.allocateLoadBalancerNodePorts", ONLY))
    class_ = spec.get("loadBalancerClass")
    if class_ is not None and not wanted:
        errors.append(forbidden("spec.loadBalancerClass", ONLY))
    elif class_ is not None:
        errors += [invalid("spec.loadBalancerClass", class_, problem) for problem in names.qualified(class_)]
    if spec.get("healthCheckNodePort") and not has_health_check(spec):
        errors.append(invalid("spec.healthCheckNodePort", spec["healthCheckNodePort"], HEALTH_CHECK))
    return errors


def validate_load_balancer_update(after: Json, before: Json) -> list[FieldError]:
    errors: list[FieldError] = []
    if after["type"] == before["type"] == "LoadBalancer":
        class_ = after.get("loadBalancerClass")
        if class_ != before.get("loadBalancerClass"):
            errors.append(invalid("spec.loadBalancerClass", class_, "may not change once set"))
    number = after.get("healthCheckNodePort")
    if has_health_check(after) and has_health_check(before) and number and number != before.get("healthCheckNodePort"):
        errors.append(invalid("spec.healthCheckNodePort", number, "field is immutable"))
    return errors


def validate_load_balancer_status(new: Json, old: Json) -> list[FieldError]:
    path = "status.loadBalancer.ingress"
    given = new["status"].get("loadBalancer", {}).get("ingress") or []
    if given and old["spec"]["type"] != "LoadBalancer":
        return [forbidden(path, "may only be used when `spec.type` is LoadBalancer")]
    errors: list[FieldError] = []
    for index, each in enumerate(given):
        ip, mode, hostname = each.get("ip", ""), each.get("ipMode"), each.get("hostname", "")
        if ip:
            errors += [invalid(f"{path}[{index}].ip", ip, problem) for problem in names.ip_address(ip)]
        if ip and mode is None:
            errors.append(required(f"{path}[{index}].ipMode", "must be specified when `ip` is set"))
        elif not ip and mode is not None:
            errors.append(forbidden(f"{path}[{index}].ipMode", "may not be specified when `ip` is not set"))
        elif mode is not None and mode not in MODES:
            errors.append(not_supported(f"{path}[{index}].ipMode", mode, MODES))
        if hostname:
            errors += [invalid(f"{path}[{index}].hostname", hostname, each) for each in names.subdomain(hostname)]
            if not names.ip_address(hostname):
                why = "must be a DNS name, not an IP address"
                errors.append(invalid(f"{path}[{index}].hostname", hostname, why))
    return errors


def has_health_check(spec: Json) -> bool:
    """Whether nodes tell a load balancer if they have endpoints of it."""
    return spec.get("type") == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local"


def _ranges(field: str, told: str, ranges: list[str], *, wanted: bool) -> list[FieldError]:
    errors = [] if wanted else [forbidden(field, ONLY)]
    return errors if all(map(_is_range, ranges)) else [*errors, invalid(field, told, RANGES)]


def _is_range(text: str) -> bool:
    """With its prefix, as Go's `net.ParseCIDR` wants it; blanks around it are let pass."""
    try:
        ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        return False
    return "/" in text
