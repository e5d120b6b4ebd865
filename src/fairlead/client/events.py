"""Events about objects, recorded as client-go does: repeats are counted on one object, never waited for."""

import asyncio
import logging
import time
from collections import OrderedDict
from typing import Any

from fairlead.api import time as api_time
from fairlead.api.status import ApiError
from fairlead.client.rest import Client

log = logging.getLogger(__name__)

Json = dict[str, Any]
REMEMBERED = 1024  # events that a repeat is counted on
WAITING = 1000  # events not sent yet; more are dropped


def reference(obj: Any, kind: str, api_version: str, field_path: str = "") -> Json:
    """The involvedObject of an event about a typed object."""
    metadata = obj.metadata
    found = {
        "kind": kind,
        "apiVersion": api_version,
        "namespace": metadata.namespace,
        "name": metadata.name,
        "uid": metadata.uid,
        "resourceVersion": metadata.resource_version,
        "fieldPath": field_path,
    }
    return {key: value for key, value in found.items() if value}


class Recorder:
    """`run` sends what `event` queued."""

    def __init__(self, client: Client, component: str, host: str = "") -> None:
        self._client = client
        self._component = component
        self._host = host
        self._queue: asyncio.Queue[Json] = asyncio.Queue(WAITING)
        self._known: OrderedDict[tuple[str, ...], Json] = OrderedDict()
        self._forbidden = False  # the last one

    def event(self, involved: Json, type_: str, reason: str, message: str) -> None:
        try:
            self._queue.put_nowait(
                {"involved": involved, "type": type_, "reason": reason, "message": message, "at": time.time()}
            )
        except asyncio.QueueFull:
            log.warning("event dropped: %s %s", reason, message)

    async def record(self, involved: Json, type_: str, reason: str, message: str) -> None:
        """At once, for who ends then. Raises ApiError, OSError."""
        await self._send({"involved": involved, "type": type_, "reason": reason, "message": message, "at": time.time()})

    async def run(self) -> None:
        while True:
            wanted = await self._queue.get()
            try:
                await self._send(wanted)
                self._forbidden = False
            except (ApiError, OSError, EOFError) as error:
                forbidden = isinstance(error, ApiError) and error.code == 403
                once = logging.WARNING if forbidden and not self._forbidden else logging.DEBUG
                log.log(once, "event not recorded: %s", error)
                self._forbidden = forbidden
            except Exception:  # an event is never worth the part that records it
                log.exception("event not recorded")

    async def _send(self, wanted: Json) -> None:
        involved, now = wanted["involved"], api_time.render(wanted["at"])
        identity = {key: value for key, value in involved.items() if key != "resourceVersion"}
        key = (*map(str, identity.values()), wanted["type"], wanted["reason"], wanted["message"])
        known = self._known.get(key)
        if known is not None:
            body = {"count": known["count"] + 1, "lastTimestamp": now}
            name, namespace = known["metadata"]["name"], known["metadata"]["namespace"]
            try:
                self._known[key] = await self._client.patch("events", name, namespace, body, type=dict[str, Any])
                self._known.move_to_end(key)
                return
            except ApiError as error:
                if not error.is_not_found:
                    raise
        self._known[key] = await self._client.create(
            "events", self._event(wanted, now), involved.get("namespace") or "default"
        )
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)

    def _event(self, wanted: Json, now: str) -> Json:
        involved = wanted["involved"]
        source = {"component": self._component} | ({"host": self._host} if self._host else {})
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {
                "name": f"{involved['name']}.{int(wanted['at'] * 1e9):x}",
                "namespace": involved.get("namespace") or "default",
            },
            "involvedObject": involved,
            "reason": wanted["reason"],
            "message": wanted["message"],
            "type": wanted["type"],
            "source": source,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
            "reportingComponent": self._component,
            "reportingInstance": self._host,
        }
