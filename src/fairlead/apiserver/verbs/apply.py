"""PATCH of a configuration, server-side apply: an object that is not there is made, one that is gets what it says.

Source: apiserver `endpoints/handlers/patch.go` (applyPatcher); docs/reference/using-api/server-side-apply.
"""

from typing import Any

import msgspec

from fairlead.api import yaml
from fairlead.api.ownership.managers import Manager
from fairlead.api.schema import duplicate_fields
from fairlead.api.status import ApiError, bad_request, conflict
from fairlead.apiserver import negotiation, options
from fairlead.apiserver.answers import of_entry, of_object
from fairlead.apiserver.authz import Attributes
from fairlead.apiserver.call import Call
from fairlead.apiserver.ownership.applying import apply as applied
from fairlead.apiserver.ownership.applying import check
from fairlead.apiserver.ownership.tracking import now
from fairlead.apiserver.ownership.versions import versions_of
from fairlead.apiserver.registry import TRIES
from fairlead.apiserver.verbs.create import create_object
from fairlead.apiserver.verbs.update import change
from fairlead.http.server import Response

Json = dict[str, Any]


async def apply(call: Call) -> Response:
    force = options.check_apply(call.request)
    configuration = read(call)
    kind, versions = call.kind, versions_of(call.resource, call.route.subresource)
    check(configuration, versions, call.resource.kind)
    manager = Manager.who_applies(call.request.parameter("fieldManager") or "", call.route.subresource)

    def over(live: Json) -> Json:
        new = applied(live, configuration, manager, versions, now(), force=force)
        _check_name(call, new["metadata"])
        return new

    for _ in range(TRIES):
        try:
            if call.route.subresource or call.api.registry.find(call.resource, call.namespace, call.name) is not None:
                return await change(call, lambda old: kind.stored(over(kind.served(old))))
            return await _create(call, over({}))
        except ApiError as error:  # made, or gone, in between
            if not error.is_already_exists and (not error.is_not_found or call.route.subresource):
                raise
    raise conflict(call.resource, call.name)


async def _create(call: Call, new: Json) -> Response:
    """Raises ApiError (403) for who may patch and not create."""
    resource, metadata = call.resource, new["metadata"]
    namespace = call.namespace or (call.name if resource.plural == "namespaces" else "")
    asked = Attributes("create", resource.group, resource.plural, "", namespace, call.name)
    call.api.authorizer.check(call.user, asked)
    if metadata.get("uid"):
        why = f"uid mismatch: the provided object specified uid {metadata['uid']}, and no existing object was found"
        raise conflict(resource, call.name, why)
    metadata.pop("resourceVersion", None)
    entries = metadata.pop("managedFields", None)
    entry = await create_object(call, call.kind.stored(new), entries)
    return of_object(call, entry, 201) if isinstance(entry, dict) else of_entry(call, entry, 201)


def read(call: Call) -> Json:
    """The configuration: JSON or YAML. Raises ApiError (400)."""
    data = negotiation.body_of(call.request)
    try:
        try:
            given = msgspec.json.decode(data)
            repeated = duplicate_fields(data)
        except msgspec.DecodeError:
            given, repeated = yaml.parse(data), []
    except (yaml.YamlError, ValueError, RecursionError) as error:
        raise bad_request(f"error decoding patch: {error}") from error
    if not isinstance(given, dict):
        what = "array" if isinstance(given, list) else "string" if isinstance(given, str) else "number"
        raise bad_request(
            "error decoding patch: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal "
            f"{what} into Go value of type map[string]interface {{}}"
        )
    validation = call.request.parameter("fieldValidation")
    if repeated and validation == "Strict":
        raise bad_request("error strict decoding patch: " + ", ".join(repeated))
    if repeated and validation != "Ignore":
        call.warnings += repeated
    return given


def _check_name(call: Call, metadata: Json) -> None:
    name, namespace = metadata.get("name"), metadata.get("namespace")
    if not name:
        raise bad_request(
            f"the name of the object ({call.name} based on URL) was undeterminable: name must be provided"
        )
    if name != call.name:
        raise bad_request(f"the name of the object ({name}) does not match the name on the URL ({call.name})")
    if call.namespace and namespace and namespace != call.namespace:
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
