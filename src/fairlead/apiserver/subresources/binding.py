"""`pods/…/binding`: the scheduler's word on which node a pod runs."""

import time
from typing import Any

import msgspec

from fairlead.api import time as api_time
from fairlead.api.status import bad_request, conflict
from fairlead.apiserver import negotiation
from fairlead.apiserver.admission.webhooks import CREATE, asked
from fairlead.apiserver.call import Call
from fairlead.apiserver.entry import Entry
from fairlead.http.server import Response

Json = dict[str, Any]

SUCCESS = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}


async def create(call: Call) -> Response:
    """Raises ApiError (409) where the pod is bound or going already."""
    binding = negotiation.decode(call.request, call.resource, call.warnings, "Binding", "v1")
    target: Json = binding.get("target") or {}
    if target.get("kind", "Node") not in ("Node", "") or not target.get("name"):
        raise bad_request("target: a binding names a Node")

    def bind(entry: Entry) -> Json:
        pod = entry.decode()
        uid = binding["metadata"].get("uid")
        if uid and uid != pod["metadata"]["uid"]:
            why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {pod['metadata']['uid']}"
            raise conflict(call.resource, call.name, why)
        if pod["metadata"].get("deletionTimestamp"):
            raise conflict(call.resource, call.name, f"pod {call.name} is being deleted, cannot be assigned to a host")
        if node := pod["spec"].get("nodeName"):
            raise conflict(
                call.resource, call.name, f"pod {call.name} is already assigned to node {node!r}".replace("'", '"')
            )
        pod["spec"]["nodeName"] = target["name"]
        now = api_time.render(time.time())
        scheduled = {"type": "PodScheduled", "status": "True", "lastProbeTime": None, "lastTransitionTime": now}
        status = pod.setdefault("status", {})
        others = [c for c in status.get("conditions", ()) if c["type"] != "PodScheduled"]
        status["conditions"] = [*others, scheduled]
        return pod

    await asked(call, CREATE, binding, ("", "v1", "Binding"))
    if not call.dry_run:
        await call.api.registry.change(call.resource, call.namespace, call.name, bind)
    return Response(201, msgspec.json.encode(SUCCESS))
