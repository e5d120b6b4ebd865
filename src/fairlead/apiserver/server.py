"""A request's way: who asks, what for, whether they may, and the verb that does it."""

import logging
import time
from collections.abc import Awaitable, Callable, Mapping

import msgspec

from fairlead.api.resources import CREATE_ONLY
from fairlead.api.selectors import SelectorError, parse_fields
from fairlead.api.status import ApiError, internal, method_not_allowed, method_not_supported, path_not_found
from fairlead.apiserver import discovery, health, metrics, negotiation, options, reviews, version
from fairlead.apiserver.authn import authenticate
from fairlead.apiserver.authz import Attributes
from fairlead.apiserver.call import Api, Call
from fairlead.apiserver.health import Check
from fairlead.apiserver.impersonation import act_as
from fairlead.apiserver.routing import Route, route
from fairlead.apiserver.subresources import SUBRESOURCES
from fairlead.apiserver.users import User
from fairlead.apiserver.verbs.create import create
from fairlead.apiserver.verbs.delete import delete, delete_collection
from fairlead.apiserver.verbs.get import get
from fairlead.apiserver.verbs.list import list_
from fairlead.apiserver.verbs.patch import patch
from fairlead.apiserver.verbs.update import update
from fairlead.apiserver.verbs.watch import watch
from fairlead.http.server import Request, Response, Stream, Upgrade

log = logging.getLogger(__name__)

Answer = Response | Stream | Upgrade
VERBS: dict[str, Callable[[Call], Awaitable[Answer]]] = {
    "get": get,
    "list": list_,
    "watch": watch,
    "create": create,
    "update": update,
    "patch": patch,
    "delete": delete,
    "deletecollection": delete_collection,
}
PUBLIC = ("/healthz", "/livez", "/readyz", "/version")


class ApiServer:
    def __init__(self, api: Api, checks: Mapping[str, Check]) -> None:
        self._api = api
        self._checks = checks

    async def handle(self, request: Request) -> Answer:
        try:
            return await self._handle(request)
        except ApiError as error:
            return _failed(error)
        except Exception as error:  # whatever broke, the client gets Kubernetes' form
            log.exception("%s %s failed", request.method, request.target)
            return _failed(internal(f"{type(error).__name__}: {error}"))

    async def _handle(self, request: Request) -> Answer:
        user = act_as(request, authenticate(request, self._api.tokens), self._api.authorizer)
        found = route(request)
        if found is None:
            self._api.authorizer.check(user, Attributes(verb=_path_verb(request), path=request.path))
            return self._path(request)
        self._api.authorizer.check(user, _attributes(found, request))
        began = time.perf_counter()
        labels = metrics.labels_of(found)
        code = 500
        try:
            answer = await self._call(request, found, user)
            code = 101 if isinstance(answer, Upgrade) else answer.status
        except ApiError as error:
            code = error.code
            raise
        finally:
            metrics.requests(labels, code).inc()
            if found.verb != "watch":
                metrics.duration(labels).observe(time.perf_counter() - began)
        return answer

    async def _call(self, request: Request, found: Route, user: User) -> Answer:
        verb = _verb_of(found)
        options.check(found.verb, request)
        if found.subresource in ("log", "exec", "attach", "portforward", "proxy"):
            form = negotiation.Form()
        else:
            form = negotiation.accept(request.headers.get("accept", ""))
        call = Call(request, found, user, form, self._api)
        answer = await verb(call)
        answer.headers += [("Warning", f'299 - "{_quoted(text)}"') for text in call.warnings]
        if found.resource.deprecated:
            answer.headers.append(("Warning", f'299 - "{found.resource.deprecated}"'))
        return answer

    def _path(self, request: Request) -> Answer:
        """What is served beside the resources. Raises ApiError (404)."""
        path = request.path
        if request.method not in ("GET", "HEAD"):
            return _nowhere(path)
        if path.lstrip("/").partition("/")[0] in health.ROOTS and (answer := health.answer(request, self._checks)):
            return answer
        if path == "/version":
            return Response(200, msgspec.json.encode(version.info()))
        if path == "/metrics":
            return Response(200, metrics.render(), "text/plain; version=0.0.4; charset=utf-8")
        if path.startswith("/openapi/") and (answer := _openapi(request)):
            return answer
        if path == "/":
            paths = ["/api", "/api/v1", "/apis", "/healthz", "/livez", "/metrics", "/openapi/v2", "/readyz", "/version"]
            return Response(200, msgspec.json.encode({"paths": paths}))
        return discovery.answer(request) or _nowhere(path)


def _nowhere(path: str) -> Response:
    """Beneath a group and version that is served Kubernetes answers with a Status, elsewhere in plain text."""
    if discovery.is_beneath_a_version(path):
        raise path_not_found()
    return Response(404, b"404 page not found\n", "text/plain; charset=utf-8")


def _openapi(request: Request) -> Response | None:
    from fairlead.apiserver.openapi import answer  # 100 ms that only kubectl's first request needs

    return answer(request)


def _verb_of(found: Route) -> Callable[[Call], Awaitable[Answer]]:
    """Raises ApiError (405) for a verb that the resource does not have."""
    if found.subresource:
        verb = SUBRESOURCES[found.subresource].get(found.verb)
        if verb is None:
            raise method_not_supported(found.resource, found.verb)
        return verb
    if found.verb not in VERBS or found.verb not in found.resource.verbs:
        raise method_not_supported(found.resource, found.verb)
    if found.resource.verbs == CREATE_ONLY:
        return reviews.create
    if found.verb in (("update", "patch") if found.name is None else ("create",)):
        raise method_not_allowed()
    return VERBS[found.verb]


def _attributes(found: Route, request: Request) -> Attributes:
    resource = found.resource
    namespace = found.namespace or (found.name if resource.plural == "namespaces" else "") or ""
    name = found.name or (_only_name(request) if found.verb in ("list", "watch") else "")
    return Attributes(found.verb, resource.group, resource.plural, found.subresource, namespace, name)


def _only_name(request: Request) -> str:
    """Who lists or watches one object needs no more than a rule of its name (k8s.io/apiserver, requestinfo.go)."""
    text = request.parameter("fieldSelector") or ""
    if "metadata.name" not in text:
        return ""
    try:
        requirements = parse_fields(text).requirements
    except SelectorError:
        return ""  # is told when it is read
    names = (
        name for each in requirements if (each.key, each.operator) == ("metadata.name", "in") for name in each.values
    )
    name = next(names, "")
    return "" if name in (".", "..") or {"/", "%"} & set(name) else name


def _path_verb(request: Request) -> str:
    return "get" if request.method == "HEAD" else request.method.lower()


def _failed(error: ApiError) -> Response:
    headers = list(error.headers.items())
    return Response(error.code, msgspec.json.encode(error.to_status()), headers=headers)


def _quoted(text: str) -> str:
    """RFC 7234, section 5.5: a quoted-string."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
