"""The controller of Jobs against the real API server."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fairlead.client.rest import Client
from fairlead.controllers.context import Context
from fairlead.controllers.garbage import GarbageCollector
from fairlead.controllers.job import JobController
from tests.unit.api_server import api_server, until

Json = dict[str, Any]
JOBS = "jobs.batch"


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Client]:
    async with api_server(tmp_path) as client:
        context = Context(client)
        controllers = (JobController(context), GarbageCollector(context))
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(context.run())]
            await context.synced()
            running += [tasks.create_task(each.run()) for each in controllers]
            yield client
            for task in running:
                task.cancel()


def job(**spec: Any) -> Json:
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "busybox"}]}}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "pi", "namespace": "default"},
        "spec": {"template": template, **spec},
    }


async def pods(api: Client, count: int) -> list[Json]:
    async def there() -> list[Json] | None:
        found = (await api.list("pods", type=dict, namespace="default", label_selector="job-name=pi")).items
        return found if len(found) == count else None

    found: list[Json] = await until(there)
    return found


async def finish(api: Client, pod: Json, phase: str) -> None:
    await api.patch(
        "pods", pod["metadata"]["name"], "default", {"status": {"phase": phase}}, subresource="status", type=dict
    )


async def ended(api: Client, type_: str) -> Json:
    async def there() -> Json | None:
        found: Json = await api.get(JOBS, "pi", "default", type=dict)
        true = {each["type"] for each in found["status"].get("conditions", ()) if each["status"] == "True"}
        return found if type_ in true else None

    found: Json = await until(there)
    return found


async def test_a_job_runs_its_pods_and_completes(api: Client) -> None:
    made = await api.create(JOBS, job(completions=2, parallelism=1), "default")
    for n in (1, 2):
        running = [pod for pod in await pods(api, n) if pod["status"]["phase"] == "Pending"]
        assert len(running) == 1
        await finish(api, running[0], "Succeeded")
    found = await ended(api, "Complete")
    status = found["status"]
    assert status["succeeded"] == 2
    assert not {"active", "failed"} & status.keys()
    assert status["uncountedTerminatedPods"] == {}
    (owner,) = (await pods(api, 2))[0]["metadata"]["ownerReferences"]
    assert (owner["apiVersion"], owner["kind"], owner["uid"]) == ("batch/v1", "Job", made["metadata"]["uid"])

    async def told() -> list[Json] | None:
        events = (await api.list("events", type=dict, namespace="default")).items
        return [each for each in events if each["reason"] == "Completed"] or None

    (event,) = await until(told)
    assert (event["message"], event["involvedObject"]["apiVersion"]) == ("Job completed", "batch/v1")


async def test_a_job_that_fails_too_often_says_so(api: Client) -> None:
    await api.create(JOBS, job(backoffLimit=0), "default")
    (pod,) = await pods(api, 1)
    await finish(api, pod, "Failed")
    found = await ended(api, "Failed")
    assert found["status"]["failed"] == 1
    assert {each["reason"] for each in found["status"]["conditions"]} == {"BackoffLimitExceeded"}


async def test_a_finished_job_goes_with_its_pods_when_its_time_is_over(api: Client) -> None:
    await api.create(JOBS, job(ttlSecondsAfterFinished=0), "default")
    (pod,) = await pods(api, 1)
    await finish(api, pod, "Succeeded")

    async def gone() -> bool:
        return not any([(await api.list(each, type=dict, namespace="default")).items for each in (JOBS, "pods")])

    await until(gone)
