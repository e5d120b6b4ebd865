"""What goes through to a pod's node: log, exec, attach, port-forward."""

from typing import Any
from urllib.parse import quote

from fairlead.api.status import bad_request
from fairlead.apiserver import websockets
from fairlead.apiserver.admission.webhooks import CONNECT, asked
from fairlead.apiserver.call import Call
from fairlead.http.server import Response, Stream, Upgrade

Json = dict[str, Any]

STREAMS = ("stdin", "stdout", "stderr", "tty")
DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"


async def log(call: Call) -> Response | Stream | Upgrade:
    pod = _pod(call)
    container = _container(call, pod)
    node = pod["spec"].get("nodeName")
    if not node:
        return Response(200, b"", "text/plain")
    path = _path("containerLogs", call, container)
    answer = await call.api.kubelets.stream(node, path, _query(call), call.request)
    return websockets.log(call.request, answer) if websockets.is_asked(call.request) else answer


async def execute(call: Call) -> Upgrade:
    return await _upgrade(call, "exec")


async def attach(call: Call) -> Upgrade:
    return await _upgrade(call, "attach")


async def port_forward(call: Call) -> Upgrade:
    pod = _pod(call)
    await _ask(call, "PodPortForwardOptions")
    return await call.api.kubelets.upgrade(_node(pod), _path("portForward", call), _query(call), call.request)


async def _upgrade(call: Call, what: str) -> Upgrade:
    pod = _pod(call)
    container = _container(call, pod)
    await _ask(call, "PodExecOptions" if what == "exec" else "PodAttachOptions")
    query = [(_AGENT_WORDS.get(name, name), _AGENT_VALUES.get(value, value)) for name, value in _query(call)]
    return await call.api.kubelets.upgrade(_node(pod), _path(what, call, container), query, call.request)


async def _ask(call: Call, kind: str) -> None:
    """Webhooks see the query as an object: the container, the command, the streams. Raises ApiError."""
    query = call.request.query
    options: Json = {"kind": kind, "apiVersion": "v1"}
    options |= {name: values == ["true"] for name in STREAMS if (values := query.get(name))}
    options |= {name: values[0] for name in ("container",) if (values := query.get(name))}
    options |= {name: values for name in ("command",) if (values := query.get(name))}
    options |= {name: [*map(int, values)] for name in ("ports",) if (values := query.get(name))}
    await asked(call, CONNECT, options, ("", "v1", kind))


# The agent's own words for the streams that are wanted, as the kubelet has them.
_AGENT_WORDS = {"stdin": "input", "stdout": "output", "stderr": "error"}
_AGENT_VALUES = {"true": "1", "false": "0"}


def _pod(call: Call) -> Json:
    return call.api.registry.get(call.resource, call.namespace, call.name).decode()


def _node(pod: Json) -> str:
    node: str = pod["spec"].get("nodeName", "")
    if not node:
        raise bad_request(f"pod {pod['metadata']['name']} does not have a host assigned")
    return node


def _container(call: Call, pod: Json) -> str:
    """The one named; else the one annotated; else the only one. Raises ApiError (400)."""
    spec = pod["spec"]
    init = [container["name"] for container in spec.get("initContainers", ())]
    names = [container["name"] for container in spec["containers"]]
    wanted = call.request.parameter("container")
    name = pod["metadata"]["name"]
    if wanted:
        if wanted not in (*names, *init, *(c["name"] for c in spec.get("ephemeralContainers", ()))):
            raise bad_request(f"container {wanted} is not valid for pod {name}")
        return wanted
    annotated = pod["metadata"].get("annotations", {}).get(DEFAULT_CONTAINER)
    if annotated in names:
        return str(annotated)
    if len(names) == 1:
        return str(names[0])
    message = f"a container name must be specified for pod {name}, choose one of: [{' '.join(names)}]"
    if init:
        message += f" or one of the init containers: [{' '.join(init)}]"
    raise bad_request(message)


def _path(what: str, call: Call, *more: str) -> str:
    return "/" + "/".join(quote(part) for part in (what, str(call.namespace), call.name, *more))


def _query(call: Call) -> list[tuple[str, str]]:
    return [(name, value) for name, values in call.request.query.items() if name != "container" for value in values]
