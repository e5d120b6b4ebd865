"""What an update, and what server-side apply, makes of an object and of who manages its fields.

Source: structured-merge-diff `merge/update.go`, apimachinery `managedfields/internal` (`stripmeta.go`,
`managedfieldsupdater.go`, `lastappliedmanager.go`).
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from fairlead.api.ownership import elements
from fairlead.api.ownership.elements import Path
from fairlead.api.ownership.fields import NONE, Fields
from fairlead.api.ownership.managers import Manager, Owned, Owners, capped
from fairlead.api.ownership.shapes import Shape
from fairlead.api.ownership.walks import Difference, compare, merged, set_of, taken_away

Json = dict[str, Any]

_NAMES = ("name", "namespace", "creationTimestamp", "selfLink", "uid", "generation", "managedFields", "resourceVersion")
# What nobody owns: who an object is, and what the server alone writes.
STRIPPED = Fields.of(
    [("f:apiVersion",), ("f:kind",), ("f:metadata",), *(("f:metadata", elements.field(name)) for name in _NAMES)]
)


@dataclass(frozen=True, slots=True)
class Versions:
    """How a kind looks in the versions that it is served in. `request` is the version of the request at hand, in which
    objects come; `ignored` are fields that a request at this path cannot change. `shape` gives None for a version that
    is not served; `convert` leads from one version to another."""

    request: str
    ignored: Fields
    shape: Callable[[str], Shape | None]
    convert: Callable[[Json, str, str], Json]

    @property
    def own(self) -> Shape:
        found = self.shape(self.request)
        assert found is not None
        return found


@dataclass(frozen=True, slots=True)
class Conflict:
    manager: Manager
    path: Path


class ConflictsError(Exception):
    """Fields that are applied and that others manage with other values."""

    def __init__(self, conflicts: list[Conflict]) -> None:
        super().__init__(message_of(conflicts))
        self.conflicts = conflicts


def message_of(conflicts: list[Conflict]) -> str:
    if len(conflicts) == 1:
        one = conflicts[0]
        return f"Apply failed with 1 conflict: conflict with {one.manager}: {elements.printed(one.path)}"
    by_manager: dict[str, list[str]] = {}
    for each in conflicts:
        by_manager.setdefault(str(each.manager), []).append(f"- {elements.printed(each.path)}")
    lines = [line for manager in sorted(by_manager) for line in (f"conflicts with {manager}:", *by_manager[manager])]
    return f"Apply failed with {len(conflicts)} conflicts: " + "\n".join(lines)


def updated(live: Json, new: Json, owners: Owners, manager: Manager, versions: Versions, now: str) -> Owners:
    """Who owns what after an update to `new`: what changed is the updater's, what went is nobody's."""
    found, changed = _settled(live, new, owners, None, versions, force=True)
    own = (changed.modified | changed.added).without(versions.ignored) - STRIPPED
    if own:
        before = found.get(manager)
        fields = own if before is None else own | before.fields
        found[manager] = Owned(fields, versions.request, now)
    return capped(found)


def applied(
    live: Json, configuration: Json, owners: Owners, manager: Manager, versions: Versions, now: str, *, force: bool
) -> tuple[Json, Owners]:
    """The live object with what is applied, without what the manager applied before, does no longer and nobody else
    owns. Raises ConflictsError. Shares nothing with its arguments."""
    shape = versions.own
    new = merged(live, configuration, shape)
    last = owners.get(manager)
    fields = set_of(configuration, shape).without(versions.ignored)
    with_own = {**owners, manager: Owned(fields, versions.request, last.time if last else "")}
    if last is not None and (last.version != versions.request or last.fields - fields):
        new = _pruned(new, with_own, last, versions)
    new = copy.deepcopy(new)
    found, _ = _settled(live, new, with_own, manager, versions, force=force)
    own = found.pop(manager, None)
    if own is not None and (fields := own.fields - STRIPPED):
        touched = new != live or last is None or last.fields != fields or last.version != own.version
        found[manager] = Owned(fields, own.version, now if touched else own.time)
    return new, found


def first_owners(live: Json, name: str, versions: Versions, now: str) -> Owners:
    """Who owns what of an object that nobody has tracked: one manager, all of it."""
    return updated({}, live, {}, Manager.who_updates(name, versions.request), versions, now)


def unchanged_since(configuration: Json, live: Json, shape: Shape) -> Fields:
    """The fields of `configuration` that `live` has with the same values."""
    changed = compare(configuration, live, shape)
    return set_of(configuration, shape) - changed.modified - changed.added - changed.removed


def _settled(
    old: Json, new: Json, owners: Owners, manager: Manager | None, versions: Versions, *, force: bool
) -> tuple[dict[Manager, Owned], Difference]:
    """The owners without what `manager` takes from them, or the conflicts; and what changed in the request's version.
    Entries of versions that are no longer served go."""
    own = compare(old, new, versions.own).without(versions.ignored)
    by_version: dict[str, Difference] = {versions.request: own}
    found: dict[Manager, Owned] = {}
    conflicts: list[Conflict] = []
    for each, owned in owners.items():
        if each == manager:
            found[each] = owned
            continue
        changed = by_version.get(owned.version)
        if changed is None:
            shape = versions.shape(owned.version)
            if shape is None:
                continue
            before, after = (versions.convert(obj, versions.request, owned.version) for obj in (old, new))
            changed = by_version[owned.version] = compare(before, after, shape).without(versions.ignored)
        taken = owned.fields & (changed.modified | changed.added)
        conflicts += [Conflict(each, path) for path in taken]
        if left := owned.fields - taken - changed.removed:
            found[each] = replace(owned, fields=left)
    if conflicts and not force:
        raise ConflictsError(sorted(conflicts, key=lambda each: str(each.manager)))
    return found, own


def _pruned(new: Any, owners: Owners, last: Owned, versions: Versions) -> Any:
    """Without the fields that the manager applied last time and that nobody owns now."""
    version = last.version
    shape = versions.shape(version)
    if shape is None:
        return new
    converted = versions.convert(new, versions.request, version)
    pruned = taken_away(converted, last.fields.with_structs(shape), shape) or {}
    by_version: dict[str, Fields] = {}
    for owned in owners.values():
        by_version[owned.version] = by_version.get(owned.version, NONE) | owned.fields
    # Its own version first: what another version needs in order to be converted is back by then.
    for other in sorted(by_version, key=lambda each: (each != version, each)):
        pruned = _with_owned(converted, pruned, by_version[other], other, version, versions)
    before, after = (set_of(obj, shape).with_structs(shape) for obj in (converted, pruned))
    gone = (before - after) & last.fields.with_structs(shape)
    return versions.convert(taken_away(converted, gone, shape) or {}, version, versions.request)


def _with_owned(full: Json, pruned: Json, owned: Fields, other: str, version: str, versions: Versions) -> Json:
    """What was taken away and is owned in the version `other` comes back; `full` and `pruned` are of `version`."""
    shape = versions.shape(other)
    if shape is None:
        return pruned
    if other != version:
        full, pruned = (versions.convert(obj, version, other) for obj in (full, pruned))
    everything, left = (set_of(obj, shape).with_structs(shape) for obj in (full, pruned))
    kept: Json = taken_away(full, everything - (left | owned.with_structs(shape)), shape) or {}
    return kept if other == version else versions.convert(kept, other, version)
