"""Jobs (pkg/apis/batch/validation)."""

from typing import Any

from fairlead.api.field import FieldError, forbidden, invalid, not_supported, required
from fairlead.apiserver.validation.metadata import annotations, labels
from fairlead.apiserver.validation.pod_spec import validate_pod_spec
from fairlead.apiserver.validation.workload import label_selector, not_negative, selects

Json = dict[str, Any]

AMOUNTS = ("parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished")
REPLACEMENTS = ("Failed", "TerminatingOrFailed")
IMMUTABLE = ("completions", "selector", "template", "completionMode")
# What would have to be refused one by one while a Job runs is refused whole, before it does.
NOT_SERVED = ("podFailurePolicy", "successPolicy", "backoffLimitPerIndex", "maxFailedIndexes", "managedBy")


def validate_job(obj: Json) -> list[FieldError]:
    spec = obj["spec"]
    errors = [error for field in AMOUNTS for error in not_negative(spec, field)]
    errors += _selector(spec)
    errors += _template(spec["template"])
    if (policy := spec["podReplacementPolicy"]) not in REPLACEMENTS:
        errors.append(not_supported("spec.podReplacementPolicy", policy, REPLACEMENTS))
    if (mode := spec["completionMode"]) == "Indexed":
        errors.append(forbidden("spec.completionMode", "Indexed Jobs are not run by this cluster"))
    elif mode != "NonIndexed":
        errors.append(not_supported("spec.completionMode", mode, ("NonIndexed", "Indexed")))
    for field in NOT_SERVED:
        if spec.get(field) is not None:
            errors.append(forbidden(f"spec.{field}", "not served by this cluster"))
    return errors


def validate_job_update(new: Json, old: Json) -> list[FieldError]:
    """A Job that is suspended and has not begun may get another template."""
    begun = not old["spec"].get("suspend") or old.get("status", {}).get("startTime")
    fixed = IMMUTABLE if begun else tuple(field for field in IMMUTABLE if field != "template")
    return [
        invalid(f"spec.{field}", new["spec"].get(field), "field is immutable")
        for field in fixed
        if new["spec"].get(field) != old["spec"].get(field)
    ]


def _selector(spec: Json) -> list[FieldError]:
    selector = spec.get("selector")
    if selector is None:
        return [required("spec.selector")]
    errors = label_selector(selector, "spec.selector")
    given = spec["template"]["metadata"].get("labels") or {}
    generated = given.get("batch.kubernetes.io/controller-uid")
    if not spec["manualSelector"] and selector.get("matchLabels", {}) != {
        "batch.kubernetes.io/controller-uid": generated
    }:
        errors.append(invalid("spec.selector", selector, "`selector` not auto-generated"))
    elif not errors and not selects(selector, given):
        errors.append(invalid("spec.template.metadata.labels", given, "`selector` does not match template `labels`"))
    return errors


def _template(template: Json) -> list[FieldError]:
    path = "spec.template"
    errors = labels(template["metadata"].get("labels"), f"{path}.metadata.labels")
    errors += annotations(template["metadata"].get("annotations"), f"{path}.metadata.annotations")
    errors += validate_pod_spec(template["spec"], f"{path}.spec")
    if template["spec"]["restartPolicy"] == "Always":
        errors.append(required(f"{path}.spec.restartPolicy", 'valid values: "OnFailure", "Never"'))
    return errors
