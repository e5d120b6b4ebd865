"""DELETE of one object, and of a collection."""

import time
from typing import Any

from fairlead.api.resources import JOBS, REPLICATION_CONTROLLERS, of_group
from fairlead.api.status import ApiError, bad_request, conflict
from fairlead.apiserver import negotiation
from fairlead.apiserver.admission import admit_delete
from fairlead.apiserver.admission.webhooks import DELETE, subject_of
from fairlead.apiserver.answers import of_entry, of_object, success
from fairlead.apiserver.call import Call
from fairlead.apiserver.deletion import Options, plan
from fairlead.apiserver.entry import Entry
from fairlead.apiserver.options import check_propagation, is_dry_run
from fairlead.apiserver.verbs.list import page
from fairlead.http.server import Response

Json = dict[str, Any]

# Kinds from before there was a garbage collector: what is theirs stays, where nobody says otherwise
# (DefaultGarbageCollectionPolicy of their strategies).
LEAVING = (REPLICATION_CONTROLLERS, JOBS)


async def delete(call: Call) -> Response:
    options, dry = options_of(call)
    admit_delete(call)
    entry = call.api.registry.get(call.resource, call.namespace, call.name)
    await _ask(call, entry, options, dry or call.dry_run)
    if dry or call.dry_run:
        _check(call, entry.decode()["metadata"], options, call.name)
        marked = plan(call.resource, entry.decode(), options, time.time())
        return success(call, entry.decode()["metadata"]["uid"]) if marked is None else of_object(call, marked)
    entry, gone = await remove(call, call.namespace, call.name, options)
    if gone and call.resource.plural != "pods":
        return success(call, entry.decode()["metadata"]["uid"])
    return of_entry(call, entry)


async def delete_collection(call: Call) -> Response:
    """Each one that matches; what is gone by then is no error."""
    options, dry = options_of(call)
    entries, _, _, _ = page(call)
    dry = dry or call.dry_run
    asked = call.api.webhooks.of(call.resource, "", DELETE) is not None
    if asked or not dry:
        for entry in entries:
            try:
                await _ask(call, entry, options, dry)
                if not dry:
                    await remove(call, entry.namespace, entry.name, options)
            except ApiError as error:
                if not error.is_not_found:
                    raise
    items = [call.kind.served(entry.decode()) for entry in entries]
    answer = {
        "kind": f"{call.resource.kind}List",
        "apiVersion": call.resource.group_version,
        "metadata": {"resourceVersion": str(call.api.registry.cache.revision)},
        "items": items,
    }
    return Response(200, negotiation.render(answer, call.form), call.form.media)


async def _ask(call: Call, entry: Entry, options: Options, dry: bool) -> None:
    """What webhooks say of a deletion: they see what goes, and can change nothing. Raises ApiError."""
    asking = call.api.webhooks.of(call.resource, "", DELETE)
    if asking is None:
        return
    told = {"gracePeriodSeconds": options.grace, "propagationPolicy": options.propagation}
    told = {key: value for key, value in told.items() if value is not None}
    subject = subject_of(call, DELETE, name=entry.name, dry_run=dry, options=told)
    old = entry.decode()
    await asking.mutate(call, subject, None, old)
    await asking.validate(call, subject, None, old)


async def remove(call: Call, namespace: str | None, name: str, options: Options) -> tuple[Entry, bool]:
    """Deletes or marks one. Returns it and whether it is gone."""

    def change(entry: Entry) -> Json | None:
        obj = entry.decode()
        _check(call, obj["metadata"], options, name)
        return plan(call.resource, obj, options, time.time())

    return await call.api.registry.change(call.resource, namespace, name, change)


def options_of(call: Call) -> tuple[Options, bool]:
    """From the body, else from the query, and whether the body asks for a dry run. Raises ApiError (400, 422)."""
    given: Json = {}
    if negotiation.body_of(call.request):
        given = negotiation.decode(call.request, call.resource, [], "DeleteOptions", _options_version(call))
    grace: Any = given.get("gracePeriodSeconds", call.request.parameter("gracePeriodSeconds"))
    propagation = given.get("propagationPolicy") or call.request.parameter("propagationPolicy")
    orphan = given.get("orphanDependents")
    if orphan is None and (text := call.request.parameter("orphanDependents")):
        orphan = text.lower() == "true"
    check_propagation(propagation, orphan)
    if orphan is not None:
        propagation = "Orphan" if orphan else "Background"
    elif not propagation and call.resource in LEAVING:
        propagation = "Orphan"
    try:
        grace = None if grace is None else int(grace)
    except ValueError:
        raise bad_request(f'gracePeriodSeconds: Invalid value: "{grace}": must be an integer') from None
    preconditions = given.get("preconditions") or {}
    options = Options(grace, propagation, preconditions.get("uid"), preconditions.get("resourceVersion"))
    return options, is_dry_run(given.get("dryRun") or [])


def _options_version(call: Call) -> str:
    """Clients send DeleteOptions as of the resource's own group (client-go), of `v1` or of `meta.k8s.io/v1`."""
    named = {each.group_version for each in of_group(call.resource.group)} | {"meta.k8s.io/v1"}
    return max((each for each in named if each.encode() in call.request.body), key=len, default="v1")


def _check(call: Call, metadata: Json, options: Options, name: str) -> None:
    if options.uid and options.uid != metadata["uid"]:
        why = f"Precondition failed: UID in precondition: {options.uid}, UID in object meta: {metadata['uid']}"
        raise conflict(call.resource, name, why)
    if options.revision and options.revision != metadata["resourceVersion"]:
        why = (
            f"Precondition failed: ResourceVersion in precondition: {options.revision}, "
            f"ResourceVersion in object meta: {metadata['resourceVersion']}"
        )
        raise conflict(call.resource, name, why)
