"""PUT of a whole object, and what every change of one goes through."""

from collections.abc import Callable
from typing import Any

from fairlead.api.status import bad_request, conflict, invalid
from fairlead.apiserver import negotiation
from fairlead.apiserver.admission import admit_update
from fairlead.apiserver.allocation import Claim
from fairlead.apiserver.answers import of_entry, of_object
from fairlead.apiserver.call import Call
from fairlead.apiserver.deletion import is_finished
from fairlead.apiserver.entry import Entry
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
    return await change(call, lambda _: obj)


async def change(call: Call, make: Make) -> Response:
    """Stores what `make` gives for the object as it is; the subresource `status` changes nothing but that."""
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


def prepared(call: Call, new: Json, old: Json) -> Json:
    """The new object with what may not change carried over, defaulted and validated. Raises ApiError (409, 422)."""
    check_identity(call, new["metadata"], old["metadata"])
    kind = call.kind
    kind.default(new)
    carry_metadata(new["metadata"], old["metadata"])
    if call.route.subresource == "status":
        kind.prepare_status_update(new, old)
        errors = [*validate_metadata_update(new, old), *kind.validate_status_update(new, old)]
    else:
        kind.prepare_update(new, old)
        admit_update(call, new, old)
        call.api.allocators.settle(call.resource, new, old)
        errors = [
            *validate_metadata_update(new, old),
            *validate_metadata(new, call.resource),
            *kind.validate(new),
            *kind.validate_update(new, old),
        ]
    if errors:
        raise invalid(call.resource, call.name, kind.told(errors))
    return new


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
    new.pop("managedFields", None)
    new.pop("selfLink", None)
    new["resourceVersion"] = old["resourceVersion"]
