"""`…/scale` (autoscaling/v1 Scale): the replicas of whatever has replicas."""

import copy
from typing import Any

import msgspec

from fairlead.api.field import invalid
from fairlead.api.ownership.managers import Manager
from fairlead.api.status import bad_request, conflict
from fairlead.api.status import invalid as invalid_object
from fairlead.apiserver import negotiation, options
from fairlead.apiserver.admission.webhooks import UPDATE, asked
from fairlead.apiserver.call import Call
from fairlead.apiserver.entry import Entry
from fairlead.apiserver.ownership import scaling
from fairlead.apiserver.ownership.applying import apply, check
from fairlead.apiserver.ownership.tracking import now
from fairlead.apiserver.patch import PatchError, json_patch, merge_patch
from fairlead.apiserver.verbs.apply import read
from fairlead.apiserver.verbs.patch import ACCEPTED, APPLY, JSON_PATCH, parse
from fairlead.http.server import Response

Json = dict[str, Any]


def scale_of(obj: Json) -> Json:
    metadata = obj["metadata"]
    status: Json = {"replicas": obj.get("status", {}).get("replicas", 0)}
    given = obj["spec"].get("selector")
    if obj["kind"] == "ReplicationController":
        given = {"matchLabels": given}
    if (selector := _selector(given)) is not None:
        status["selector"] = selector
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    entries = scaling.shown(metadata.get("managedFields"))
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {key: metadata[key] for key in kept if key in metadata} | entries,
        "spec": {"replicas": obj["spec"].get("replicas", 0)},
        "status": status,
    }


async def get(call: Call) -> Response:
    return _answer(call.api.registry.get(call.resource, call.namespace, call.name).decode())


async def update(call: Call) -> Response:
    given = negotiation.decode(call.request, call.resource, call.warnings, "Scale", "autoscaling/v1")
    return await _change(call, lambda _: given)


async def patch(call: Call) -> Response:
    media = call.request.headers.get("content-type", "").partition(";")[0].strip()
    if media not in ACCEPTED:
        raise bad_request(f"a scale cannot be patched with {media}")
    if media == APPLY:
        return await _apply(call)
    given = parse(call, media)

    def patched(scale: Json) -> Json:
        try:
            return json_patch.apply(scale, given) if media == JSON_PATCH else merge_patch.apply(scale, given)
        except PatchError as error:
            raise bad_request(str(error)) from error

    return await _change(call, patched)


async def _apply(call: Call) -> Response:
    force, configuration = options.check_apply(call.request), read(call)
    check(configuration, scaling.VERSIONS, "Scale")
    manager = Manager.who_applies(call.request.parameter("fieldManager") or "", "scale")

    def applied(scale: Json) -> Json:
        return apply(scale, configuration, manager, scaling.VERSIONS, now(), force=force)

    return await _change(call, applied, applies=True)


async def _change(call: Call, make: Any, *, applies: bool = False) -> Response:
    if call.api.webhooks.of(call.resource, "scale", UPDATE) is not None:
        old = scale_of(call.api.registry.get(call.resource, call.namespace, call.name).decode())
        judged = await asked(call, UPDATE, make(copy.deepcopy(old)), ("autoscaling", "v1", "Scale"), old)
        make = lambda _: judged  # noqa: E731  # what was judged is what is written

    def replace(entry: Entry) -> Json:
        obj = entry.decode()
        before = scale_of(obj)
        scale: Json = make(copy.deepcopy(before))
        version = scale.get("metadata", {}).get("resourceVersion")
        if version and version != obj["metadata"]["resourceVersion"]:
            raise conflict(call.resource, call.name)
        replicas = scale.get("spec", {}).get("replicas", 0)
        if not isinstance(replicas, int) or replicas < 0:
            error = invalid("spec.replicas", replicas, "must be greater than or equal to 0")
            raise invalid_object(call.resource, call.name, [error])
        if obj["spec"].get("replicas") != replicas:
            obj["spec"]["replicas"] = replicas
            obj["metadata"]["generation"] = obj["metadata"].get("generation", 0) + 1
        scaling.follow(call, obj, before, scale, applies=applies)
        return obj

    if call.dry_run:
        return _answer(replace(call.api.registry.get(call.resource, call.namespace, call.name)))
    entry, _ = await call.api.registry.change(call.resource, call.namespace, call.name, replace)
    return _answer(entry.decode())


def _answer(obj: Json) -> Response:
    return Response(200, msgspec.json.encode(scale_of(obj)))


def _selector(selector: Json | None) -> str | None:
    """As text: `app=web,tier in (a,b)`."""
    if selector is None:
        return None
    parts = [f"{key}={value}" for key, value in sorted(selector.get("matchLabels", {}).items())]
    for term in selector.get("matchExpressions", ()):
        values = ",".join(term.get("values", ()))
        match term["operator"]:
            case "Exists":
                parts.append(term["key"])
            case "DoesNotExist":
                parts.append(f"!{term['key']}")
            case operator:
                parts.append(f"{term['key']} {operator.lower()} ({values})")
    return ",".join(parts)
