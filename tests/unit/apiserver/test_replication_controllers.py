"""ReplicationControllers as the API has them: defaults, what is refused, how they are scaled and printed."""

from typing import Any

from tests.unit.apiserver.requests import MERGE, Api, cause_fields

Json = dict[str, Any]

CONTROLLERS = "/api/v1/namespaces/default/replicationcontrollers"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


def controller(**spec: Any) -> Json:
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "nginx"}]}}
    spec = {"template": template, **spec}
    return {"apiVersion": "v1", "kind": "ReplicationController", "metadata": {"name": "web"}, "spec": spec}


async def test_selector_and_labels_are_the_templates_where_none_are_given(api: Api) -> None:
    made = await api.create(CONTROLLERS, controller())
    assert made["spec"]["selector"] == made["metadata"]["labels"] == {"app": "web"}
    assert made["spec"]["replicas"] == made["metadata"]["generation"] == 1
    assert made["spec"]["template"]["spec"]["restartPolicy"] == "Always"
    assert made["status"] == {"replicas": 0}


async def test_a_selector_that_does_not_match_is_refused(api: Api) -> None:
    answer = await api("POST", CONTROLLERS, controller(selector={"app": "other"}, replicas=-1))
    assert cause_fields(answer) == ["spec.replicas", "spec.template.metadata.labels"]


async def test_it_is_scaled_and_printed(api: Api) -> None:
    await api.create(CONTROLLERS, controller(replicas=3))
    scaled = (await api("PATCH", f"{CONTROLLERS}/web/scale", {"spec": {"replicas": 5}}, MERGE)).ok()
    assert (scaled["spec"], scaled["status"]) == ({"replicas": 5}, {"replicas": 0, "selector": "app=web"})
    table = (await api("GET", CONTROLLERS, accept=TABLE)).ok()
    titles = [column["name"] for column in table["columnDefinitions"]]
    assert titles == ["Name", "Desired", "Current", "Ready", "Age", "Containers", "Images", "Selector"]
    cells = table["rows"][0]["cells"]
    assert [cells[at] for at in (0, 1, 2, 3, 5, 6, 7)] == ["web", 5, 0, 0, "c", "nginx", "app=web"]
