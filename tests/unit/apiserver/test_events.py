"""Events in both groups: one stored form, and stricter rules in events.k8s.io."""

from typing import Any

import pytest

from tests.unit.apiserver.requests import CORE, STRATEGIC, Api, cause_fields

Json = dict[str, Any]

NEW = "/apis/events.k8s.io/v1/namespaces/default/events"


def event(**more: Any) -> Json:
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": "web.1"},
        "eventTime": "2024-05-31T00:07:34.000000Z",
        "reportingController": "nginx-ingress-controller",
        "reportingInstance": "a",
        "action": "Sync",
        "reason": "CREATE",
        "note": "Ingress default/web",
        "type": "Normal",
        "regarding": {"kind": "Ingress", "namespace": "default", "name": "web"},
        **more,
    }


async def test_an_event_is_the_same_in_both_groups(api: Api) -> None:
    made = await api.create(NEW, event())
    core = await api.get("/api/v1/namespaces/default/events/web.1")
    assert (core["message"], core["involvedObject"]) == ("Ingress default/web", event()["regarding"])
    assert core["reportingComponent"] == "nginx-ingress-controller"
    assert (await api.get(f"{NEW}?fieldSelector=regarding.name%3Dweb"))["items"][0]["note"] == made["note"]
    assert (await api.get(f"{NEW}?fieldSelector=regarding.name%3Dx"))["items"] == []
    (await api("GET", f"{NEW}?fieldSelector=involvedObject.name%3Dx")).failed(400, "BadRequest")


INVALID: list[tuple[Json, list[str]]] = [
    ({"eventTime": None}, ["eventTime"]),
    ({"type": "Odd"}, ["type"]),
    ({"reportingController": ""}, ["reportingController"] * 3),
    ({"reportingInstance": "", "action": ""}, ["reportingInstance", "action"]),
    ({"reason": "r" * 129, "note": "n" * 1025}, ["reason", "message"]),
    ({"regarding": {"kind": "Node", "name": "a", "namespace": ""}, "metadata": {"name": "x"}}, []),
    ({"deprecatedCount": 1, "deprecatedSource": {"host": "a"}}, ["count", "source"]),
    ({"series": {"count": 1, "lastObservedTime": None}}, ["series.count", "series.lastObservedTime"]),
]


@pytest.mark.parametrize(("given", "fields"), INVALID)
async def test_what_the_new_group_asks_of_an_event(api: Api, given: Json, fields: list[str]) -> None:
    answer = await api("POST", NEW, event(**given))
    if not fields:
        answer.ok()
    else:
        assert answer.failed(422, "Invalid")
        assert cause_fields(answer) == fields


async def test_only_the_series_of_an_event_goes_on(api: Api) -> None:
    await api.create(NEW, event())
    series = {"series": {"count": 2, "lastObservedTime": "2024-05-31T00:08:00.000000Z"}}
    assert (await api("PATCH", f"{NEW}/web.1", series, STRATEGIC)).ok()["series"]["count"] == 2
    answer = await api("PATCH", f"{NEW}/web.1", {"note": "other", "reason": "X"}, STRATEGIC)
    assert answer.failed(422, "Invalid")
    assert cause_fields(answer) == ["reason", "message"]
    (await api("PATCH", f"{CORE}/events/web.1", {"message": "other"}, STRATEGIC)).ok()  # as it always was in core
