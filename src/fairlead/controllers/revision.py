"""A Deployment's revisions: which ReplicaSet has which template, what it is called and what it is told. Pure.

Source: pkg/controller/deployment (sync.go, util/deployment_util.go).
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from fairlead.api.types.apps import Deployment, ReplicaSet
from fairlead.controllers.owning import owner_reference

Json = dict[str, Any]

HASH = "pod-template-hash"
REVISION, HISTORY = "deployment.kubernetes.io/revision", "deployment.kubernetes.io/revision-history"
DESIRED, MOST = "deployment.kubernetes.io/desired-replicas", "deployment.kubernetes.io/max-replicas"
NOT_COPIED = frozenset(
    {
        "kubectl.kubernetes.io/last-applied-configuration",
        "deprecated.deployment.rollback.to",
        REVISION,
        HISTORY,
        DESIRED,
        MOST,
    }
)
SAFE = "bcdfghjklmnpqrstvwxz2456789"


def template_hash(template: Json, collisions: int | None) -> str:
    """A name for a template: the same for the same, without letters that make words."""
    digest = hashlib.sha256(msgspec.json.encode(template, order="sorted") + str(collisions or "").encode()).digest()
    return "".join(SAFE[byte % len(SAFE)] for byte in digest[:10])


def same_template(one: Json, other: Json) -> bool:
    """Apart from the hash that a ReplicaSet's has as a label."""
    return _bare(one) == _bare(other)


def _bare(template: Json) -> Json:
    metadata = dict(template.get("metadata") or {})
    metadata["labels"] = {name: value for name, value in (metadata.get("labels") or {}).items() if name != HASH}
    return {**template, "metadata": {name: value for name, value in metadata.items() if value}}


def number(each: ReplicaSet) -> int:
    text = each.metadata.annotations.get(REVISION, "0")
    return int(text) if text.isdigit() else 0


def newest(sets: Iterable[ReplicaSet]) -> int:
    return max((number(each) for each in sets), default=0)


def age(each: ReplicaSet) -> tuple[str, str]:
    return each.metadata.creation_timestamp or "", each.metadata.name


def split(deployment: Deployment, sets: Iterable[ReplicaSet]) -> tuple[ReplicaSet | None, list[ReplicaSet]]:
    """The ReplicaSet of the present template (the oldest, were there two), and all others, oldest first."""
    ordered = sorted(sets, key=age)
    new = next((each for each in ordered if same_template(each.spec.template, deployment.spec.template)), None)
    return new, [each for each in ordered if each is not new]


def new_set(deployment: Deployment, old: Sequence[ReplicaSet], replicas: int, sizes: dict[str, str]) -> Json:
    """The ReplicaSet of the present template. Its name follows from the template: making it twice is refused."""
    metadata = deployment.metadata
    digest = template_hash(deployment.spec.template, deployment.status.collision_count)
    template = dict(deployment.spec.template)
    template["metadata"] = dict(template.get("metadata") or {})
    template["metadata"]["labels"] = {**(template["metadata"].get("labels") or {}), HASH: digest}
    selector = msgspec.to_builtins(deployment.spec.selector)
    selector["matchLabels"] = {**selector.get("matchLabels", {}), HASH: digest}
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"{metadata.name}-{digest}",
            "namespace": metadata.namespace,
            "labels": template["metadata"]["labels"],
            "annotations": {**_copied(deployment), REVISION: str(newest(old) + 1), **sizes},
            "ownerReferences": [owner_reference(deployment, "Deployment")],
        },
        "spec": {
            "replicas": replicas,
            "minReadySeconds": deployment.spec.min_ready_seconds,
            "selector": selector,
            "template": template,
        },
    }


def amend(deployment: Deployment, new: ReplicaSet, old: Iterable[ReplicaSet]) -> Json:
    """The merge patch that a ReplicaSet needs to be the newest revision: after a rollback, an old one. Often {}."""
    told = new.metadata.annotations
    wanted = dict(_copied(deployment))
    if (revision := newest(old) + 1) > number(new):
        wanted[REVISION] = str(revision)
        if REVISION in told:
            wanted[HISTORY] = ",".join(filter(None, (told.get(HISTORY, ""), told[REVISION])))
    changed = {name: value for name, value in wanted.items() if told.get(name) != value}
    body: Json = {"metadata": {"annotations": changed}} if changed else {}
    if new.spec.min_ready_seconds != deployment.spec.min_ready_seconds:
        body["spec"] = {"minReadySeconds": deployment.spec.min_ready_seconds}
    return body


def _copied(deployment: Deployment) -> dict[str, str]:
    return {name: value for name, value in deployment.metadata.annotations.items() if name not in NOT_COPIED}


def outlived(deployment: Deployment, old: Iterable[ReplicaSet]) -> list[ReplicaSet]:
    """Beyond revisionHistoryLimit, oldest revisions first; one that still has pods is left alone."""
    limit = deployment.spec.revision_history_limit
    if limit is None:
        return []
    alive = sorted((each for each in old if each.metadata.deletion_timestamp is None), key=number)
    return [
        each
        for each in alive[: max(0, len(alive) - limit)]
        if not each.spec.replicas
        and not each.status.replicas
        and each.metadata.generation <= each.status.observed_generation
    ]
