"""POST of a new object: admission, defaults, validation, allocation, one write."""

from typing import Any

from fairlead.api.status import ApiError, bad_request, internal, invalid
from fairlead.apiserver import negotiation
from fairlead.apiserver.admission import admit_create
from fairlead.apiserver.admission.webhooks import CREATE, Asking, subject_of
from fairlead.apiserver.answers import of_entry, of_object
from fairlead.apiserver.call import Call
from fairlead.apiserver.entry import Entry
from fairlead.apiserver.registry import generated_name, stamp
from fairlead.apiserver.validation.metadata import validate_metadata
from fairlead.http.server import Response

Json = dict[str, Any]

NAME_TRIES = 8  # a generated name that is taken is replaced this often (KEP-4420)


async def create(call: Call) -> Response:
    obj = call.kind.stored(negotiation.decode(call.request, call.resource, call.warnings))
    entry = await create_object(call, obj)
    return of_object(call, entry, 201) if isinstance(entry, dict) else of_entry(call, entry, 201)


async def create_object(call: Call, obj: Json, managed: list[Json] | None = None) -> Entry | Json:
    """The stored entry; for a dry run the object as it would have been. Also the way of an apply of what does not exist
    yet, with who manages it."""
    metadata: Json = obj["metadata"]
    place(call, metadata)
    prefix = metadata.get("generateName", "")
    generates = not metadata.get("name") and bool(prefix)
    for attempt in range(NAME_TRIES):
        if generates:
            metadata["name"] = generated_name(prefix)
        try:
            return await _create(call, obj, managed)
        except ApiError as error:
            if not (generates and error.is_already_exists) or attempt == NAME_TRIES - 1:
                raise
    raise AssertionError


def place(call: Call, metadata: Json) -> None:
    """The namespace of the path is the object's. Raises ApiError (400) where it names another."""
    if not call.resource.namespaced:
        metadata.pop("namespace", None)
        return
    if call.namespace is None:
        raise bad_request("namespace is required: this resource is created within one")
    if metadata.setdefault("namespace", call.namespace) != call.namespace:
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")


async def _create(call: Call, obj: Json, managed: list[Json] | None) -> Entry | Json:
    kind = call.kind
    kind.default(obj)
    if obj["metadata"].get("resourceVersion"):
        raise ApiError(500, "", "resourceVersion should not be set on objects to be created")
    stamp(obj["metadata"])
    if managed:
        obj["metadata"]["managedFields"] = managed
    admit_create(call, obj)
    asking = call.api.webhooks.of(call.resource, "", CREATE)
    if asking is not None and asking.mutating:
        obj = await _mutated(call, asking, obj)
    kind.prepare_create(obj)
    call.api.allocators.settle(call.resource, obj, None)
    errors = kind.told([*validate_metadata(obj, call.resource), *kind.validate(obj), *kind.validate_create(obj)])
    name = obj["metadata"].get("name", "")
    if errors:
        raise invalid(call.resource, name, errors)
    if asking is not None:
        subject = subject_of(call, CREATE, name=name, dry_run=call.dry_run)
        await asking.validate(call, subject, obj, None)
    allocators = call.api.allocators
    claim = allocators.claim(call.resource, obj, None)
    try:
        if call.dry_run:
            return obj
        return await call.api.registry.create(call.resource, obj)
    finally:
        claim.release()


async def _mutated(call: Call, asking: Asking, obj: Json) -> Json:
    """What webhooks have changed gets defaults and our own admission again; who it is remains the server's word."""
    was = obj["metadata"]
    subject = subject_of(call, CREATE, name=was.get("name", ""), dry_run=call.dry_run)
    new = await asking.mutate(call, subject, obj, None)
    assert new is not None
    if new is obj:
        return obj
    new["metadata"].pop("managedFields", None)
    new["metadata"] |= {field: was[field] for field in ("uid", "creationTimestamp", "managedFields") if field in was}
    if was.get("namespace") != new["metadata"].get("namespace") or was.get("name") != new["metadata"].get("name"):
        raise internal("a webhook may not change the name or the namespace of an object")
    call.kind.default(new)
    admit_create(call, new)
    return new
