"""`serviceaccounts/…/token`: a TokenRequest (KEP-1205)."""

from typing import Any

import msgspec

from fairlead.api import time as api_time
from fairlead.api.field import invalid
from fairlead.api.resources import PODS
from fairlead.api.status import invalid as invalid_object
from fairlead.api.status import not_found
from fairlead.apiserver import negotiation
from fairlead.apiserver.admission.webhooks import CREATE, asked
from fairlead.apiserver.call import Call
from fairlead.apiserver.tokens import ISSUER, Bound
from fairlead.http.server import Response

Json = dict[str, Any]

SHORTEST, LONGEST, USUAL = 600, 1 << 32, 3600  # seconds


async def create(call: Call) -> Response:
    request = negotiation.decode(call.request, call.resource, call.warnings, "TokenRequest", "authentication.k8s.io/v1")
    request = await asked(call, CREATE, request, ("authentication.k8s.io", "v1", "TokenRequest"))
    account = call.api.registry.get(call.resource, call.namespace, call.name).decode()
    spec: Json = request.get("spec") or {}
    seconds = spec.get("expirationSeconds") or USUAL
    if not SHORTEST <= seconds <= LONGEST:
        limit = "may not specify a duration less than 10 minutes"
        if seconds > LONGEST:
            limit = "may not specify a duration larger than 2^32 seconds"
        raise invalid_object(call.resource, call.name, [invalid("spec.expirationSeconds", seconds, limit)])
    bound = None
    if reference := spec.get("boundObjectRef"):
        entry = call.api.registry.find(PODS, call.namespace, reference.get("name", ""))
        if reference.get("kind") != "Pod" or entry is None:
            raise not_found(PODS, reference.get("name", ""))
        bound = Bound("Pod", reference["name"], entry.decode()["metadata"]["uid"])
    audiences = spec.get("audiences") or [ISSUER]
    assert call.namespace is not None
    token, expires = call.api.tokens.issue(
        call.namespace,
        call.name,
        account["metadata"]["uid"],
        audiences=audiences,
        seconds=seconds,
        bound=bound,
    )
    request["metadata"] = {"name": call.name, "namespace": call.namespace}
    request["spec"] = {**spec, "audiences": audiences, "expirationSeconds": seconds}
    request["status"] = {"token": token, "expirationTimestamp": api_time.render(expires)}
    return Response(201, msgspec.json.encode(request))
