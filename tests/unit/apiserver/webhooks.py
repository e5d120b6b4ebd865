"""A webhook's server: real HTTPS on 127.0.0.1, which remembers what it was asked and answers as it is told."""

import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fairlead.cluster.pki import Pki, Subject
from fairlead.http.server import Request, Response, listen, server_tls

Json = dict[str, Any]

VALIDATING = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
MUTATING = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
ALL = {"operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*"]}
CONFIG_MAPS = {
    "operations": ["CREATE", "UPDATE"],
    "apiGroups": [""],
    "apiVersions": ["v1"],
    "resources": ["configmaps"],
}


class Webhook:
    """`answer`: what of a review's request becomes the response, without its uid; bytes are sent as they are."""

    def __init__(self, port: int, ca: str) -> None:
        self.port = port
        self.ca = ca
        self.reviews: list[Json] = []
        self.targets: list[str] = []
        self.answer: Callable[[Json], Json | bytes] = lambda _: {"allowed": True}
        self.status = 200
        self.meanwhile: Callable[[], Awaitable[Any]] | None = None  # what happens once, before it answers

    @property
    def requests(self) -> list[Json]:
        return [review["request"] for review in self.reviews]

    @property
    def client(self) -> Json:
        return {"url": f"https://127.0.0.1:{self.port}/check", "caBundle": self.bundle}

    @property
    def bundle(self) -> str:
        return base64.b64encode(Path(self.ca).read_bytes()).decode()

    async def handle(self, request: Request) -> Response:
        review = json.loads(request.body)
        self.reviews.append(review)
        self.targets.append(request.target)
        if self.meanwhile is not None:
            happens, self.meanwhile = self.meanwhile, None
            await happens()
        found = self.answer(review["request"])
        if isinstance(found, bytes):
            return Response(self.status, found)
        response = {"uid": review["request"]["uid"], **found}
        answer = {"apiVersion": review["apiVersion"], "kind": "AdmissionReview", "response": response}
        return Response(self.status, json.dumps(answer).encode())


@asynccontextmanager
async def webhook(folder: Path) -> AsyncIterator[Webhook]:
    """Its certificate is for 127.0.0.1 and for the Service `hook` in the namespace `default`."""
    pki = Pki(folder / "webhook-pki")
    pair = pki.pair("webhook", Subject("webhook", hosts=("127.0.0.1", "hook.default.svc")))
    found = Webhook(0, pki.ca)
    server = await listen(found.handle, "127.0.0.1", 0, ssl=server_tls(pair.certificate, pair.key))
    found.port = server.port
    try:
        yield found
    finally:
        await server.close()


def configuration(client: Json, *rules: Json, name: str = "check", kind: str = "Validating", **more: Any) -> Json:
    hook = {
        "name": f"{name}.example.com",
        "clientConfig": client,
        "rules": list(rules or (CONFIG_MAPS,)),
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        **more,
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": f"{kind}WebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [hook],
    }


def patch(*operations: Json) -> Json:
    """A response that changes the object."""
    encoded = base64.b64encode(json.dumps(operations).encode()).decode()
    return {"allowed": True, "patchType": "JSONPatch", "patch": encoded}


def add(path: str, value: Any) -> Json:
    return {"op": "add", "path": path, "value": value}
