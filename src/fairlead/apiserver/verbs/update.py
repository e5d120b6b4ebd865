"""PUT of a whole object, and what every change of one goes through."""

import copy
from collections.abc import Callable
from typing import Any

from fairlead.api.status import bad_request, conflict, internal, invalid
from fairlead.apiserver import negotiation
from fairlead.apiserver.admission import admit_update
from fairlead.apiserver.admission.webhooks import UPDATE, Asking, subject_of
from fairlead.apiserver.admission.webhooks.review import Subject
from fairlead.apiserver.allocation import Claim
from fairlead.apiserver.answers import of_entry, of_object
from fairlead.apiserver.call import Call
from fairlead.apiserver.deletion import is_finished
from fairlead.apiserver.entry import Entry
from fairlead.apiserver.ownership.tracking import keep_times, tracked
from fairlead.apiserver.registry import TRIES
from fairlead.apiserver.validation.metadata import validate_metadata, validate_metadata_update
from fairlead.http.server import Response

Json = dict[str, Any]
Make = Callable[[Json], Json]  # the object as it is → as it shall be


async def update(call: Call) -> Response:
    obj = call.kind.stored(negotiation.decode(call.request, call.resource, call.warnings))
    metadata = obj["metadata"]
    if call.resource.namespaced and metadata.setdefault("namespace", call.namespace) != call.namespace:
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
    if not metadata.get("name"):
        raise bad_request("the name of the object must be specified")
    if metadata["name"] != call.name:
        raise bad_request(
            f"the name of the object ({metadata['name']}) does not match the name on the URL ({call.name})"
        )
    return await change(call, lambda old: tracked(call, obj, old))


async def change(call: Call, make: Make) -> Response:
    """Stores what `make` gives for the object as it is; the subresource `status` changes nothing but that."""
    asking = call.api.webhooks.of(call.resource, call.route.subresource, UPDATE)
    if asking is not None:
        return await _change_asked(call, make, asking)
    claims: list[Claim] = []

    def replace(entry: Entry) -> Json | None:
        old = entry.decode()
        new = prepared(call, make(old), old)
        claims.append(call.api.allocators.claim(call.resource, new, old))
        return None if is_finished(new) else new

    try:
        if call.dry_run:
            old = call.api.registry.get(call.resource, call.namespace, call.name).decode()
            new = prepared(call, make(old), old)
            claims.append(call.api.allocators.claim(call.resource, new, old))
            return of_object(call, new)
        entry, _ = await call.api.registry.change(call.resource, call.namespace, call.name, replace)
    finally:
        for claim in claims:
            claim.release()
    return of_entry(call, entry)


class _OvertakenError(Exception):
    """The object is no longer the one that webhooks have judged."""


async def _change_asked(call: Call, make: Make, asking: Asking) -> Response:
    """As `change`, with webhooks' say in it. They are asked without the object being held; if it is another one by
    then, they are asked again."""
    subject = subject_of(call, UPDATE, dry_run=call.dry_run)
    for _ in range(TRIES):
        entry = call.api.registry.get(call.resource, call.namespace, call.name)
        new = await _judged(call, copy.deepcopy(make(entry.decode())), entry.decode(), asking, subject)
        claim = call.api.allocators.claim(call.resource, new, entry.decode())

        def replace(now: Entry, judged: Entry = entry, new: Json = new) -> Json | None:
            if now.revision != judged.revision:
                raise _OvertakenError
            return None if is_finished(new) else new

        try:
            if call.dry_run:
                return of_object(call, new)
            entry, _gone = await call.api.registry.change(call.resource, call.namespace, call.name, replace)
        except _OvertakenError:
            continue
        finally:
            claim.release()
        return of_entry(call, entry)
    raise conflict(call.resource, call.name)


async def _judged(call: Call, new: Json, old: Json, asking: Asking, subject: Subject) -> Json:
    """`prepared`, around the mutating webhooks and before the validating ones."""
    _prepare(call, new, old)
    entries = new["metadata"].get("managedFields")
    if asking.mutating:
        changed = await asking.mutate(call, subject, new, old)
        assert changed is not None
        if changed is not new:
            new = changed
            _keep_entries(new["metadata"], entries)
            if new["metadata"].get("name") != call.name:
                raise internal("a webhook may not change the name of an object")
            _prepare(call, new, old)
    _settle(call, new, old)
    await asking.validate(call, subject, new, old)
    return new


def _keep_entries(metadata: Json, entries: list[Json] | None) -> None:
    """Who manages what is no webhook's word."""
    metadata.pop("managedFields", None)
    if entries:
        metadata["managedFields"] = entries


def prepared(call: Call, new: Json, old: Json) -> Json:
    """The new object with what may not change carried over, defaulted and validated. Raises ApiError (409, 422)."""
    _prepare(call, new, old)
    _settle(call, new, old)
    return new


def _prepare(call: Call, new: Json, old: Json) -> None:
    check_identity(call, new["metadata"], old["metadata"])
    kind = call.kind
    kind.default(new)
    carry_metadata(new["metadata"], old["metadata"])
    if call.route.subresource == "status":
        kind.prepare_status_update(new, old)
    else:
        kind.prepare_update(new, old)
        admit_update(call, new, old)


def _settle(call: Call, new: Json, old: Json) -> None:
    kind = call.kind
    if call.route.subresource == "status":
        errors = [*validate_metadata_update(new, old), *kind.validate_status_update(new, old)]
    else:
        call.api.allocators.settle(call.resource, new, old)
        errors = [
            *validate_metadata_update(new, old),
            *validate_metadata(new, call.resource),
            *kind.validate(new),
            *kind.validate_update(new, old),
        ]
    if errors:
        raise invalid(call.resource, call.name, kind.told(errors))
    keep_times(new, old)


def check_identity(call: Call, new: Json, old: Json) -> None:
    """Optimistic locking, where the client asks for it. Raises ApiError (409)."""
    version = new.get("resourceVersion")
    if version and version != old["resourceVersion"]:
        raise conflict(call.resource, call.name)
    if (uid := new.get("uid")) and uid != old["uid"]:
        why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {old['uid']}"
        raise conflict(call.resource, call.name, why)


CARRIED = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation", "generateName")


def carry_metadata(new: Json, old: Json) -> None:
    for field in CARRIED:
        if field in old:
            new[field] = old[field]
        elif field != "generateName":
            new.pop(field, None)
    new.pop("selfLink", None)
    new["resourceVersion"] = old["resourceVersion"]
