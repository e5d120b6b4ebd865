"""GET of one object. Reads are of the watch cache, which is never behind what was answered."""

from fairlead.apiserver.answers import of_entry
from fairlead.apiserver.call import Call
from fairlead.http.server import Response


async def get(call: Call) -> Response:
    return of_entry(call, call.api.registry.get(call.resource, call.namespace, call.name))
