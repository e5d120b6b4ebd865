"""Changes as they happen: from a revision, or from the state of now; bookmarks; 410 where the past is forgotten."""

import asyncio
import random
from collections.abc import Sequence
from typing import Any

import msgspec

from fairlead.api.status import bad_request, expired
from fairlead.apiserver import websockets
from fairlead.apiserver.answers import as_table, partial
from fairlead.apiserver.call import Call
from fairlead.apiserver.entry import Entry
from fairlead.apiserver.verbs.matching import matcher, prefix
from fairlead.apiserver.watchcache import Event
from fairlead.http.server import Stream, StreamWriter, Upgrade

SLOWEST = 16 << 20  # bytes that a watcher may be behind before it is dropped
BOOKMARK_SECONDS = 60.0
SHORTEST_SECONDS = 1800  # a watch without `timeoutSeconds` ends after once to twice this


async def watch(call: Call) -> Stream | Upgrade:
    stream = Stream(_Watch(call).run)
    return websockets.events(call.request, stream) if websockets.is_asked(call.request) else stream


class _Watch:
    def __init__(self, call: Call) -> None:
        self._call = call
        self._cache = call.api.registry.cache
        self._shelf = self._cache.shelf(call.resource.prefix)
        self._prefix = prefix(call)
        self._matches = matcher(call)
        self._plain = call.form.shape == "object" and call.resource.storage is None
        self._columns_sent = False
        self._revision = self._cache.revision
        self._ended = asyncio.Event()
        self._from = _revision(call)
        self._initial = call.request.flag("sendInitialEvents")
        self._bookmarks = call.request.flag("allowWatchBookmarks")
        seconds = call.request.parameter("timeoutSeconds")
        self._seconds = float(seconds) if seconds else SHORTEST_SECONDS * random.uniform(1, 2)

    async def run(self, writer: StreamWriter) -> None:
        """From subscribing to the last initial event nothing is awaited, so no change comes between."""

        def push(events: Sequence[Event]) -> None:
            lines = self._lines(events)
            self._revision = events[-1].revision
            if lines:
                writer.write(lines)
                if writer.buffered > SLOWEST:
                    self._ended.set()

        first = self._first()
        if first is None:
            error = expired(f"too old resource version: {self._from} ({self._shelf.floor})").to_status()
            writer.write(msgspec.json.encode({"type": "ERROR", "object": error}) + b"\n")
            return
        self._shelf.watchers[push] = self._prefix
        try:
            writer.write(first)
            async with asyncio.timeout(self._seconds):
                while not self._ended.is_set():
                    try:
                        async with asyncio.timeout(BOOKMARK_SECONDS):
                            await self._ended.wait()
                    except TimeoutError:
                        if self._bookmarks:
                            writer.write(self._bookmark({}))
        except TimeoutError:
            if self._bookmarks:
                writer.write(self._bookmark({}))
        finally:
            del self._shelf.watchers[push]

    def _first(self) -> bytes | None:
        """What a new watcher is told at once; None: its revision is forgotten."""
        if self._initial or not self._from:
            state = self._state()
            if self._initial and self._bookmarks:
                state += self._bookmark({"k8s.io/initial-events-end": "true"})
            return state
        if self._from < self._shelf.floor:
            return None
        return self._lines([e for e in self._shelf.since(self._from) if e.subject.key.startswith(self._prefix)])

    def _state(self) -> bytes:
        entries = self._shelf.slice(self._shelf.span(self._prefix))
        return b"".join(
            self._line("ADDED", entry, None) for entry in entries if self._matches is None or self._matches(entry)
        )

    def _lines(self, events: Sequence[Event]) -> bytes:
        lines = []
        for event in events:
            type_ = event.type_for(self._matches)
            if type_ is not None:
                lines.append(self._line(type_, event.object_for(type_), event))
        return b"".join(lines)

    def _line(self, type_: str, entry: Entry, event: Event | None) -> bytes:
        if self._plain:
            if event is not None:
                return event.line(type_)
            return b'{"type":"%b","object":%b}\n' % (type_.encode(), entry.body)
        obj = entry.decode()
        if self._call.form.shape == "table":
            answer = as_table(self._call, [obj], {"resourceVersion": str(entry.revision)})
            if self._columns_sent:
                answer["columnDefinitions"] = None  # as Kubernetes: they come with the first row only
            self._columns_sent = True
        elif self._call.form.shape == "object":
            answer = self._call.kind.served(obj)
        else:
            answer = partial(obj, self._call.form.version)
        return msgspec.json.encode({"type": type_, "object": answer}) + b"\n"

    def _bookmark(self, annotations: dict[str, str]) -> bytes:
        resource = self._call.resource
        metadata: dict[str, Any] = {"resourceVersion": str(self._cache.revision), "creationTimestamp": None}
        if annotations:
            metadata["annotations"] = annotations
        obj: dict[str, Any] = {"kind": resource.kind, "apiVersion": resource.group_version, "metadata": metadata}
        if self._call.form.shape == "table":
            obj = as_table(self._call, [], {"resourceVersion": str(self._cache.revision)})
            obj["rows"] = [{"cells": [], "object": partial({"metadata": metadata}, self._call.form.version)}]
        elif self._call.form.shape != "object":
            obj = partial(obj, self._call.form.version)
        return msgspec.json.encode({"type": "BOOKMARK", "object": obj}) + b"\n"


def _revision(call: Call) -> int:
    text = call.request.parameter("resourceVersion") or "0"
    if not text.isdigit():
        raise bad_request(
            f'resourceVersion: Invalid value: "{text}": strconv.ParseUint: parsing "{text}": invalid syntax'
        )
    return int(text)
