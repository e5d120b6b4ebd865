"""AdmissionReviews: what a webhook is asked, and what its answer means. Pure.

Source: admission.k8s.io/v1; apiserver's `admission/plugin/webhook/request`, whose texts these are.
"""

import base64
import binascii
from dataclasses import dataclass
from typing import Any

import msgspec

from fairlead.api.resources import Resource
from fairlead.api.status import ApiError

Json = dict[str, Any]

GROUP = "admission.k8s.io"


class ReviewError(ValueError):
    """An answer that is none. The text says why."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What all webhooks are told of one request. `about`: (group, version, kind) of the object, where it is not the
    resource's own; `options`: CreateOptions, UpdateOptions, …"""

    resource: Resource
    subresource: str
    operation: str
    namespace: str
    name: str
    user: Json
    options: Json | None
    dry_run: bool
    about: tuple[str, str, str] | None = None

    def review(self, uid: str, version: str, asked_as: Resource, new: Json | None, old: Json | None) -> Json:
        """`version`: of the review; `asked_as`: the version that the objects are in."""
        request: Json = {"uid": uid, "kind": self._kind(asked_as), "resource": _resource(asked_as)}
        if self.subresource:
            request["subResource"] = self.subresource
        request |= {"requestKind": self._kind(self.resource), "requestResource": _resource(self.resource)}
        if self.subresource:
            request["requestSubResource"] = self.subresource
        if self.name:
            request["name"] = self.name
        if self.namespace:
            request["namespace"] = self.namespace
        request |= {
            "operation": self.operation,
            "userInfo": self.user,
            "object": new,
            "oldObject": old,
            "dryRun": self.dry_run,
            "options": self.options,
        }
        return {"kind": "AdmissionReview", "apiVersion": f"{GROUP}/{version}", "request": request}

    def _kind(self, resource: Resource) -> Json:
        group, version, kind = self.about or (resource.group, resource.version, resource.kind)
        return {"group": group, "version": version, "kind": kind}


def _resource(resource: Resource) -> Json:
    return {"group": resource.group, "version": resource.version, "resource": resource.plural}


@dataclass(frozen=True, slots=True)
class Verdict:
    allowed: bool
    status: Json | None
    warnings: tuple[str, ...]
    patch: list[Any] | None  # JSON Patch


def verdict(answer: Any, uid: str, version: str, mutates: bool) -> Verdict:
    """Raises ReviewError."""
    response = answer.get("response") if isinstance(answer, dict) else None
    if not isinstance(response, dict):
        raise ReviewError("webhook response was absent")
    if version == "v1":
        got = (answer.get("apiVersion"), answer.get("kind"))
        if got != (f"{GROUP}/v1", "AdmissionReview"):
            wanted = f"{GROUP}/v1, Kind=AdmissionReview"
            raise ReviewError(f"expected webhook response of {wanted}, got {got[0]}, Kind={got[1]}")
        if response.get("uid") != uid:
            raise ReviewError(f'expected response.uid="{uid}", got "{response.get("uid") or ""}"')
    patch, patch_type = response.get("patch"), response.get("patchType")
    if not mutates and (patch or (version == "v1" and patch_type)):
        raise ReviewError("validating webhook response may not contain a patch")
    if version == "v1" and patch and not patch_type:
        raise ReviewError("webhook returned response.patch but not response.patchType")
    if version == "v1" and patch_type and not patch:
        raise ReviewError("webhook returned response.patchType but not response.patch")
    if patch and (patch_type or "JSONPatch") != "JSONPatch":
        raise ReviewError(f'invalid webhook response.patchType "{patch_type}", expected "JSONPatch"')
    status = response.get("status")
    return Verdict(
        response.get("allowed") is True,
        status if isinstance(status, dict) else None,
        tuple(str(each) for each in response.get("warnings") or ()),
        _operations(patch) if patch else None,
    )


def _operations(patch: Any) -> list[Any]:
    try:
        found = msgspec.json.decode(base64.b64decode(patch, validate=True))
    except (TypeError, ValueError, binascii.Error, msgspec.DecodeError) as error:
        raise ReviewError(f"response.patch is no JSON Patch in base64: {error}") from error
    if not isinstance(found, list):
        raise ReviewError("response.patch is no list of operations")
    return found


def denied(name: str, status: Json | None) -> ApiError:
    """What a refusal is answered: never less than 400, whatever the webhook says."""
    status = status or {}
    said = status.get("message") or status.get("reason")
    text = f'admission webhook "{name}" denied the request'
    message = f"{text}: {said}" if said else f"{text} without explanation"
    code = status.get("code")
    code = code if isinstance(code, int) and code >= 400 else 400
    details = status.get("details")
    return ApiError(code, str(status.get("reason") or ""), message, details if isinstance(details, dict) else None)
