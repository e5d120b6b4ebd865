"""Objects as answers: in the form that was asked for."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from fairlead.apiserver import negotiation
from fairlead.apiserver.call import Call
from fairlead.apiserver.entry import Entry
from fairlead.apiserver.kinds import KINDS
from fairlead.apiserver.tables import table
from fairlead.http.server import Response

Json = dict[str, Any]


def of_entry(call: Call, entry: Entry, status: int = 200) -> Response:
    """One stored object."""
    if call.form.shape == "object" and call.form.media == negotiation.JSON and call.resource.storage is None:
        return Response(status, entry.body)
    return of_object(call, entry.decode(), status)


def of_object(call: Call, obj: Json, status: int = 200) -> Response:
    """Any object of the call's resource, in its stored form."""
    match call.form.shape:
        case "object":
            obj = call.kind.served(obj)
        case "table":
            obj = as_table(call, [obj], {"resourceVersion": obj["metadata"].get("resourceVersion", "")})
        case "partial":
            obj = partial(obj, call.form.version)
    return Response(status, negotiation.render(obj, call.form), call.form.media)


def as_table(call: Call, items: Sequence[Json], metadata: Json) -> Json:
    include = call.request.parameter("includeObject") or "Metadata"
    return table(KINDS[call.resource], items, time.time(), include, metadata, call.form.version)


def partial(obj: Mapping[str, Any], version: str) -> Json:
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": f"meta.k8s.io/{version}",
        "metadata": obj["metadata"],
    }


def success(call: Call, uid: str) -> Response:
    """What a deletion answers that is done."""
    details: Json = {"name": call.name}
    if call.resource.group:
        details["group"] = call.resource.group
    details |= {"kind": call.resource.plural, "uid": uid}
    status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}
    return Response(200, negotiation.render(status, call.form), call.form.media)
