"""Which address families a Service has, where its author left that open or changes it (KEP-563). Pure.

Source: pkg/registry/core/service/storage/alloc.go (initIPFamilyFields).
"""

from collections.abc import Sequence
from typing import Any, Final

from fairlead.api.field import FieldError, invalid
from fairlead.apiserver.validation.service_addresses import family_of, validate_addresses

Json = dict[str, Any]

SINGLE, PREFER, REQUIRE = "SingleStack", "PreferDualStack", "RequireDualStack"
OTHER: Final = {"IPv4": "IPv6", "IPv6": "IPv4"}


def settle(spec: Json, before: Json | None, configured: Sequence[str]) -> list[FieldError]:
    """Fills in `ipFamilyPolicy` and `ipFamilies`, in place. `configured`: the cluster's families, the default first.

    A Service is never made single or dual without being told to: a PreferDualStack one that nobody changes stays as it
    is when the cluster becomes dual or single.
    """
    if spec["type"] == "ExternalName" or _prefers_and_stays(spec, before):
        return []
    if not spec.get("ipFamilyPolicy"):
        spec["ipFamilyPolicy"] = _default_policy(spec, before)
    if errors := validate_addresses(spec):
        return errors
    errors = [*_released(spec, before), *_too_many(spec), *_infer(spec, configured)]
    if errors:
        return errors
    wanted, families = spec["ipFamilyPolicy"], spec.setdefault("ipFamilies", [])
    if _is_bare_headless(spec):  # whoever makes its endpoints knows which families they are of
        _fill(families, configured[0], dual=wanted != SINGLE)
        return []
    if wanted == REQUIRE and len(configured) < 2:
        why = "this cluster is not configured for dual-stack services"
        errors.append(invalid("spec.ipFamilyPolicy", wanted, why))
    for index, family in enumerate(families):
        if family not in configured:
            errors.append(invalid(f"spec.ipFamilies[{index}]", family, "not configured on this cluster"))
    if not errors:
        _fill(families, configured[0], dual=wanted != SINGLE and len(configured) == 2)
    return errors


def _fill(families: list[str], default: str, *, dual: bool) -> None:
    if not families:
        families.append(default)
    if dual and len(families) == 1:
        families.append(OTHER[families[0]])


def _default_policy(spec: Json, before: Json | None) -> str:
    if before is not None and before.get("ipFamilyPolicy"):
        return str(before["ipFamilyPolicy"])
    return REQUIRE if _is_bare_headless(spec) else SINGLE


def _is_bare_headless(spec: Json) -> bool:
    return spec.get("clusterIP") == "None" and not spec.get("selector")


def _prefers_and_stays(spec: Json, before: Json | None) -> bool:
    return (
        before is not None
        and spec["type"] == before["type"]
        and spec.get("ipFamilyPolicy") == PREFER
        and before.get("ipFamilyPolicy") in (PREFER, None)
        and all((spec.get(field) or []) == (before.get(field) or []) for field in ("clusterIPs", "ipFamilies"))
    )


def _released(spec: Json, before: Json | None) -> list[FieldError]:
    """Of two families the second goes when the policy says SingleStack, and only then."""
    if before is None:
        return []
    errors = []
    wanted = spec["ipFamilyPolicy"]
    for field, what in (("clusterIPs", "cluster IP"), ("ipFamilies", "IP family")):
        after, known = spec.get(field) or [], before.get(field) or []
        if wanted == SINGLE:
            if after == known and len(after) > 1:
                spec[field] = after[:1]
        elif 0 < len(after) < len(known):
            why = f"must be 'SingleStack' to release the secondary {what}"
            errors.append(invalid("spec.ipFamilyPolicy", wanted, why))
    return errors


def _too_many(spec: Json) -> list[FieldError]:
    if spec["ipFamilyPolicy"] != SINGLE:
        return []
    return [
        invalid(
            "spec.ipFamilyPolicy",
            SINGLE,
            f"must be 'RequireDualStack' or 'PreferDualStack' when multiple {what} are specified",
        )
        for field, what in (("clusterIPs", "cluster IPs"), ("ipFamilies", "IP families"))
        if len(spec.get(field) or ()) == 2
    ]


def _infer(spec: Json, configured: Sequence[str]) -> list[FieldError]:
    """The families of addresses that are given."""
    errors = []
    addresses = spec.get("clusterIPs") or []
    families = spec["ipFamilies"] = spec.get("ipFamilies") or []
    if addresses[:1] == ["None"]:
        return []
    for index, address in enumerate(addresses):
        if index < len(families):
            continue
        family = family_of(address)
        if family in configured:
            families.append(family)
        else:
            why = f"{family} is not configured on this cluster"
            errors.append(invalid(f"spec.clusterIPs[{index}]", addresses, why))
    return errors
