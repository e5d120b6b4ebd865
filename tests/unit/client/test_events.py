"""Events: repeats are counted on one object, and nothing that goes wrong with them hurts who records them."""

import asyncio
from typing import Any

from fairlead.api.status import ApiError
from fairlead.client.events import WAITING, Recorder

Json = dict[str, Any]
POD = {"kind": "Pod", "namespace": "dev", "name": "web", "uid": "u1", "resourceVersion": "5"}


class Server:
    """As much of a Client as recording needs."""

    def __init__(self) -> None:
        self.events: dict[str, Json] = {}
        self.broken: Exception | None = None

    async def create(self, resource: str, obj: Json, namespace: str) -> Json:
        if self.broken is not None:
            raise self.broken
        assert (resource, namespace) == ("events", obj["metadata"]["namespace"])
        self.events[obj["metadata"]["name"]] = obj
        return obj

    async def patch(self, resource: str, name: str, namespace: str, body: Json, **_: object) -> Json:
        if name not in self.events:
            raise ApiError(404, "NotFound", "gone")
        self.events[name] = {**self.events[name], **body}
        return self.events[name]


async def recorded(server: Server, *events: tuple[Json, str, str]) -> None:
    recorder = Recorder(server, "replicaset-controller")  # type: ignore[arg-type]  # a fake
    running = asyncio.create_task(recorder.run())
    for involved, reason, text in events:
        recorder.event(involved, "Normal", reason, text)
    await asyncio.sleep(0.02)
    assert not running.done()
    running.cancel()


async def test_an_event_says_who_what_and_when() -> None:
    server = Server()
    await recorded(server, (POD, "Created", "text"))
    (event,) = server.events.values()
    assert event["metadata"]["name"].startswith("web.")
    assert event["metadata"]["namespace"] == "dev"
    assert event["involvedObject"] == POD
    assert (event["type"], event["reason"], event["message"], event["count"]) == ("Normal", "Created", "text", 1)
    assert event["source"] == {"component": "replicaset-controller"}
    assert event["firstTimestamp"] == event["lastTimestamp"]


async def test_a_repeat_is_counted_though_the_object_changed_and_another_is_not() -> None:
    server = Server()
    later, namesake = {**POD, "resourceVersion": "9"}, {**POD, "uid": "u2"}
    await recorded(server, (POD, "A", "x"), (later, "A", "x"), (POD, "A", "y"), (POD, "B", "x"), (namesake, "A", "x"))
    assert sorted(event["count"] for event in server.events.values()) == [1, 1, 1, 2]


async def test_events_of_what_has_no_namespace_are_in_default() -> None:
    server = Server()
    await recorded(server, ({"kind": "Node", "name": "n"}, "A", "x"))
    assert next(iter(server.events.values()))["metadata"]["namespace"] == "default"


async def test_a_server_that_fails_or_talks_nonsense_stops_nothing() -> None:
    for fault in (ApiError(403, "Forbidden", ""), OSError(), EOFError(), ValueError("nonsense")):
        server = Server()
        server.broken = fault
        await recorded(server, (POD, "A", "x"))


async def test_a_flood_is_dropped_not_waited_for() -> None:
    recorder = Recorder(Server(), "x")  # type: ignore[arg-type]  # a fake
    for number in range(WAITING + 10):
        recorder.event(POD, "Normal", "A", str(number))
