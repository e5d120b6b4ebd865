"""Pods: their spec, and the little of it that may change."""

import copy
from typing import Any

from fairlead.api.field import FieldError, forbidden, invalid
from fairlead.apiserver.validation.pod_spec import validate_pod_spec

Json = dict[str, Any]

IMMUTABLE = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)\n"
)


def validate_pod(pod: Json) -> list[FieldError]:
    return validate_pod_spec(pod["spec"], "spec")


def validate_pod_update(new: Json, old: Json) -> list[FieldError]:
    errors: list[FieldError] = []
    if len(new["spec"].get("containers", ())) != len(old["spec"].get("containers", ())):
        return [forbidden("spec.containers", "pod updates may not add or remove containers")]
    before, after = old["spec"], new["spec"]
    seconds, known = after.get("activeDeadlineSeconds"), before.get("activeDeadlineSeconds")
    if seconds is not None and seconds < 0:
        errors.append(invalid("spec.activeDeadlineSeconds", seconds, "must be between 0 and 2147483647, inclusive"))
    elif known is not None and (seconds is None or seconds > known):
        why = f"must be less than or equal to previous value: {known}"
        errors.append(invalid("spec.activeDeadlineSeconds", seconds, why))
    if any(toleration not in after.get("tolerations", ()) for toleration in before.get("tolerations", ())):
        why = "existing toleration can not be modified except its tolerationSeconds"
        errors.append(forbidden("spec.tolerations", why))
    if _frozen(after) != _frozen(before):
        errors.append(forbidden("spec", IMMUTABLE))
    return errors


def _frozen(spec: Json) -> Json:
    """What may never change."""
    rest = copy.deepcopy(spec)
    for field in ("activeDeadlineSeconds", "tolerations"):
        rest.pop(field, None)
    for container in (*rest.get("containers", ()), *rest.get("initContainers", ())):
        container.pop("image", None)
    return rest
