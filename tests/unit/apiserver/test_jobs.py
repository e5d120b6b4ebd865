"""Jobs as the API has them: defaults, labels, what may change, what is refused, how they are printed."""

from typing import Any

import pytest

from tests.unit.apiserver.requests import MERGE, Api, cause_fields

Json = dict[str, Any]

JOBS = "/apis/batch/v1/namespaces/default/jobs"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


def job(*, template: Json | None = None, **spec: Any) -> Json:
    pod = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "busybox"}], **(template or {})}
    wanted = {"template": {"metadata": {"labels": {"app": "pi"}}, "spec": pod}, **spec}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "pi"}, "spec": wanted}


async def test_a_job_gets_defaults_and_its_pods_are_known_by_its_uid(api: Api) -> None:
    made = await api.create(JOBS, job())
    spec, uid = made["spec"], made["metadata"]["uid"]
    assert (spec["completions"], spec["parallelism"], spec["backoffLimit"]) == (1, 1, 6)
    assert (spec["completionMode"], spec["suspend"], spec["manualSelector"]) == ("NonIndexed", False, False)
    assert spec["podReplacementPolicy"] == "TerminatingOrFailed"
    assert spec["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}
    assert spec["template"]["metadata"]["labels"] == {
        "app": "pi",
        "batch.kubernetes.io/controller-uid": uid,
        "batch.kubernetes.io/job-name": "pi",
        "controller-uid": uid,
        "job-name": "pi",
    }
    assert made["metadata"]["labels"] == {"app": "pi"}
    assert made["metadata"]["generation"] == 1


async def test_a_queue_of_work_has_no_number_of_completions(api: Api) -> None:
    assert "completions" not in (await api.create(JOBS, job(parallelism=3)))["spec"]


async def test_users_may_select_pods_themselves_if_they_say_so(api: Api) -> None:
    selector = {"matchLabels": {"app": "pi"}}
    made = await api.create(JOBS, job(selector=selector, manualSelector=True))
    assert made["spec"]["selector"] == selector
    assert made["spec"]["template"]["metadata"]["labels"] == {"app": "pi"}
    answer = await api("POST", JOBS, job(selector=selector) | {"metadata": {"name": "other"}})
    assert cause_fields(answer) == ["spec.selector"]


REFUSED: list[tuple[Json, str, str]] = [
    (
        job(template={"restartPolicy": "Always"}),
        "spec.template.spec.restartPolicy",
        'valid values: "OnFailure", "Never"',
    ),
    (job(backoffLimit=-1), "spec.backoffLimit", "must be greater than or equal to 0"),
    (job(completions=-1), "spec.completions", "must be greater than or equal to 0"),
    (job(completionMode="Indexed", completions=2), "spec.completionMode", "Indexed Jobs are not run by this cluster"),
    (job(podReplacementPolicy="Later"), "spec.podReplacementPolicy", "supported values"),
    (job(managedBy="example.com/x"), "spec.managedBy", "not served"),
]


@pytest.mark.parametrize(("wanted", "field", "text"), REFUSED)
async def test_a_job_that_cannot_be(api: Api, wanted: Json, field: str, text: str) -> None:
    answer = await api("POST", JOBS, wanted)
    assert answer.failed(422, "Invalid")
    assert cause_fields(answer) == [field]
    assert text in answer.message


async def test_what_a_job_runs_cannot_be_changed_but_how_many_at_once_can(api: Api) -> None:
    await api.create(JOBS, job())
    answer = await api("PATCH", f"{JOBS}/pi", {"spec": {"completions": 2}}, MERGE)
    assert answer.failed(422, "Invalid")
    assert "spec.completions: Invalid value: 2: field is immutable" in answer.message
    changed = (await api("PATCH", f"{JOBS}/pi", {"spec": {"parallelism": 2}}, MERGE)).ok()
    assert changed["metadata"]["generation"] == 2


CELLS: list[tuple[Json, Json, list[str]]] = [
    ({}, {}, ["Running", "0/1", ""]),
    ({"parallelism": 3}, {"succeeded": 1}, ["Running", "1/1 of 3", ""]),
    (
        {"completions": 3},
        {
            "succeeded": 3,
            "startTime": "2026-01-01T00:00:00Z",
            "completionTime": "2026-01-01T00:02:05Z",
            "conditions": [
                {"type": "SuccessCriteriaMet", "status": "True"},
                {"type": "Complete", "status": "True"},
            ],
        },
        ["Complete", "3/3", "2m5s"],
    ),
    ({}, {"conditions": [{"type": "Failed", "status": "True"}]}, ["Failed", "0/1", ""]),
    ({"suspend": True}, {"conditions": [{"type": "Suspended", "status": "True"}]}, ["Suspended", "0/1", ""]),
]


@pytest.mark.parametrize(("spec", "status", "cells"), CELLS)
async def test_a_job_is_printed_as_kubectl_knows_it(api: Api, spec: Json, status: Json, cells: list[str]) -> None:
    await api.create(JOBS, job(**spec))
    (await api("PATCH", f"{JOBS}/pi/status", {"status": status}, MERGE)).ok()
    table = (await api("GET", JOBS, accept=TABLE)).ok()
    names = [column["name"] for column in table["columnDefinitions"]]
    assert names == ["Name", "Status", "Completions", "Duration", "Age", "Containers", "Images", "Selector"]
    assert table["rows"][0]["cells"][1:4] == cells


async def test_a_deletion_that_says_nothing_of_pods_leaves_them(api: Api) -> None:
    await api.create(JOBS, job())
    marked = (await api("DELETE", f"{JOBS}/pi")).ok()
    assert marked["metadata"]["finalizers"] == ["orphan"]
    await api.create(JOBS, job() | {"metadata": {"name": "other"}})
    gone = (await api("DELETE", f"{JOBS}/other?propagationPolicy=Background")).ok()
    assert gone["status"] == "Success"
