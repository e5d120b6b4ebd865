"""Content types: which form an answer takes, and what a request's body says."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import msgspec

from fairlead.api import protobuf, yaml
from fairlead.api.resources import Resource
from fairlead.api.schema import SchemaError, conform, duplicate_fields
from fairlead.api.schema.conform import cannot_be_handled, strict_decoding_error
from fairlead.api.status import bad_request, not_acceptable, too_large, unsupported_media_type
from fairlead.http.server import MAX_BODY, Request

Json = dict[str, Any]
Shape = Literal["object", "table", "partial", "partiallist"]

JSON, YAML, PROTOBUF = "application/json", "application/yaml", "application/vnd.kubernetes.protobuf"
ACCEPTED = (JSON, YAML, PROTOBUF)
_SHAPES: dict[str, Shape] = {
    "Table": "table",
    "PartialObjectMetadata": "partial",
    "PartialObjectMetadataList": "partiallist",
}


@dataclass(frozen=True, slots=True)
class Form:
    """The form of an answer. `version` is the meta.k8s.io version of a Table or of partial metadata."""

    shape: Shape = "object"
    media: str = JSON
    version: str = "v1"


@lru_cache(maxsize=256)
def accept(header: str) -> Form:
    """The first offer that can be met. Objects are always answered as JSON or YAML; protobuf falls back to the next
    offer. Raises ApiError (406)."""
    if not header:
        return Form()
    for offer in header.split(","):
        media, *parameters = (part.strip() for part in offer.split(";"))
        if media == PROTOBUF:
            continue
        if media in ("*/*", "application/*"):
            media = JSON
        if media not in (JSON, YAML):
            continue
        given = dict(parameter.partition("=")[::2] for parameter in parameters)
        if "as" not in given:
            return Form(media=media)
        if given.get("g") == "meta.k8s.io" and given.get("v") in ("v1", "v1beta1") and given["as"] in _SHAPES:
            return Form(_SHAPES[given["as"]], media, given["v"])
    raise not_acceptable(ACCEPTED)


def render(obj: Any, form: Form) -> bytes:
    return yaml.render(obj).encode() if form.media == YAML else msgspec.json.encode(obj)


def body_of(request: Request) -> bytes:
    """Raises ApiError (413)."""
    if request.oversized:
        raise too_large(MAX_BODY)
    return request.body


def decode(request: Request, resource: Resource, warnings: list[str], kind: str = "", group_version: str = "") -> Json:
    """A body as the object that Kubernetes would take from it: typed, unknown fields gone (by `fieldValidation`:
    silently, with a warning, or with an error). `kind` and `group_version` where not the resource's own are wanted.
    Raises ApiError (400, 413, 415)."""
    data = body_of(request)
    kind, group_version = kind or resource.kind, group_version or resource.group_version
    media = request.headers.get("content-type", JSON).partition(";")[0].strip()
    obj, problems = _parse(data, media, kind)
    if not isinstance(obj, dict):
        raise bad_request(
            f"couldn't get version/kind; json parse error: json: cannot unmarshal {_json_type(obj)} into Go value of "
            "type runtime.TypeMeta"
        )
    check_kind(obj, kind, group_version)
    return checked(obj, kind, group_version, request.parameter("fieldValidation"), warnings, problems)


def check_kind(obj: Json, kind: str, group_version: str) -> None:
    given_version, given_kind = obj.get("apiVersion") or group_version, obj.get("kind") or kind
    if given_version != group_version:
        raise bad_request(
            f"the API version in the data ({given_version}) does not match the expected API version ({group_version})"
        )
    if given_kind != kind:
        group, _, version = group_version.rpartition("/")
        gvk = f"{group}/{version}, Kind="
        raise bad_request(
            f'{given_kind} in version "{version}" cannot be handled as a {kind}: converting ({gvk}{given_kind}) to '
            f"({gvk}{kind}): unknown conversion"
        )
    obj["apiVersion"], obj["kind"] = group_version, kind


def checked(
    obj: Json, kind: str, group_version: str, validation: str | None, warnings: list[str], problems: list[str]
) -> Json:
    """Held against the schema; `problems` are those that parsing found already."""
    metadata = obj.get("metadata")
    if isinstance(metadata, dict) and metadata.get("managedFields") == []:
        metadata["managedFields"] = [{}]  # to say that they are to be forgotten; an empty list would not be kept
    try:
        found = conform(group_version, kind, obj)
    except (SchemaError, ArithmeticError, RecursionError) as error:
        raise bad_request(cannot_be_handled(group_version, kind, str(error))) from error
    problems = [*found.problems, *problems]
    if problems and validation == "Strict":
        raise bad_request(cannot_be_handled(group_version, kind, strict_decoding_error(problems)))
    if validation != "Ignore":
        warnings += problems
    if not isinstance(metadata, dict):
        metadata = {}
    return {"metadata": metadata, **{key: value for key, value in obj.items() if key != "metadata"}}


def _parse(data: bytes, media: str, kind: str) -> tuple[Any, list[str]]:
    """The document and the fields that it gives twice."""
    try:
        match media:
            case "application/json" | "text/json" | "":
                return msgspec.json.decode(data), duplicate_fields(data)
            case "application/yaml" | "text/yaml" | "application/x-yaml":
                return yaml.parse(data), []
            case "application/vnd.kubernetes.protobuf":
                return protobuf.decode(data), []
    except (msgspec.DecodeError, yaml.YamlError, protobuf.ProtobufError, ValueError, RecursionError) as error:
        raise bad_request(
            f"the object provided is unrecognized (must be of type {kind}): couldn't get version/kind; "
            f"json parse error: {_parse_error(error)} ({data[:20].hex()}{' ...' if len(data) > 20 else ''})"
        ) from error
    raise unsupported_media_type(ACCEPTED)


def _parse_error(error: Exception) -> str:
    return "unexpected end of JSON input" if "truncated" in str(error) else str(error)


def _json_type(value: Any) -> str:
    """As Go names it."""
    match value:
        case list():
            return "array"
        case bool():
            return "bool"
        case str():
            return "string"
    return "number"
