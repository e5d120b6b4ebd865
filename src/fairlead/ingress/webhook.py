"""The validating webhook (`--validating-webhook`): AdmissionReviews in, verdicts out.

Source: admission.k8s.io/v1, "Dynamic Admission Control".
"""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import msgspec

from fairlead.api.conversion.ingress import to_v1
from fairlead.api.types.networking import Ingress
from fairlead.http.server import Request, Response, listen, server_tls
from fairlead.ingress.plan.admission import Verdict

Judge = Callable[[Ingress], Verdict]
Json = dict[str, Any]


async def serve(address: str, certificate: str, key: str, judge: Judge) -> None:
    """`address`: ":8443" or "ADDRESS:PORT". Runs until cancelled."""

    async def handle(request: Request) -> Response:
        if request.method != "POST":
            return Response(405, b"only AdmissionReviews are answered\n", "text/plain")
        try:
            answer = answer_to(json.loads(request.body), judge)
        except (ValueError, KeyError, TypeError) as error:
            return Response(400, f"not an AdmissionReview: {error}\n".encode(), "text/plain")
        return Response(200, json.dumps(answer).encode())

    host, _, port = address.rpartition(":")
    server = await listen(handle, host or "0.0.0.0", int(port), ssl=server_tls(certificate, key))
    try:
        await asyncio.Event().wait()
    finally:
        await server.close()


def answer_to(review: Json, judge: Judge) -> Json:
    """Raises KeyError and TypeError for what is no AdmissionReview."""
    request = review["request"]
    response: Json = {"uid": request["uid"], "allowed": True}
    if request.get("operation") != "DELETE":
        try:
            verdict = judge(msgspec.convert(_current(request["object"]), Ingress))
        except msgspec.ValidationError as error:
            verdict = Verdict(False, str(error))
        response["allowed"] = verdict.allowed
        if not verdict.allowed:
            response["status"] = {"code": 400, "message": verdict.message}
        if verdict.warnings:
            response["warnings"] = list(verdict.warnings)
    return {
        "apiVersion": review.get("apiVersion", "admission.k8s.io/v1"),
        "kind": "AdmissionReview",
        "response": response,
    }


def _current(ingress: Json) -> Json:
    """Manifests until 1.0 have the webhook asked about networking.k8s.io/v1beta1, whichever version is written."""
    return to_v1(ingress) if str(ingress.get("apiVersion", "")).endswith("/v1beta1") else ingress
