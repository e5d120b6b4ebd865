"""Webhooks and subresources: each is an object of its own, of which a rule must speak."""

from typing import Any

import pytest

from fairlead.apiserver.deletion import POD_GRACE
from tests.unit.apiserver.requests import APPS, CORE, MERGE, Api, pod
from tests.unit.apiserver.webhooks import CONFIG_MAPS, MUTATING, VALIDATING, Webhook, add, configuration, patch

Json = dict[str, Any]


def rule(operation: str, group: str, *resources: str) -> Json:
    return {**CONFIG_MAPS, "operations": [operation], "apiGroups": [group], "resources": list(resources)}


def deployment() -> Json:
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "nginx"}]}}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}


async def test_a_status_is_asked_about_where_a_rule_names_it(api: Api, hook: Webhook) -> None:
    await api.create(f"{CORE}/pods", pod())
    await api.create(VALIDATING, configuration(hook.client, rule("UPDATE", "", "pods/status")))
    (await api("PATCH", f"{CORE}/pods/x", {"metadata": {"labels": {"a": "b"}}}, MERGE)).ok()
    assert not hook.reviews
    (await api("PATCH", f"{CORE}/pods/x/status", {"status": {"phase": "Running"}}, MERGE)).ok()
    assert (hook.requests[0]["subResource"], hook.requests[0]["kind"]["kind"]) == ("status", "Pod")


async def test_a_scale_is_shown_as_one_and_may_be_changed(api: Api, hook: Webhook) -> None:
    await api.create(f"{APPS}/deployments", deployment())
    await api.create(MUTATING, configuration(hook.client, rule("UPDATE", "apps", "*/scale"), kind="Mutating"))
    hook.answer = lambda _: patch(add("/spec/replicas", 5))
    found = (await api("PATCH", f"{APPS}/deployments/web/scale", {"spec": {"replicas": 9}}, MERGE)).ok()
    (request,) = hook.requests
    assert request["kind"] == {"group": "autoscaling", "version": "v1", "kind": "Scale"}
    assert (request["object"]["spec"], request["oldObject"]["spec"]) == ({"replicas": 9}, {"replicas": 1})
    assert found["spec"] == {"replicas": 5}


async def test_bindings_and_evictions_can_be_refused(api: Api, hook: Webhook) -> None:
    await api.create(f"{CORE}/pods", pod())
    await api.create(VALIDATING, configuration(hook.client, rule("CREATE", "", "pods/binding", "pods/eviction")))
    hook.answer = lambda _: {"allowed": False, "status": {"message": "stay", "code": 403, "reason": "Forbidden"}}
    binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "x"}, "target": {"name": "node1"}}
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "x"}}
    for subresource, body in (("binding", binding), ("eviction", eviction)):
        answer = await api("POST", f"{CORE}/pods/x/{subresource}", body)
        assert answer.failed(403, "Forbidden")["message"].endswith("denied the request: stay")
    assert [each["kind"]["kind"] for each in hook.requests] == ["Binding", "Eviction"]
    found = await api.get(f"{CORE}/pods/x")
    assert "deletionTimestamp" not in found["metadata"]
    assert found["spec"]["terminationGracePeriodSeconds"] == POD_GRACE


@pytest.mark.parametrize(
    ("target", "options"),
    [
        (
            "exec?command=sh&command=-c&stdin=true&tty=true&container=c",
            {"kind": "PodExecOptions", "command": ["sh", "-c"], "stdin": True, "tty": True, "container": "c"},
        ),
        ("attach?stdout=true", {"kind": "PodAttachOptions", "stdout": True}),
        ("portforward?ports=80", {"kind": "PodPortForwardOptions", "ports": [80]}),
    ],
)
async def test_who_wants_into_a_pod_can_be_refused(api: Api, hook: Webhook, target: str, options: Json) -> None:
    await api.create(f"{CORE}/pods", pod(nodeName="node1"))
    await api.create(VALIDATING, configuration(hook.client, rule("CONNECT", "", "pods/*")))
    hook.answer = lambda _: {"allowed": False}
    assert (await api("POST", f"{CORE}/pods/x/{target}")).failed(400, "")
    (request,) = hook.requests
    assert request["operation"] == "CONNECT"
    assert request["object"] == {"apiVersion": "v1", **options}
    assert request["options"] is None
