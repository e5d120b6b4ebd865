"""kubectl's annotation of the last configuration that it applied by itself, on the way to server-side apply and back.

Source: apimachinery `managedfields/internal/lastapplied*.go`; kubectl moves over what `kubectl-client-side-apply` owns.
"""

import dataclasses
import json
from typing import Any

from fairlead.api.ownership.changes import STRIPPED, Conflict, Versions, first_owners, unchanged_since
from fairlead.api.ownership.elements import MalformedError
from fairlead.api.ownership.fields import Fields
from fairlead.api.ownership.managers import BEFORE_FIRST_APPLY, Manager, Owned
from fairlead.api.ownership.walks import problems
from fairlead.apiserver.validation.metadata import MOST_ANNOTATION_BYTES

Json = dict[str, Any]

ANNOTATION = "kubectl.kubernetes.io/last-applied-configuration"
KUBECTL, CLIENT_SIDE = "kubectl", "kubectl-client-side-apply"
_OWN = Fields.of([("f:metadata", "f:annotations", f"f:{ANNOTATION}")])


def owners_before_apply(live: Json, versions: Versions, now: str) -> dict[Manager, Owned]:
    """Of an object that nobody has tracked. What kubectl wrote is told by its annotation, all else is nobody's in
    particular; so kubectl finds what it may take over, as where updates were tracked from the beginning."""
    known = _known(live, versions)
    if known is None:
        return dict(first_owners(live, BEFORE_FIRST_APPLY, versions, now))
    version, fields = known
    fields = (fields | _OWN).without(versions.ignored) - STRIPPED
    own = dataclasses.replace(versions, request=version)
    owners = {Manager.who_updates(CLIENT_SIDE, version): Owned(fields, version, now)}
    for manager, owned in first_owners(
        versions.convert(live, versions.request, version), BEFORE_FIRST_APPLY, own, now
    ).items():
        if left := owned.fields - fields:
            owners[manager] = dataclasses.replace(owned, fields=left)
    return owners


def allows(conflicts: list[Conflict], live: Json, versions: Versions) -> list[Conflict]:
    """The conflicts that are left when kubectl applies what it has applied by itself before."""
    known = _known(live, versions)
    if known is None or known[0] != versions.request:
        return conflicts
    return [each for each in conflicts if each.path not in known[1]]


def follow(new: Json, configuration: Json) -> None:
    """Where the annotation is, it tells what was applied last, so that a `kubectl apply` without --server-side knows
    what to remove. In place; one that is too long goes."""
    annotations = new["metadata"].get("annotations") or {}
    if not annotations.get(ANNOTATION):
        return
    annotations = {key: value for key, value in annotations.items() if key != ANNOTATION}
    written = dict(configuration)
    metadata = dict(written.get("metadata") or {})
    if metadata.get("annotations"):
        metadata["annotations"] = {k: v for k, v in metadata["annotations"].items() if k != ANNOTATION}
    text = (
        json.dumps({**written, "metadata": metadata}, separators=(",", ":"), sort_keys=True, ensure_ascii=False) + "\n"
    )
    if (
        sum(len(f"{key}{value}".encode()) for key, value in {**annotations, ANNOTATION: text}.items())
        <= MOST_ANNOTATION_BYTES
    ):
        annotations[ANNOTATION] = text
    new["metadata"]["annotations"] = annotations


def _known(live: Json, versions: Versions) -> tuple[str, Fields] | None:
    """The version of the last configuration, and its fields that the live object still has as they were."""
    text = (live["metadata"].get("annotations") or {}).get(ANNOTATION)
    try:
        known = json.loads(text) if text else None
    except ValueError:
        return None
    if not isinstance(known, dict) or not isinstance(version := known.get("apiVersion"), str):
        return None
    shape = versions.shape(version)
    if shape is None or problems(known, shape):
        return None
    try:
        return version, unchanged_since(known, versions.convert(live, versions.request, version), shape)
    except MalformedError:
        return None
