"""Validating admission webhooks: who is asked what, and what their answers mean for a request."""

from pathlib import Path
from typing import Any

import pytest

from tests.unit.apiserver.requests import CORE, MERGE, Api, config_map, service
from tests.unit.apiserver.webhooks import ALL, CONFIG_MAPS, VALIDATING, Webhook, configuration, webhook

Json = dict[str, Any]

MAPS = f"{CORE}/configmaps"


async def test_a_configuration_gets_kubernetes_defaults(api: Api, hook: Webhook) -> None:
    made = await api.create(VALIDATING, configuration({"service": {"name": "hook", "namespace": "default"}}))
    (found,) = made["webhooks"]
    assert made["metadata"]["generation"] == 1
    assert found["failurePolicy"] == "Fail"
    assert found["matchPolicy"] == "Equivalent"
    assert (found["namespaceSelector"], found["objectSelector"], found["timeoutSeconds"]) == ({}, {}, 10)
    assert found["rules"][0]["scope"] == "*"
    assert found["clientConfig"]["service"]["port"] == 443


async def test_a_webhook_is_told_who_wants_what(api: Api, hook: Webhook) -> None:
    await api.create(VALIDATING, configuration(hook.client))
    await api.create(f"{MAPS}?fieldManager=me", config_map(data={"a": "1"}))
    (request,) = hook.requests
    assert hook.targets == ["/check?timeout=10s"]
    assert hook.reviews[0]["apiVersion"] == "admission.k8s.io/v1"
    assert request["kind"] == {"group": "", "version": "v1", "kind": "ConfigMap"} == request["requestKind"]
    assert request["resource"] == {"group": "", "version": "v1", "resource": "configmaps"} == request["requestResource"]
    assert (request["name"], request["namespace"], request["operation"]) == ("x", "default", "CREATE")
    assert request["userInfo"]["username"] == "admin"
    assert request["object"]["data"] == {"a": "1"}
    assert request["object"]["kind"] == "ConfigMap"
    assert (request["oldObject"], request["dryRun"]) == (None, False)
    options = {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1", "fieldManager": "me"}
    assert request["options"] == options


async def test_an_update_and_a_patch_show_the_object_as_it_was(api: Api, hook: Webhook) -> None:
    made = await api.create(MAPS, config_map(data={"a": "1"}))
    await api.create(VALIDATING, configuration(hook.client))
    (await api("PUT", f"{MAPS}/x", {**made, "data": {"a": "2"}})).ok()
    (await api("PATCH", f"{MAPS}/x", {"data": {"a": "3"}}, MERGE)).ok()
    assert [each["operation"] for each in hook.requests] == ["UPDATE", "UPDATE"]
    assert [each["oldObject"]["data"]["a"] for each in hook.requests] == ["1", "2"]
    assert [each["object"]["data"]["a"] for each in hook.requests] == ["2", "3"]
    assert (await api.get(f"{MAPS}/x"))["data"] == {"a": "3"}


async def test_a_deletion_shows_what_goes(api: Api, hook: Webhook) -> None:
    await api.create(VALIDATING, configuration(hook.client, {**CONFIG_MAPS, "operations": ["DELETE"]}))
    for name in ("a", "b", "c"):
        await api.create(MAPS, config_map(name))
    (await api("DELETE", f"{MAPS}/a")).ok()
    (await api("DELETE", f"{MAPS}?fieldSelector=metadata.name=b")).ok()
    assert [(each["operation"], each["name"]) for each in hook.requests] == [("DELETE", "a"), ("DELETE", "b")]
    assert hook.requests[0]["object"] is None
    assert hook.requests[0]["oldObject"]["metadata"]["name"] == "a"
    hook.answer = lambda _: {"allowed": False}
    assert (await api("DELETE", f"{MAPS}/c")).failed(400, "")
    assert (await api.get(f"{MAPS}/c"))["metadata"]["name"] == "c"


REFUSALS: list[tuple[Json, int, str, str]] = [
    ({"status": {"message": "no cats"}}, 400, "", 'admission webhook "check.example.com" denied the request: no cats'),
    (
        {"status": {"message": "no", "reason": "Forbidden", "code": 403}},
        403,
        "Forbidden",
        'admission webhook "check.example.com" denied the request: no',
    ),
    ({"status": {"reason": "Late"}}, 400, "Late", 'admission webhook "check.example.com" denied the request: Late'),
    ({}, 400, "", 'admission webhook "check.example.com" denied the request without explanation'),
    (
        {"status": {"code": 200}},
        400,
        "",
        'admission webhook "check.example.com" denied the request without explanation',
    ),
]


@pytest.mark.parametrize(("said", "code", "reason", "message"), REFUSALS)
async def test_a_refusal_is_told_in_kubernetes_words_and_nothing_is_written(
    api: Api, hook: Webhook, said: Json, code: int, reason: str, message: str
) -> None:
    await api.create(VALIDATING, configuration(hook.client))
    hook.answer = lambda _: {"allowed": False, **said}
    answer = await api("POST", MAPS, config_map())
    assert answer.failed(code, reason)["message"] == message
    assert (await api("GET", f"{MAPS}/x")).code == 404


async def test_warnings_reach_the_client(api: Api, hook: Webhook) -> None:
    await api.create(VALIDATING, configuration(hook.client))
    hook.answer = lambda _: {"allowed": True, "warnings": ["old-fashioned"]}
    assert (await api("POST", MAPS, config_map())).warnings == ['299 - "old-fashioned"']


async def test_a_dry_run_is_asked_about_and_says_so(api: Api, hook: Webhook) -> None:
    await api.create(VALIDATING, configuration(hook.client))
    await api.create(f"{MAPS}?dryRun=All", config_map())
    assert hook.requests[0]["dryRun"] is True
    assert hook.requests[0]["options"]["dryRun"] == ["All"]


RULES: list[tuple[Json, bool]] = [
    ({}, True),
    ({"operations": ["DELETE"]}, False),
    ({"apiGroups": ["apps"]}, False),
    ({"apiVersions": ["v2"]}, False),
    ({"resources": ["*"]}, True),
    ({"resources": ["*/*"]}, True),
    ({"resources": ["configmaps/status"]}, False),
    ({"resources": ["configmaps/*"]}, True),
    ({"scope": "Cluster"}, False),
    ({"scope": "Namespaced"}, True),
]


@pytest.mark.parametrize(("change", "asked"), RULES)
async def test_rules_say_who_is_asked(api: Api, hook: Webhook, change: Json, asked: bool) -> None:
    await api.create(VALIDATING, configuration(hook.client, {**CONFIG_MAPS, **change}))
    await api.create(MAPS, config_map())
    assert bool(hook.reviews) == asked


async def test_selectors_say_who_is_asked(api: Api, hook: Webhook) -> None:
    selectors: Json = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "default"}},
        "objectSelector": {"matchLabels": {"checked": "yes"}},
    }
    await api.create(VALIDATING, configuration(hook.client, **selectors))
    await api.create(MAPS, config_map("a"))
    labelled = {"labels": {"checked": "yes"}}
    await api.create(
        "/api/v1/namespaces/kube-public/configmaps", {**config_map(), "metadata": {"name": "b", **labelled}}
    )
    assert not hook.reviews
    made = await api.create(MAPS, {**config_map(), "metadata": {"name": "c", **labelled}})
    del made["metadata"]["labels"]
    (await api("PUT", f"{MAPS}/c", made)).ok()  # what it was counts, too
    assert [each["operation"] for each in hook.requests] == ["CREATE", "UPDATE"]


async def test_a_version_that_no_rule_names_is_asked_about_in_one_that_does(api: Api, hook: Webhook) -> None:
    beta = {
        "operations": ["*"],
        "apiGroups": ["networking.k8s.io"],
        "apiVersions": ["v1beta1"],
        "resources": ["ingresses"],
    }
    await api.create(VALIDATING, configuration(hook.client, beta))
    backend = {"service": {"name": "web", "port": {"number": 80}}}
    ingress = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": "web"},
        "spec": {"defaultBackend": backend},
    }
    path = "/apis/networking.k8s.io/v1/namespaces/default/ingresses"
    await api.create(path, ingress)
    (request,) = hook.requests
    assert request["resource"]["version"] == request["kind"]["version"] == "v1beta1"
    assert request["requestResource"]["version"] == "v1"
    assert request["object"]["apiVersion"] == "networking.k8s.io/v1beta1"
    assert request["object"]["spec"]["backend"] == {"serviceName": "web", "servicePort": 80}
    exact = configuration(hook.client, beta, name="check", matchPolicy="Exact")
    (await api("PUT", f"{VALIDATING}/check", exact)).ok()
    await api.create(path, {**ingress, "metadata": {"name": "second"}})
    assert len(hook.reviews) == 1


async def test_configurations_can_always_be_changed(api: Api, hook: Webhook) -> None:
    hook.answer = lambda _: {"allowed": False}
    await api.create(VALIDATING, configuration(hook.client, ALL))
    await api.create(VALIDATING, configuration(hook.client, ALL, name="second"))
    assert (await api("POST", "/api/v1/namespaces", {"metadata": {"name": "n"}})).code == 400
    (await api("DELETE", f"{VALIDATING}/check")).ok()
    (await api("DELETE", f"{VALIDATING}/second")).ok()
    await api.create(MAPS, config_map())


async def test_a_service_is_called_by_its_name_in_the_certificate(api: Api, hook: Webhook) -> None:
    external = service("hook", "ExternalName", externalName="localhost", ports=[{"port": hook.port}])
    await api.create(f"{CORE}/services", external)
    reference = {"name": "hook", "namespace": "default", "path": "/a", "port": hook.port}
    await api.create(VALIDATING, configuration({"service": reference, "caBundle": hook.bundle}))
    await api.create(MAPS, config_map())
    assert hook.targets == ["/a?timeout=10s"]


FAILING = 'Internal error occurred: failed calling webhook "check.example.com": '
POST = f'{FAILING}failed to call webhook: Post "https://hook.default.svc:443/?timeout=10s": '


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (None, f'{POST}service "hook" not found'),
        ({"clusterIP": "None"}, f'{POST}cannot route to service with ClusterIP "None"'),
        ({}, f'{POST}no service port 443 found for service "hook"'),
    ],
)
async def test_a_service_that_cannot_be_called(api: Api, hook: Webhook, made: Json | None, message: str) -> None:
    if made is not None:
        await api.create(f"{CORE}/services", service("hook", **made))
    await api.create(VALIDATING, configuration({"service": {"name": "hook", "namespace": "default"}}))
    assert (await api("POST", MAPS, config_map())).failed(500, "InternalError")["message"] == message


async def test_who_does_not_answer_fails_the_request_unless_the_policy_is_to_ignore_that(
    api: Api, hook: Webhook
) -> None:
    closed = {"url": "https://127.0.0.1:1/check", "caBundle": hook.bundle}
    await api.create(VALIDATING, configuration(closed))
    answer = await api("POST", MAPS, config_map())
    post = 'Post "https://127.0.0.1:1/check?timeout=10s": dial tcp 127.0.0.1:1: connect: connection refused'
    assert answer.failed(500, "InternalError")["message"] == f"{FAILING}failed to call webhook: {post}"
    (await api("PUT", f"{VALIDATING}/check", configuration(closed, failurePolicy="Ignore"))).ok()
    await api.create(MAPS, config_map())


async def test_a_certificate_of_somebody_else_is_not_trusted(api: Api, hook: Webhook, tmp_path: Path) -> None:
    async with webhook(tmp_path / "other") as other:
        await api.create(VALIDATING, configuration({**hook.client, "caBundle": other.bundle}))
        answer = await api("POST", MAPS, config_map())
    assert "tls: failed to verify certificate: x509: " in answer.failed(500, "InternalError")["message"]
    assert not hook.reviews


STRANGE: list[tuple[bytes, int, str]] = [
    (b"", 404, "failed to call webhook: the server could not find the requested resource"),
    (b"oh", 500, 'failed to call webhook: an error on the server ("oh") has prevented the request from succeeding'),
    (b"<html>", 200, "failed to call webhook: couldn't get version/kind; json parse error: "),
    (b"{}", 200, "received invalid webhook response: webhook response was absent"),
    (
        b'{"apiVersion":"v1","kind":"x","response":{}}',
        200,
        (
            "received invalid webhook response: expected webhook response of admission.k8s.io/v1, "
            "Kind=AdmissionReview, got v1, Kind=x"
        ),
    ),
    (
        b'{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":"1","allowed":true}}',
        200,
        'received invalid webhook response: expected response.uid="',
    ),
]


@pytest.mark.parametrize(("body", "status", "message"), STRANGE)
async def test_an_answer_that_is_none_fails_the_request(
    api: Api, hook: Webhook, body: bytes, status: int, message: str
) -> None:
    await api.create(VALIDATING, configuration(hook.client))
    hook.answer, hook.status = (lambda _: body), status
    answer = await api("POST", MAPS, config_map())
    assert answer.failed(500, "InternalError")["message"].startswith(FAILING + message)


INVALID: list[tuple[Json, str]] = [
    ({"name": "short"}, "webhooks[0].name"),
    ({"name": ""}, "webhooks[0].name"),
    ({"sideEffects": None}, "webhooks[0].sideEffects"),
    ({"sideEffects": "Some"}, "webhooks[0].sideEffects"),
    ({"failurePolicy": "Maybe"}, "webhooks[0].failurePolicy"),
    ({"matchPolicy": "Maybe"}, "webhooks[0].matchPolicy"),
    ({"timeoutSeconds": 31}, "webhooks[0].timeoutSeconds"),
    ({"admissionReviewVersions": []}, "webhooks[0].admissionReviewVersions"),
    ({"admissionReviewVersions": ["v2"]}, "webhooks[0].admissionReviewVersions"),
    ({"matchConditions": [{"name": "a", "expression": "true"}]}, "webhooks[0].matchConditions"),
    ({"clientConfig": {}}, "webhooks[0].clientConfig"),
    ({"clientConfig": {"url": "http://a/"}}, "webhooks[0].clientConfig.url"),
    ({"clientConfig": {"url": "https://a/?b=c"}}, "webhooks[0].clientConfig.url"),
    ({"clientConfig": {"service": {"name": "", "namespace": "b"}}}, "webhooks[0].clientConfig.service.name"),
    (
        {"clientConfig": {"service": {"name": "a", "namespace": "b", "path": "c"}}},
        "webhooks[0].clientConfig.service.path",
    ),
    ({"rules": [{**CONFIG_MAPS, "operations": []}]}, "webhooks[0].rules[0].operations"),
    ({"rules": [{**CONFIG_MAPS, "operations": ["READ"]}]}, "webhooks[0].rules[0].operations[0]"),
    ({"rules": [{**CONFIG_MAPS, "apiGroups": ["*", "apps"]}]}, "webhooks[0].rules[0].apiGroups"),
    ({"rules": [{**CONFIG_MAPS, "apiVersions": [""]}]}, "webhooks[0].rules[0].apiVersions[0]"),
    ({"rules": [{**CONFIG_MAPS, "resources": ["*/*", "pods"]}]}, "webhooks[0].rules[0].resources"),
    ({"rules": [{**CONFIG_MAPS, "resources": ["pods/*", "pods/log"]}]}, "webhooks[0].rules[0].resources[1]"),
    ({"rules": [{**CONFIG_MAPS, "scope": "All"}]}, "webhooks[0].rules[0].scope"),
    ({"objectSelector": {"matchExpressions": [{"key": "a", "operator": "Is"}]}}, "webhooks[0].objectSelector"),
]


@pytest.mark.parametrize(("change", "field"), INVALID)
async def test_a_configuration_that_cannot_be(api: Api, hook: Webhook, change: Json, field: str) -> None:
    wanted = configuration(hook.client)
    wanted["webhooks"][0] = {
        key: value for key, value in {**wanted["webhooks"][0], **change}.items() if value is not None
    }
    answer = await api("POST", VALIDATING, wanted)
    assert answer.failed(422, "Invalid")
    (found,) = {cause for _, cause in answer.causes()}
    assert found.startswith(field)


async def test_a_table_shows_how_many_webhooks_there_are(api: Api, hook: Webhook) -> None:
    await api.create(VALIDATING, configuration(hook.client))
    table = (await api("GET", VALIDATING, accept="application/json;as=Table;v=v1;g=meta.k8s.io")).ok()
    assert [column["name"] for column in table["columnDefinitions"]] == ["Name", "Webhooks", "Age"]
    assert table["rows"][0]["cells"][:2] == ["check", 1]
