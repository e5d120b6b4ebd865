"""What a request's query may ask for (apimachinery `meta/v1/validation`, `meta/internalversion/validation`)."""

from fairlead.api import field
from fairlead.api.field import FieldError
from fairlead.api.status import ApiError
from fairlead.http.server import Request

FIELD_VALIDATIONS = ("Ignore", "Warn", "Strict")
PROPAGATIONS = ("Foreground", "Background", "Orphan")
MATCHES = ("Exact", "NotOlderThan", "")
LONGEST_MANAGER = 128

_KINDS = {"create": "CreateOptions", "update": "UpdateOptions", "patch": "PatchOptions", "delete": "DeleteOptions"}
_LISTING = ("list", "watch", "deletecollection")


def check(verb: str, request: Request) -> None:
    """Raises ApiError (422) in the name of the verb's options."""
    if not request.query:
        return
    if verb in _KINDS:
        errors = [*_dry_run(request.query.get("dryRun", [])), *_writing(request)]
        if errors:
            raise refused(_KINDS[verb], errors)
    elif verb in _LISTING and (errors := _listing(verb, request)):
        raise refused("ListOptions", errors)


def check_apply(request: Request) -> bool:
    """Whether the configuration is forced on others. Raises ApiError (422) where nobody says who applies."""
    if not request.parameter("fieldManager"):
        raise refused("PatchOptions", [field.required("fieldManager", "is required for apply patch")])
    return request.flag("force")


def check_no_force(request: Request) -> None:
    """Raises ApiError (422) for a patch that is no apply, and is forced."""
    if request.parameter("force") is not None:
        raise refused("PatchOptions", [field.forbidden("force", "may not be specified for non-apply patch")])


def is_dry_run(values: list[str]) -> bool:
    """Raises ApiError (422) for anything but `All`."""
    if errors := _dry_run(values):
        raise refused("DeleteOptions", errors)
    return any(values)


def check_propagation(policy: str | None, orphans: bool | None) -> None:
    """Raises ApiError (422)."""
    if policy is not None and orphans is not None:
        why = "orphanDependents and deletionPropagation cannot be both set"
        raise refused("DeleteOptions", [field.invalid("propagationPolicy", policy, why)])
    if policy is not None and policy not in PROPAGATIONS:
        raise refused("DeleteOptions", [field.not_supported("propagationPolicy", policy, (*PROPAGATIONS, "nil"))])


def refused(kind: str, errors: list[FieldError]) -> ApiError:
    texts = [str(error) for error in errors]
    joined = texts[0] if len(texts) == 1 else "[" + ", ".join(texts) + "]"
    causes = [{"reason": e.type.reason, "message": e.body, "field": e.field} for e in errors]
    details = {"group": "meta.k8s.io", "kind": kind, "causes": causes}
    return ApiError(422, "Invalid", f'{kind}.meta.k8s.io "" is invalid: {joined}', details)


def _dry_run(values: list[str]) -> list[FieldError]:
    given = [value for value in values if value]
    return [] if all(value == "All" for value in given) else [field.not_supported("dryRun", given, ("All",))]


def _writing(request: Request) -> list[FieldError]:
    errors = []
    validation = request.parameter("fieldValidation")
    if validation and validation not in FIELD_VALIDATIONS:
        errors.append(field.not_supported("fieldValidation", validation, FIELD_VALIDATIONS))
    manager = request.parameter("fieldManager") or ""
    if len(manager) > LONGEST_MANAGER:
        errors.append(field.too_long("fieldManager", LONGEST_MANAGER))
    elif not manager.isprintable():
        errors.append(field.invalid("fieldManager", manager, "should only contain printable characters"))
    return errors


def _listing(verb: str, request: Request) -> list[FieldError]:
    match_, version = request.parameter("resourceVersionMatch") or "", request.parameter("resourceVersion") or ""
    initial, watches = request.parameter("sendInitialEvents") is not None, verb == "watch"
    errors = []
    if watches and initial:
        if match_ != "NotOlderThan":
            why = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
            errors.append(field.forbidden("resourceVersionMatch", why))
        return errors
    if initial:
        errors.append(field.forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"))
    if not match_:
        return errors
    if watches:
        why = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
        errors.append(field.forbidden("resourceVersionMatch", why))
    elif not version:
        why = "resourceVersionMatch is forbidden unless resourceVersion is provided"
        errors.append(field.forbidden("resourceVersionMatch", why))
    if request.parameter("continue"):
        why = "resourceVersionMatch is forbidden when continue is provided"
        errors.append(field.forbidden("resourceVersionMatch", why))
    if match_ not in MATCHES:
        errors.append(field.not_supported("resourceVersionMatch", match_, MATCHES))
    elif match_ == "Exact" and version == "0":
        why = 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
        errors.append(field.forbidden("resourceVersionMatch", why))
    return errors
