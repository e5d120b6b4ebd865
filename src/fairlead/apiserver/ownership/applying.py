"""Server-side apply: the object as it is, with a configuration and its manager's word over it."""

from typing import Any

from fairlead.api.ownership import changes, elements, managers
from fairlead.api.ownership.changes import Conflict, ConflictsError, Versions, message_of
from fairlead.api.ownership.elements import MalformedError
from fairlead.api.ownership.managers import Manager
from fairlead.api.ownership.walks import problems
from fairlead.api.schema import SchemaError, conform
from fairlead.api.status import ApiError, bad_request
from fairlead.apiserver.ownership.last_applied import KUBECTL, allows, follow, owners_before_apply

Json = dict[str, Any]


def check(configuration: Json, versions: Versions, kind: str) -> None:
    """Raises ApiError (400 for another kind, 500, as Kubernetes has it, for what the kind does not have)."""
    given = (str(configuration.get("apiVersion") or ""), str(configuration.get("kind") or ""))
    if given != (versions.request, kind):
        raise bad_request(f"invalid object type: {_kind_text(*given)}")
    metadata = configuration.get("metadata")
    if isinstance(metadata, dict) and metadata.get("managedFields") is not None:
        raise bad_request("metadata.managedFields must be nil")
    found = problems(configuration, versions.own)
    if found:
        told = found[0] if len(found) == 1 else "errors:\n" + "\n".join(f"  {each}" for each in found)
        raise ApiError(
            500, "", f"failed to create typed patch object ({_subject(configuration, versions, kind)}): {told}"
        )


def apply(live: Json, configuration: Json, manager: Manager, versions: Versions, now: str, *, force: bool) -> Json:
    """`live` in the request's version; empty where there is no object yet. Raises ApiError (409)."""
    metadata = live.get("metadata", {})
    before = metadata.get("managedFields")
    if live:
        live = {**live, "metadata": {key: value for key, value in metadata.items() if key != "managedFields"}}
    kind = configuration["kind"]
    try:
        owners = managers.parse(before) if before else owners_before_apply(live, versions, now) if live else {}
        new, after = _applied(live, configuration, owners, manager, versions, now, force=force)
        conform(versions.request, kind, new)
    except ConflictsError as error:
        raise _conflict(error.conflicts) from error
    except (SchemaError, MalformedError, ArithmeticError) as error:
        subject = _subject(configuration, versions, kind)
        raise ApiError(500, "", f"failed to convert new typed object ({subject}) to object: {error}") from error
    if not isinstance(new.get("metadata"), dict):
        new["metadata"] = {}
    if manager.name == KUBECTL:
        follow(new, configuration)
    if after:
        new["metadata"]["managedFields"] = managers.render(after)
    return {"metadata": new.pop("metadata"), **new}


def _applied(
    live: Json,
    configuration: Json,
    owners: managers.Owners,
    manager: Manager,
    versions: Versions,
    now: str,
    *,
    force: bool,
) -> tuple[Json, managers.Owners]:
    try:
        return changes.applied(live, configuration, owners, manager, versions, now, force=force)
    except ConflictsError as error:
        if manager.name != KUBECTL:
            raise
        if left := allows(error.conflicts, live, versions):
            raise ConflictsError(left) from error
        return changes.applied(live, configuration, owners, manager, versions, now, force=True)


def _conflict(conflicts: list[Conflict]) -> ApiError:
    causes = [
        {
            "reason": "FieldManagerConflict",
            "message": f"conflict with {each.manager}",
            "field": elements.printed(each.path),
        }
        for each in conflicts
    ]
    return ApiError(409, "Conflict", message_of(conflicts), {"causes": causes})


def _subject(configuration: Json, versions: Versions, kind: str) -> str:
    """`default/web; apps/v1, Kind=Deployment`."""
    metadata = configuration.get("metadata")
    if not isinstance(metadata, dict):
        metadata = {}
    return f"{metadata.get('namespace', '')}/{metadata.get('name', '')}; {_kind_text(versions.request, kind)}"


def _kind_text(group_version: str, kind: str) -> str:
    """As Go prints a GroupVersionKind: `/v1, Kind=Pod`."""
    return f"{group_version if '/' in group_version else '/' + group_version}, Kind={kind}"
