"""`nodes/…/proxy/…`: any request to a node's agent."""

from fairlead.apiserver.call import Call
from fairlead.http.server import Response, Stream


async def proxy(call: Call) -> Response | Stream:
    query = [(name, value) for name, values in call.request.query.items() for value in values]
    return await call.api.kubelets.stream(call.name, f"/{call.route.rest}", query, call.request)
