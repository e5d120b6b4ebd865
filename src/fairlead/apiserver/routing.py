"""What a request asks for: its path and method as verb, resource, namespace, name and subresource."""

from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote

from fairlead.api.resources import BY_PATH, Resource
from fairlead.http.server import Request

_BY_METHOD = {"POST": "create", "PUT": "update", "PATCH": "patch"}


@dataclass(frozen=True, slots=True)
class Route:
    """`rest` is what follows the subresource in the path (for proxies)."""

    verb: str
    resource: Resource
    namespace: str | None
    name: str | None
    subresource: str
    rest: str = ""


def route(request: Request) -> Route | None:
    """None where no resource lives at the path: discovery, health, metrics, or nothing at all."""
    return _route(request.method, request.raw_path, request.flag("watch"))


@lru_cache(maxsize=1024)
def _route(method: str, path: str, watch: bool) -> Route | None:
    parts = [unquote(part) for part in path.split("/")[1:]]
    match parts:
        case ["api", version, *tail]:
            group = ""
        case ["apis", group, version, *tail]:
            pass
        case _:
            return None
    watched = bool(tail) and tail[0] == "watch"
    if watched:
        tail = tail[1:]
    namespace: str | None = None
    if len(tail) >= 3 and tail[0] == "namespaces" and (group, version, tail[2]) in BY_PATH:
        namespace, tail = tail[1], tail[2:]
    if not tail or (resource := BY_PATH.get((group, version, tail[0]))) is None:
        return None
    if namespace is not None and not resource.namespaced:
        return None
    name = tail[1] if len(tail) > 1 and tail[1] else None
    subresource = tail[2] if len(tail) > 2 else ""
    if subresource and subresource not in resource.subresources:
        return None
    verb = _verb(method, name, watch, watched)
    if name is not None and resource.namespaced and namespace is None:
        return None
    return Route(verb, resource, namespace, name, subresource, "/".join(tail[3:]))


def _verb(method: str, name: str | None, watch: bool, watched: bool) -> str:
    match method:
        case "GET" | "HEAD":
            if watched or (name is None and watch):
                return "watch"
            return "get" if name else "list"
        case "DELETE":
            return "delete" if name else "deletecollection"
        case _:
            return _BY_METHOD.get(method, method.lower())
