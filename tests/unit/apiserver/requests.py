"""Requests to a server in memory, without a socket, and what they are answered."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fairlead.apiserver.server import ApiServer
from fairlead.http.server import MAX_BODY, Peer, Request, Response
from tests.unit.api_server import ADMIN, IPV4, in_memory

Json = dict[str, Any]

CORE = "/api/v1/namespaces/default"
APPS = "/apis/apps/v1/namespaces/default"
JSON, MERGE = "application/json", "application/merge-patch+json"
JSON_PATCH, STRATEGIC = "application/json-patch+json", "application/strategic-merge-patch+json"


@dataclass(frozen=True, slots=True)
class Answer:
    code: int
    body: bytes
    content_type: str
    headers: list[tuple[str, str]]

    @property
    def json(self) -> Json:
        found: Json = json.loads(self.body)
        return found

    @property
    def message(self) -> str:
        return str(self.json["message"])

    @property
    def warnings(self) -> list[str]:
        return [value for name, value in self.headers if name == "Warning"]

    def ok(self) -> Json:
        assert self.code in (200, 201, 202), self.body
        return self.json

    def failed(self, code: int, reason: str) -> Json:
        """The Status; its form is checked."""
        status = self.json
        assert (self.code, status["code"], status.get("reason", "")) == (code, code, reason), self.body
        assert (status["kind"], status["apiVersion"], status["status"]) == ("Status", "v1", "Failure")
        return status

    def causes(self) -> Iterator[tuple[str, str]]:
        """(reason, field) of each."""
        for cause in self.json["details"]["causes"]:
            yield cause["reason"], cause["field"]


class Api:
    def __init__(self, server: ApiServer, peer: Peer = ADMIN) -> None:
        self.server = server
        self.peer = peer

    def by(self, peer: Peer) -> "Api":
        return Api(self.server, peer)

    async def __call__(
        self,
        method: str,
        target: str,
        body: object = b"",
        media: str = JSON,
        accept: str = "application/json",
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """`body` is sent as it is where it is bytes, else as JSON."""
        request = Request(method, target, {"content-type": media, "accept": accept, **(headers or {})}, self.peer)
        request.body = body if isinstance(body, bytes) else json.dumps(body).encode()
        if len(request.body) > MAX_BODY:
            request.body, request.oversized = b"", True
        answer = await self.server.handle(request)
        assert isinstance(answer, Response)
        sent = b"".join(answer.body) if isinstance(answer.body, list) else answer.body
        return Answer(answer.status, sent, answer.content_type, answer.headers)

    async def get(self, target: str) -> Json:
        return (await self("GET", target)).ok()

    async def create(self, target: str, obj: Json) -> Json:
        return (await self("POST", target, obj)).ok()


@asynccontextmanager
async def serving(folder: Path, ranges: tuple[str, ...] = (IPV4,)) -> AsyncIterator[Api]:
    async with in_memory(folder, ranges) as server:
        yield Api(server)


def config_map(name: str = "x", **more: Any) -> Json:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, **more}


def service(name: str = "x", type: str = "ClusterIP", **spec: Any) -> Json:  # noqa: A002 - the field's own name
    spec = {"type": type, "ports": [{"port": 80}], **spec}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def pod(name: str = "x", **spec: Any) -> Json:
    spec = {"containers": [{"name": "c", "image": "nginx"}], **spec}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def cause_fields(answer: Answer) -> list[str]:
    return [field for _, field in answer.causes()]
