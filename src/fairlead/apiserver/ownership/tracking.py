"""`metadata.managedFields` through creates, updates and patches.

Of an object that was never applied nothing is recorded and nothing is looked at (ADR 0011); once it is, every write is.
"""

import copy
import time
from typing import Any

from fairlead.api import time as api_time
from fairlead.api.ownership import managers
from fairlead.api.ownership.changes import updated
from fairlead.api.ownership.elements import MalformedError
from fairlead.api.ownership.managers import Manager, Owned
from fairlead.apiserver.call import Call
from fairlead.apiserver.options import LONGEST_MANAGER
from fairlead.apiserver.ownership.versions import versions_of
from fairlead.http.server import Request

Json = dict[str, Any]


def now() -> str:
    return api_time.render(time.time())


def manager_of(request: Request) -> str:
    """`fieldManager`, or what a client calls itself: `kubectl` of `kubectl/v1.32.0 (linux/amd64) …`."""
    if given := request.parameter("fieldManager"):
        return given
    agent = request.headers.get("user-agent", "").partition("/")[0]
    return "".join(each for each in agent if each.isprintable()).encode()[:LONGEST_MANAGER].decode(errors="ignore")


def tracked(call: Call, new: Json, old: Json) -> Json:
    """The new object, as it came and in its stored form, with its entries; both objects stay as they are."""
    before, given = old["metadata"].get("managedFields"), new["metadata"].get("managedFields")
    if not before and given is None:
        return new
    call.kind.default(new)
    metadata = {key: value for key, value in new["metadata"].items() if key != "managedFields"}
    new = {**new, "metadata": metadata}
    try:
        entries = _entries(call, new, old, _base(before or [], None if call.route.subresource else given))
    except MalformedError:  # a list that names an element twice, say: not for us to refuse
        entries = before or []
    if entries:
        metadata["managedFields"] = entries
    return new


def _base(before: list[Json], given: list[Json] | None) -> dict[Manager, Owned]:
    """Who knows of the entries may change them; who knows nothing of them leaves them alone. One empty entry is how to
    forget them."""
    if given == [{}]:
        return {}
    try:
        if given and (owners := managers.parse(given)):
            return owners
    except MalformedError:
        pass
    return managers.parse(before)


def _entries(call: Call, new: Json, old: Json, owners: dict[Manager, Owned]) -> list[Json]:
    if not owners:
        return []
    kind, versions = call.kind, versions_of(call.resource, call.route.subresource)
    manager = Manager.who_updates(manager_of(call.request), versions.request, call.route.subresource)
    return managers.render(updated(kind.served(old), kind.served(new), owners, manager, versions, now()))


def keep_times(new: Json, old: Json) -> None:
    """An update that changes nothing but the time of entries, or the order of fields, changes nothing at all."""
    entries, before = new["metadata"].get("managedFields"), old["metadata"].get("managedFields")
    if entries and before and _timeless(entries) == _timeless(before) and _rest(new) == _rest(old):
        new.clear()
        new.update(copy.deepcopy(old))


def _timeless(entries: list[Json]) -> list[Json]:
    return [{key: value for key, value in entry.items() if key != "time"} for entry in entries]


def _rest(obj: Json) -> Json:
    return {**obj, "metadata": {key: value for key, value in obj["metadata"].items() if key != "managedFields"}}
