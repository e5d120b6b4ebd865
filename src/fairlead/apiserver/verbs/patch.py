"""PATCH: JSON, merge and strategic merge patches, and server-side apply."""

import copy
from typing import Any

import msgspec

from fairlead.api import yaml
from fairlead.api.schema import type_of
from fairlead.api.status import ApiError, bad_request, unsupported_media_type
from fairlead.apiserver import negotiation, options
from fairlead.apiserver.call import Call
from fairlead.apiserver.ownership.tracking import tracked
from fairlead.apiserver.patch import PatchError, json_patch, merge_patch, strategic
from fairlead.apiserver.verbs.apply import apply
from fairlead.apiserver.verbs.update import change
from fairlead.http.server import Response

Json = dict[str, Any]

JSON_PATCH, MERGE, STRATEGIC = (
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
)
APPLY = "application/apply-patch+yaml"
PATCHES = (JSON_PATCH, MERGE, STRATEGIC)
ACCEPTED = (*PATCHES, APPLY)
MOST_OPERATIONS = 10_000


async def patch(call: Call) -> Response:
    media = call.request.headers.get("content-type", "").partition(";")[0].strip()
    if media == APPLY:
        return await apply(call)
    if media not in PATCHES:
        raise unsupported_media_type(ACCEPTED)
    options.check_no_force(call.request)
    given = parse(call, media)
    kind = call.kind
    return await change(
        call, lambda old: tracked(call, kind.stored(patched(call, media, given, kind.served(old))), old)
    )


def parse(call: Call, media: str) -> Any:
    data = negotiation.body_of(call.request)
    try:
        given = msgspec.json.decode(data)
    except msgspec.DecodeError:
        try:
            given = yaml.parse(data)
        except yaml.YamlError as error:
            raise bad_request(f"error decoding patch: {error}") from error
    if media == JSON_PATCH:
        if not isinstance(given, list):
            raise bad_request("json: cannot unmarshal object into Go value of type jsonpatch.Patch")
        if len(given) > MOST_OPERATIONS:
            message = f"The allowed maximum operations in a JSON patch is {MOST_OPERATIONS}, got {len(given)}"
            raise ApiError(413, "RequestEntityTooLarge", message)
    elif not isinstance(given, dict):
        raise bad_request("json: cannot unmarshal array into Go value of type map[string]interface {}")
    return given


def patched(call: Call, media: str, given: Any, old: Json) -> Json:
    resource = call.resource
    try:
        match media:
            case "application/json-patch+json":
                new = json_patch.apply(copy.deepcopy(old), given)
            case "application/merge-patch+json":
                new = merge_patch.apply(old, given)
            case _:
                new = strategic.apply(copy.deepcopy(old), given, type_of(resource.group_version, resource.kind).name)
    except PatchError as error:
        if media == JSON_PATCH:
            raise ApiError(
                422, "Invalid", f"the server rejected our request due to an error in our request: {error}"
            ) from error
        raise bad_request(str(error)) from error
    negotiation.check_kind(new, resource.kind, resource.group_version)
    validation = call.request.parameter("fieldValidation")
    return negotiation.checked(new, resource.kind, resource.group_version, validation, call.warnings, [])
