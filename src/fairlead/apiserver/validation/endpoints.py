"""Endpoints and EndpointSlices."""

import ipaddress
from typing import Any

from fairlead.api.field import FieldError, duplicate, invalid, not_supported, required, too_many
from fairlead.apiserver.validation import names

Json = dict[str, Any]

PROTOCOLS = ("SCTP", "TCP", "UDP")
ADDRESS_TYPES = ("FQDN", "IPv4", "IPv6")
MOST_ENDPOINTS, MOST_ADDRESSES, MOST_PORTS = 1000, 100, 20000


def validate_endpoints(obj: Json) -> list[FieldError]:
    errors: list[FieldError] = []
    for index, subset in enumerate(obj.get("subsets") or ()):
        path = f"subsets[{index}]"
        if not subset.get("addresses") and not subset.get("notReadyAddresses"):
            errors.append(required(path, "must specify `addresses` or `notReadyAddresses`"))
        for field in ("addresses", "notReadyAddresses"):
            for position, address in enumerate(subset.get(field) or ()):
                errors += _address(address.get("ip", ""), f"{path}.{field}[{position}].ip")
        ports = subset.get("ports") or ()
        for position, port in enumerate(ports):
            errors += _port(port, f"{path}.ports[{position}]", named=len(ports) > 1)
    return errors


def validate_slice(obj: Json) -> list[FieldError]:
    errors: list[FieldError] = []
    kind = obj.get("addressType", "")
    if not kind:
        errors.append(required("addressType"))
    elif kind not in ADDRESS_TYPES:
        errors.append(not_supported("addressType", kind, ADDRESS_TYPES))
    endpoints = obj.get("endpoints") or ()
    if len(endpoints) > MOST_ENDPOINTS:
        errors.append(too_many("endpoints", MOST_ENDPOINTS))
    for index, endpoint in enumerate(endpoints):
        path = f"endpoints[{index}].addresses"
        addresses = endpoint.get("addresses") or ()
        if not addresses:
            errors.append(required(path, "must contain at least 1 address"))
        elif len(addresses) > MOST_ADDRESSES:
            errors.append(too_many(path, MOST_ADDRESSES))
        if kind in ("IPv4", "IPv6"):
            for position, address in enumerate(addresses):
                errors += _address(address, f"{path}[{position}]")
    taken: set[str] = set()
    for index, port in enumerate(obj.get("ports") or ()):
        path = f"ports[{index}]"
        if port["name"] in taken:
            errors.append(duplicate(f"{path}.name", port["name"]))
        taken.add(port["name"])
        errors += _port(port, path, named=False, optional=True)
    return errors


def _address(value: str, path: str) -> list[FieldError]:
    problems = names.ip_address(value)
    if problems:
        return [invalid(path, value, problem) for problem in problems]
    address = ipaddress.ip_address(value)
    if address.is_unspecified:
        return [invalid(path, value, f"may not be unspecified ({value})")]
    if address.is_loopback:
        return [invalid(path, value, "may not be in the loopback range (127.0.0.0/8, ::1/128)")]
    if address.is_link_local:
        return [invalid(path, value, "may not be in the link-local range (169.254.0.0/16, fe80::/10)")]
    if address.is_multicast and value.startswith("224.0.0."):
        return [invalid(path, value, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)")]
    return []


def _port(port: Json, path: str, *, named: bool, optional: bool = False) -> list[FieldError]:
    errors: list[FieldError] = []
    name = port.get("name", "")
    if named and not name:
        errors.append(required(f"{path}.name"))
    elif name:
        errors += [invalid(f"{path}.name", name, problem) for problem in names.label(name)]
    number = port.get("port")
    if not (optional and number is None):
        errors += [invalid(f"{path}.port", number or 0, problem) for problem in names.port_number(number)]
    if port.get("protocol") not in PROTOCOLS:
        errors.append(not_supported(f"{path}.protocol", port.get("protocol", ""), PROTOCOLS))
    return errors
