"""`pods/…/eviction`: a deletion that asks first. PodDisruptionBudget is not served, so nothing ever objects."""

import msgspec

from fairlead.apiserver import negotiation
from fairlead.apiserver.admission.webhooks import CREATE, asked
from fairlead.apiserver.call import Call
from fairlead.apiserver.deletion import Options
from fairlead.apiserver.verbs.delete import remove
from fairlead.http.server import Response


async def create(call: Call) -> Response:
    eviction = negotiation.decode(call.request, call.resource, call.warnings, "Eviction", "policy/v1")
    given = eviction.get("deleteOptions") or {}
    preconditions = given.get("preconditions") or {}
    options = Options(
        given.get("gracePeriodSeconds"),
        given.get("propagationPolicy"),
        preconditions.get("uid"),
        preconditions.get("resourceVersion"),
    )
    call.api.registry.get(call.resource, call.namespace, call.name)
    await asked(call, CREATE, eviction, ("policy", "v1", "Eviction"))
    if not call.dry_run:
        await remove(call, call.namespace, call.name, options)
    answer = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}
    return Response(201, msgspec.json.encode(answer))
