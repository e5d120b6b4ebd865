"""GET of many: selectors, pages. Without selectors the stored bytes are joined, nothing is decoded."""

import base64
import json
from itertools import islice
from typing import Any

from fairlead.api.status import ApiError, bad_request, expired, timed_out
from fairlead.apiserver import negotiation
from fairlead.apiserver.answers import as_table, partial
from fairlead.apiserver.call import Call
from fairlead.apiserver.entry import Entry
from fairlead.apiserver.verbs.matching import matcher, prefix
from fairlead.http.server import Response

Json = dict[str, Any]


async def list_(call: Call) -> Response:
    cache = call.api.registry.cache
    await _fresh_enough(call)
    entries, revision, next_, remaining = page(call)
    metadata: Json = {"resourceVersion": str(revision or cache.revision)}
    if next_:
        metadata["continue"] = next_
        if remaining is not None:
            metadata["remainingItemCount"] = remaining
    if call.form.shape == "object" and call.form.media == negotiation.JSON and call.resource.storage is None:
        return Response(200, _joined(call, entries, metadata))
    items = [entry.decode() for entry in entries]
    if call.form.shape == "table":
        answer = as_table(call, items, metadata)
    elif call.form.shape == "partiallist":
        version = call.form.version
        answer = {
            "kind": "PartialObjectMetadataList",
            "apiVersion": f"meta.k8s.io/{version}",
            "metadata": metadata,
            "items": [partial(item, version) for item in items],
        }
    else:
        answer = {**_head(call), "metadata": metadata, "items": [_item(call, item) for item in items]}
    return Response(200, negotiation.render(answer, call.form), call.form.media)


def page(call: Call) -> tuple[list[Entry], int, str, int | None]:
    """The entries, the revision that the whole list is of, the token of the next page, and how many remain."""
    cache = call.api.registry.cache
    shelf, beneath, matches = cache.shelf(call.resource.prefix), prefix(call), matcher(call)
    limit = _number(call, "limit")
    revision, after = _continue(call, beneath)
    places = shelf.span(beneath, after)
    if matches is None:
        entries = shelf.slice(places[:limit] if limit else places)
        remaining = len(places) - len(entries)
    else:
        matching = (entry for entry in shelf.slice(places) if matches(entry))
        entries = list(islice(matching, limit or None))
        remaining = len(shelf.span(beneath, entries[-1].key)) if limit and len(entries) == limit else 0
    if not remaining:
        return entries, revision, "", None
    revision = revision or cache.revision
    token = json.dumps({"v": "meta.k8s.io/v1", "rv": revision, "start": entries[-1].key[len(beneath) :]})
    return entries, revision, base64.urlsafe_b64encode(token.encode()).decode(), remaining if matches is None else None


def _continue(call: Call, beneath: str) -> tuple[int, str]:
    """(revision of the first page, last key given). A page shows objects as they are now: what changed since the first
    page is told by the watch that goes on from its revision, so nothing is lost."""
    token = call.request.parameter("continue")
    if not token:
        return 0, ""
    try:
        given = json.loads(base64.urlsafe_b64decode(token))
        revision, start = int(given["rv"]), str(given["start"])
    except (ValueError, KeyError, TypeError) as error:
        raise bad_request(f"continue key is not valid: {error}") from error
    if revision < call.api.registry.cache.shelf(call.resource.prefix).floor:
        raise ApiError(
            410,
            "Expired",
            "The provided continue parameter is too old to display a consistent list result. You can start a new list "
            "without the continue parameter.",
        )
    return revision, beneath + start


async def _fresh_enough(call: Call) -> None:
    """A list at a revision that is not there yet. Raises ApiError (400, 410, 504)."""
    wanted = _number(call, "resourceVersion")
    cache = call.api.registry.cache
    current = cache.revision
    if (
        call.request.parameter("resourceVersionMatch") == "Exact"
        and cache.shelf(call.resource.prefix).revision > wanted
    ):
        raise expired(f"The resourceVersion for the provided list is too old: {wanted}")
    if wanted > current:
        error = timed_out(f"Too large resource version: {wanted}, current: {current}")
        error.details = {
            "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
            "retryAfterSeconds": 1,
        }
        raise error


def _number(call: Call, parameter: str) -> int:
    text = call.request.parameter(parameter)
    if not text:
        return 0
    try:
        number = int(text)
    except ValueError:
        number = -1
    if number < 0:
        raise bad_request(f'{parameter}: Invalid value: "{text}": must be a non-negative integer')
    return number


def _head(call: Call) -> Json:
    return {"kind": f"{call.resource.kind}List", "apiVersion": call.resource.group_version}


def _item(call: Call, item: Json) -> Json:
    return {key: value for key, value in call.kind.served(item).items() if key not in ("kind", "apiVersion")}


def _joined(call: Call, entries: list[Entry], metadata: Json) -> list[bytes]:
    head = json.dumps({**_head(call), "metadata": metadata}, separators=(",", ":"))
    return [head[:-1].encode() + b',"items":[', b",".join([entry.body for entry in entries]), b"]}"]
