"""A DaemonSet's history: a ControllerRevision of each template that it had. Pure.

Source: pkg/controller/daemon/update.go (constructHistory, snapshot, cleanupHistory).
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

import msgspec

from fairlead.api.types.apps import ControllerRevision, DaemonSet
from fairlead.controllers.owning import owner_reference

Json = dict[str, Any]

HASH = "controller-revision-hash"


@dataclass(frozen=True, slots=True)
class History:
    """What to do: a revision to make, (one, its number) to be told that it is the newest again, those to forget."""

    create: Json | None
    renumber: tuple[ControllerRevision, int] | None
    delete: tuple[ControllerRevision, ...]


def data_of(daemon: DaemonSet) -> Json:
    """The patch that leads back to the template. Clients compare its text, so its keys are sorted, as Go sorts them."""
    patch = {"spec": {"template": {**daemon.spec.template, "$patch": "replace"}}}
    found: Json = msgspec.json.decode(msgspec.json.encode(patch, order="sorted"))
    return found


def plan(daemon: DaemonSet, digest: str, revisions: Iterable[ControllerRevision], in_use: Collection[str]) -> History:
    """`digest`: of the present template; `in_use`: the digests that pods have as a label, which are kept."""
    data = data_of(daemon)
    ordered = sorted(revisions, key=lambda each: each.revision)
    present = [each for each in ordered if each.data == data]
    old = [each for each in ordered if each.data != data]
    newest = max((each.revision for each in old), default=0) + 1
    limit = 10 if daemon.spec.revision_history_limit is None else daemon.spec.revision_history_limit
    idle = [each for each in old if each.metadata.labels.get(HASH) not in in_use]
    delete = (*present[:-1], *idle[: max(0, len(old) - limit)])
    if not present:
        return History(_snapshot(daemon, digest, data, newest), None, delete)
    stale = present[-1].revision < newest
    return History(None, (present[-1], newest) if stale else None, delete)


def _snapshot(daemon: DaemonSet, digest: str, data: Json, number: int) -> Json:
    metadata = daemon.metadata
    labels = (daemon.spec.template.get("metadata") or {}).get("labels") or {}
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {
            "name": f"{metadata.name}-{digest}",
            "namespace": metadata.namespace,
            "labels": {**labels, HASH: digest},
            "annotations": metadata.annotations,
            "ownerReferences": [owner_reference(daemon, "DaemonSet")],
        },
        "data": data,
        "revision": number,
    }
