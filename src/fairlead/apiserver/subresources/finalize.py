"""`namespaces/…/finalize`: the only way to change a namespace's spec.finalizers; without any, a deleted one goes."""

from typing import Any

from fairlead.apiserver import negotiation
from fairlead.apiserver.answers import of_entry
from fairlead.apiserver.call import Call
from fairlead.apiserver.deletion import is_finished
from fairlead.apiserver.entry import Entry
from fairlead.apiserver.verbs.update import check_identity
from fairlead.http.server import Response

Json = dict[str, Any]


async def update(call: Call) -> Response:
    given = negotiation.decode(call.request, call.resource, call.warnings)

    def replace(entry: Entry) -> Json | None:
        obj = entry.decode()
        check_identity(call, given["metadata"], obj["metadata"])
        finalizers = (given.get("spec") or {}).get("finalizers") or []
        obj["spec"] = {**obj.get("spec", {}), "finalizers": finalizers}
        if not finalizers:
            del obj["spec"]["finalizers"]
        return None if is_finished(obj) else obj

    entry, _ = await call.api.registry.change(call.resource, call.namespace, call.name, replace)
    return of_entry(call, entry)
