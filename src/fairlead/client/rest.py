"""The API over HTTP, typed: one method a verb. Resources have their qualified names: "pods", "deployments.apps"."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar, cast
from urllib.parse import quote, urlencode

import msgspec

from fairlead.api.resources import RESOURCES, Resource
from fairlead.api.status import ApiError
from fairlead.client.config import Config
from fairlead.http.client import Answer, HttpClient, client_tls

T = TypeVar("T")
Json = dict[str, Any]
Decode = Callable[[msgspec.Raw], T]
PatchKind = Literal["merge", "strategic", "json"]

# Of a group's versions the first.
BY_QUALIFIED: dict[str, Resource] = {resource.qualified: resource for resource in reversed(RESOURCES)}
PATCH_TYPES = {
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "json": "application/json-patch+json",
}
PAGE = 500  # objects a list asks for at once, so that one list never stalls the server


@dataclass(frozen=True, slots=True)
class Listed(Generic[T]):
    items: list[T]
    revision: str


@dataclass(frozen=True, slots=True)
class Event(Generic[T]):
    """`type`: ADDED, MODIFIED, DELETED, or BOOKMARK (then only `revision` says something)."""

    type: str
    object: T
    revision: str


class _ListMeta(msgspec.Struct, rename="camel"):
    resource_version: str = ""
    next: str = msgspec.field(default="", name="continue")


class _List(msgspec.Struct):
    metadata: _ListMeta
    items: list[msgspec.Raw] | None = None


class _Line(msgspec.Struct):
    type: str
    object: msgspec.Raw


class _Versioned(msgspec.Struct):
    metadata: _ListMeta


class Client:
    """Requests as one user. Raises ApiError for what the server refuses, OSError where it cannot be had."""

    def __init__(self, config: Config, *, user_agent: str = "fairlead") -> None:
        self.config = config
        self._http = HttpClient(config.server, ssl=_tls(config), headers={"user-agent": user_agent})

    async def get(self, resource: str, name: str, namespace: str | None = None, *, type: type[T]) -> T:
        answer = await self.send("GET", _row(resource).path(namespace, name))
        return msgspec.json.decode(answer.body, type=type)

    async def list(
        self,
        resource: str,
        *,
        type: type[T],
        namespace: str | None = None,
        label_selector: str = "",
        field_selector: str = "",
        decode: Decode[T] | None = None,
    ) -> Listed[T]:
        """All of them, in pages; `revision` is where a watch goes on. `decode`: for who keeps another form of them."""
        decode = decode or msgspec.json.Decoder(type).decode
        query = {"limit": str(PAGE)} | _selectors(label_selector, field_selector)
        items: list[T] = []
        while True:
            answer = await self.send("GET", f"{_row(resource).path(namespace)}?{urlencode(query)}")
            page = msgspec.json.decode(answer.body, type=_List)
            items += [decode(raw) for raw in page.items or ()]
            if not page.metadata.next:
                return Listed(items, page.metadata.resource_version)
            query["continue"] = page.metadata.next

    async def watch(
        self,
        resource: str,
        *,
        type: type[T],
        revision: str,
        namespace: str | None = None,
        label_selector: str = "",
        field_selector: str = "",
        seconds: int = 1800,
        decode: Decode[T] | None = None,
    ) -> AsyncIterator[Event[T]]:
        """Changes after `revision`, until the server ends it. Raises ApiError (410 Expired) where it is too old."""
        decode = decode or msgspec.json.Decoder(type).decode
        query = {
            "watch": "true",
            "resourceVersion": revision,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(seconds),
        } | _selectors(label_selector, field_selector)
        target = f"{_row(resource).path(namespace)}?{urlencode(query)}"
        async with self._http.stream("GET", target, headers=self._authorization()) as answer:
            if answer.status != 200:
                raise _error(answer.status, b"".join([chunk async for chunk in answer.chunks]))
            rest = b""
            async for chunk in answer.chunks:
                *lines, rest = (rest + chunk).split(b"\n")
                for text in lines:
                    if not text:
                        continue
                    line = msgspec.json.decode(text, type=_Line)
                    if line.type == "ERROR":
                        raise ApiError.from_status(json.loads(bytes(line.object)), 500)
                    version = msgspec.json.decode(line.object, type=_Versioned).metadata.resource_version
                    yield Event(line.type, decode(line.object), version)

    async def create(
        self, resource: str, obj: T, namespace: str | None = None, *, name: str | None = None, subresource: str = ""
    ) -> T:
        """`name` only for subresources, whose parent it is."""
        target = _row(resource).path(namespace, name, subresource or None)
        answer = await self.send("POST", target, msgspec.json.encode(obj))
        return msgspec.json.decode(answer.body, type=type(obj))

    async def update(self, resource: str, obj: T, *, subresource: str = "") -> T:
        metadata = cast(Any, obj)["metadata"] if isinstance(obj, dict) else cast(Any, obj).metadata
        name, namespace = (
            (metadata["name"], metadata.get("namespace"))
            if isinstance(metadata, dict)
            else (metadata.name, metadata.namespace)
        )
        target = _row(resource).path(namespace or None, name, subresource or None)
        answer = await self.send("PUT", target, msgspec.json.encode(obj))
        return msgspec.json.decode(answer.body, type=type(obj))

    async def patch(
        self,
        resource: str,
        name: str,
        namespace: str | None,
        body: Json | Sequence[Json],
        *,
        kind: PatchKind = "merge",
        subresource: str = "",
        type: type[T],
    ) -> T:
        target = _row(resource).path(namespace, name, subresource or None)
        answer = await self.send("PATCH", target, msgspec.json.encode(body), content_type=PATCH_TYPES[kind])
        return msgspec.json.decode(answer.body, type=type)

    async def delete(
        self,
        resource: str,
        name: str,
        namespace: str | None = None,
        *,
        grace: int | None = None,
        propagation: str | None = None,
        uid: str | None = None,
        revision: str | None = None,
    ) -> None:
        await self.send(
            "DELETE", _row(resource).path(namespace, name), _delete_options(grace, propagation, uid, revision)
        )

    async def delete_collection(
        self, resource: str, namespace: str | None = None, *, label_selector: str = "", field_selector: str = ""
    ) -> None:
        query = urlencode(_selectors(label_selector, field_selector))
        await self.send("DELETE", f"{_row(resource).path(namespace)}?{query}", _delete_options(None, None, None, None))

    async def bind(self, namespace: str, name: str, uid: str, node: str) -> None:
        """Assigns a pod to a node."""
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": name, "namespace": namespace, "uid": uid},
            "target": {"apiVersion": "v1", "kind": "Node", "name": node},
        }
        await self.send("POST", _row("pods").path(namespace, name, "binding"), msgspec.json.encode(binding))

    async def token(
        self,
        namespace: str,
        service_account: str,
        *,
        audiences: Sequence[str] | None = None,
        seconds: int = 3600,
        pod_name: str = "",
        pod_uid: str = "",
    ) -> tuple[str, str]:
        """A ServiceAccount's token, bound to a pod where one is named, and the time when it expires (RFC 3339)."""
        spec: Json = {"audiences": list(audiences or ()), "expirationSeconds": seconds}
        if pod_name:
            spec["boundObjectRef"] = {"apiVersion": "v1", "kind": "Pod", "name": pod_name, "uid": pod_uid}
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        answer = await self.create("serviceaccounts", request, namespace, name=service_account, subresource="token")
        status = cast(Json, answer["status"])
        return status["token"], status["expirationTimestamp"]

    async def send(
        self, method: str, target: str, body: bytes = b"", *, content_type: str = "application/json"
    ) -> Answer:
        """One request to any path. Raises ApiError for an answer of 400 and above."""
        headers = self._authorization()
        headers["accept"] = "application/json"
        if body:
            headers["content-type"] = content_type
        answer = await self._http.request(method, quote(target, safe="/?=&%,:@!~*'()+"), body=body, headers=headers)
        if answer.status >= 400:
            raise _error(answer.status, answer.body)
        return answer

    async def close(self) -> None:
        await self._http.close()

    def _authorization(self) -> dict[str, str]:
        token = Path(self.config.token_file).read_text().strip() if self.config.token_file else self.config.token
        return {"authorization": f"Bearer {token}"} if token else {}


async def wait_until_ready(client: Client, seconds: float, *, path: str = "/readyz") -> None:
    """Asks until the server says that it is ready. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while True:
            try:
                await client.send("GET", path)
            except (ApiError, OSError):
                await asyncio.sleep(0.01)
            else:
                return


def _tls(config: Config) -> ssl.SSLContext | None:
    return client_tls(config.ca, config.certificate, config.key) if config.server.startswith("https") else None


def _row(resource: str) -> Resource:
    return BY_QUALIFIED[resource]


def _selectors(label_selector: str, field_selector: str) -> dict[str, str]:
    given = {"labelSelector": label_selector, "fieldSelector": field_selector}
    return {name: value for name, value in given.items() if value}


def _delete_options(grace: int | None, propagation: str | None, uid: str | None, revision: str | None) -> bytes:
    options: Json = {"kind": "DeleteOptions", "apiVersion": "v1"}
    if grace is not None:
        options["gracePeriodSeconds"] = grace
    if propagation is not None:
        options["propagationPolicy"] = propagation
    preconditions = {key: value for key, value in (("uid", uid), ("resourceVersion", revision)) if value}
    if preconditions:
        options["preconditions"] = preconditions
    return msgspec.json.encode(options)


def _error(code: int, body: bytes) -> ApiError:
    try:
        status = json.loads(body)
    except ValueError:
        status = {"message": body.decode(errors="replace").strip()}
    return ApiError.from_status(status if isinstance(status, dict) else {}, code)
