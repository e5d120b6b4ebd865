"""Subresources: one file each. The table below is all that are served."""

from collections.abc import Awaitable, Callable

from fairlead.apiserver.call import Call
from fairlead.apiserver.subresources import binding, eviction, finalize, pod_streams, proxy, scale, status, token
from fairlead.http.server import Response, Stream, Upgrade

Verb = Callable[[Call], Awaitable[Response | Stream | Upgrade]]

# (subresource) → {verb: what serves it}
SUBRESOURCES: dict[str, dict[str, Verb]] = {
    "status": {"get": status.get, "update": status.update, "patch": status.patch},
    "scale": {"get": scale.get, "update": scale.update, "patch": scale.patch},
    "binding": {"create": binding.create},
    "eviction": {"create": eviction.create},
    "finalize": {"update": finalize.update},
    "token": {"create": token.create},
    "log": {"get": pod_streams.log},
    "exec": {"get": pod_streams.execute, "create": pod_streams.execute},
    "attach": {"get": pod_streams.attach, "create": pod_streams.attach},
    "portforward": {"get": pod_streams.port_forward, "create": pod_streams.port_forward},
    "proxy": dict.fromkeys(("get", "create", "update", "patch", "delete", "options"), proxy.proxy),
}
