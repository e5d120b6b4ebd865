"""clusterIP, clusterIPs, ipFamilies and ipFamilyPolicy of a Service (ValidateServiceClusterIPsRelatedFields).

All may be missing still: they are filled in by `allocation`.
"""

import ipaddress
from typing import Any

from fairlead.api.field import FieldError, duplicate, forbidden, invalid, not_supported, required
from fairlead.apiserver.validation import names

Json = dict[str, Any]
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

FAMILIES = ("IPv4", "IPv6")
POLICIES = ("PreferDualStack", "RequireDualStack", "SingleStack")
SET = "may not change once set"


def parse_address(text: str) -> Address:
    """An IPv4 address in IPv6's clothes is one of IPv4, as Go's `net.ParseIP` has it. Raises ValueError."""
    address = ipaddress.ip_address(text)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return address if mapped is None else mapped


def family_of(text: str) -> str:
    return f"IPv{parse_address(text).version}"


def validate_addresses(spec: Json) -> list[FieldError]:
    """Of anything but an ExternalName."""
    given, families = spec.get("clusterIPs") or [], spec.get("ipFamilies") or []
    errors = [*_in_step(spec.get("clusterIP") or "", given), *_families(families), *_policy(spec)]
    wrong = _addresses(given)
    errors += wrong
    if len(given) > 2:
        errors.append(invalid("spec.clusterIPs", given, "may only hold up to 2 values"))
    if wrong:
        return errors
    if len(given) > 1 and len({family_of(each) for each in given}) != len(given):
        errors.append(invalid("spec.clusterIPs", given, "may specify no more than one IP for each IP family"))
    if given != ["None"]:
        for index, (address, family) in enumerate(zip(given, families, strict=False)):
            if family in FAMILIES and family_of(address) != family:
                why = f"expected an {family} value as indicated by `ipFamilies[{index}]`"
                errors.append(invalid(f"spec.clusterIPs[{index}]", address, why))
    return errors


def validate_no_addresses(spec: Json) -> list[FieldError]:
    """Of an ExternalName: it has none of these."""
    fields = ("clusterIPs", "ipFamilies", "ipFamilyPolicy")
    why = "may not be set for ExternalName services"
    return [
        forbidden(f"spec.{field}", why)
        for field in fields
        if spec.get(field) or (field == "clusterIPs" and spec.get("clusterIP"))
    ]


def _in_step(singular: str, plural: list[str]) -> list[FieldError]:
    if not singular:
        why = "must be empty when `clusterIP` is not specified"
        return [invalid("spec.clusterIPs", plural, why)] if plural else []
    if not plural:
        return [required("spec.clusterIPs")]
    if plural[0] != singular:
        return [invalid("spec.clusterIPs", plural, "first value must match `clusterIP`")]
    return []


def _families(families: list[str]) -> list[FieldError]:
    errors = []
    for index, family in enumerate(families):
        path = f"spec.ipFamilies[{index}]"
        if family not in FAMILIES:
            errors.append(not_supported(path, family, FAMILIES))
        if family in families[:index]:
            errors.append(duplicate(path, family))
    return errors


def _policy(spec: Json) -> list[FieldError]:
    policy = spec.get("ipFamilyPolicy")
    if not policy or policy in POLICIES:
        return []
    return [not_supported("spec.ipFamilyPolicy", policy, POLICIES)]


def _addresses(given: list[str]) -> list[FieldError]:
    errors = []
    for index, address in enumerate(given):
        if index == 0 and address == "None":
            if len(given) > 1:
                errors.append(invalid("spec.clusterIPs", given, "'None' must be the first and only value"))
            continue
        errors += [invalid(f"spec.clusterIPs[{index}]", address, problem) for problem in names.ip_address(address)]
    return errors


def validate_addresses_update(after: Json, before: Json) -> list[FieldError]:
    """A second address and family may come and go; the first stays (validateUpgradeDowngrade…)."""
    if "ExternalName" in (after["type"], before["type"]):
        return []
    headless = [spec.get("clusterIPs") == ["None"] for spec in (after, before)]
    errors: list[FieldError] = []
    if not all(headless):
        errors += _kept(after, before, "clusterIPs", "clusterIP")
    if not any(headless):
        errors += _kept(after, before, "ipFamilies", "ipFamily")
    return errors


def _kept(after: Json, before: Json, field: str, one: str) -> list[FieldError]:
    new, old = after.get(field) or [], before.get(field) or []
    if not old:
        return []
    if not new:
        return [invalid(f"spec.{field}[0]", new, f"primary {one} can not be unset")]
    if len(new) == len(old):
        return [
            invalid(f"spec.{field}[{index}]", new, SET)
            for index, (now, was) in enumerate(zip(new, old, strict=True))
            if now != was
        ]
    errors = [invalid(f"spec.{field}[0]", new, SET)] if new[0] != old[0] else []
    if len(new) < len(old) and after.get("ipFamilyPolicy") != "SingleStack":
        why = f"must be set to 'SingleStack' when releasing the secondary {one}"
        errors.append(invalid("spec.ipFamilyPolicy", after.get("ipFamilyPolicy"), why))
    return errors
