"""Kubernetes' Status errors: one exception, one constructor a reason.

Source: apimachinery's `api/errors` and `meta/v1` StatusReason. The texts are Kubernetes' own; kubectl prints them
behind "Error from server (Reason): ".
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from fairlead.api.field import FieldError
from fairlead.api.resources import Resource

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Cause:
    reason: str
    message: str
    field: str = ""


@dataclass(slots=True)
class ApiError(Exception):
    """A request that failed, in the form in which it travels. Raised by the server's verbs and by the client."""

    code: int
    reason: str
    message: str
    details: Json | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.message

    def to_status(self) -> Json:
        status: Json = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            status["reason"] = self.reason
        if self.details:
            status["details"] = self.details
        status["code"] = self.code
        return status

    @classmethod
    def from_status(cls, status: Json, code: int) -> "ApiError":
        """What a server answered; `code` is the HTTP status, for bodies that carry none."""
        return cls(
            code=int(status.get("code") or code),
            reason=str(status.get("reason", "")),
            message=str(status.get("message", "") or f"the server answered {code}"),
            details=status.get("details"),
        )

    @property
    def is_not_found(self) -> bool:
        return self.reason == "NotFound"

    @property
    def is_conflict(self) -> bool:
        return self.reason == "Conflict"

    @property
    def is_already_exists(self) -> bool:
        return self.reason == "AlreadyExists"

    @property
    def is_expired(self) -> bool:
        """The revision asked for is compacted: list again."""
        return self.reason in ("Expired", "Gone") or self.code == 410


def _details(resource: Resource, name: str, **more: Any) -> Json:
    details: Json = {"name": name} if name else {}
    if resource.group:
        details["group"] = resource.group
    details["kind"] = resource.plural
    return details | more


def not_found(resource: Resource, name: str) -> ApiError:
    return ApiError(404, "NotFound", f'{resource.qualified} "{name}" not found', _details(resource, name))


def already_exists(resource: Resource, name: str) -> ApiError:
    message = f'{resource.qualified} "{name}" already exists'
    return ApiError(409, "AlreadyExists", message, _details(resource, name))


OBJECT_MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"


def conflict(resource: Resource, name: str, why: str = OBJECT_MODIFIED) -> ApiError:
    message = f'Operation cannot be fulfilled on {resource.qualified} "{name}": {why}'
    return ApiError(409, "Conflict", message, _details(resource, name))


def invalid(resource: Resource, name: str, errors: Iterable[FieldError]) -> ApiError:
    """422 with a cause for each field. `details.kind` is the Kind here, as in Kubernetes, not the plural."""
    errors = list(errors)
    texts = [str(error) for error in errors]
    joined = texts[0] if len(texts) == 1 else "[" + ", ".join(dict.fromkeys(texts)) + "]"
    qualified_kind = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
    causes = [{"reason": e.type.reason, "message": e.body, "field": e.field} for e in errors]
    details = _details(resource, name, causes=causes) | {"kind": resource.kind}
    return ApiError(422, "Invalid", f'{qualified_kind} "{name}" is invalid: {joined}', details)


def forbidden(resource: Resource, name: str, why: str) -> ApiError:
    subject = f' "{name}"' if name else ""
    message = f"{resource.qualified}{subject} is forbidden: {why}"
    return ApiError(403, "Forbidden", message, _details(resource, name))


def bad_request(message: str) -> ApiError:
    return ApiError(400, "BadRequest", message)


def unauthorized(message: str = "Unauthorized") -> ApiError:
    return ApiError(401, "Unauthorized", message)


def method_not_supported(resource: Resource, verb: str) -> ApiError:
    message = f"{verb} is not supported on resources of kind {resource.qualified!r}".replace("'", '"')
    return ApiError(405, "MethodNotAllowed", message, _details(resource, ""))


def method_not_allowed() -> ApiError:
    """What an API server says of a method that a path does not have."""
    return ApiError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource", {})


def path_not_found() -> ApiError:
    """What an API server says of a path that no resource lives at."""
    return ApiError(404, "NotFound", "the server could not find the requested resource", {})


def expired(message: str = "The resourceVersion for the provided watch is too old.") -> ApiError:
    return ApiError(410, "Expired", message)


def too_large(limit: int) -> ApiError:
    return ApiError(413, "RequestEntityTooLarge", f"Request entity too large: limit is {limit}")


def unsupported_media_type(accepted: Iterable[str]) -> ApiError:
    message = "the body of the request was in an unknown format - accepted media types include: " + ", ".join(accepted)
    return ApiError(415, "UnsupportedMediaType", message)


def not_acceptable(accepted: Iterable[str]) -> ApiError:
    message = "only the following media types are accepted: " + ", ".join(accepted)
    return ApiError(406, "NotAcceptable", message)


def internal(message: str) -> ApiError:
    return ApiError(500, "InternalError", f"Internal error occurred: {message}", {"causes": [{"message": message}]})


def too_many_requests(message: str, retry_after: int = 1) -> ApiError:
    details = {"retryAfterSeconds": retry_after}
    return ApiError(429, "TooManyRequests", message, details, {"Retry-After": str(retry_after)})


def unavailable(message: str) -> ApiError:
    return ApiError(503, "ServiceUnavailable", message, None, {"Retry-After": "1"})


def timed_out(message: str) -> ApiError:
    return ApiError(504, "Timeout", f"Timeout: {message}")
