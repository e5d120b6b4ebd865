"""Server-side apply, as clients meet it (docs/reference/using-api/server-side-apply)."""

import json
from typing import Any

import pytest

from fairlead.http.server import Peer
from tests.unit.apiserver.requests import APPS, CORE, JSON_PATCH, MERGE, Answer, Api, config_map, service
from tests.unit.apiserver.webhooks import MUTATING, Webhook, add, configuration, patch

Json = dict[str, Any]

APPLY = "application/apply-patch+yaml"
MAPS = f"{CORE}/configmaps"
NETWORKING = "/apis/networking.k8s.io"


async def apply(api: Api, target: str, obj: Json, manager: str = "a", *, force: bool = False, more: str = "") -> Answer:
    query = f"?fieldManager={manager}" + ("&force=true" if force else "") + more
    return await api("PATCH", target + query, obj, APPLY)


async def update(api: Api, target: str, patch: object, manager: str, media: str = MERGE) -> Json:
    return (await api("PATCH", f"{target}?fieldManager={manager}", patch, media)).ok()


def owned(obj: Json) -> dict[tuple[str, ...], Json]:
    """By manager, operation and, where there is one, subresource."""
    entries = obj["metadata"].get("managedFields", [])
    return {
        tuple(entry[key] for key in ("manager", "operation", "subresource") if key in entry): entry["fieldsV1"]
        for entry in entries
    }


def data(**values: Any) -> Json:
    return config_map(data=values)


def deployment(**spec: Any) -> Json:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "nginx"}]}}
    spec = {"selector": {"matchLabels": {"a": "b"}}, "template": template, **spec}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}


async def test_what_is_not_there_is_made(api: Api) -> None:
    made = await apply(api, f"{MAPS}/x", data(k="1"))
    assert made.code == 201
    (entry,) = made.json["metadata"]["managedFields"]
    assert entry.pop("time") == made.json["metadata"]["creationTimestamp"]
    assert entry == {
        "manager": "a",
        "operation": "Apply",
        "apiVersion": "v1",
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:data": {"f:k": {}}},
    }
    again = await apply(api, f"{MAPS}/x", data(k="1"))
    assert (again.code, again.json) == (200, made.json)


async def test_yaml_is_what_the_media_type_says(api: Api) -> None:
    text = b"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: x\ndata:\n  k: '1'\n"
    assert (await api("PATCH", f"{MAPS}/x?fieldManager=a", text, APPLY)).ok()["data"] == {"k": "1"}


async def test_fields_of_others_stay_and_own_ones_that_are_left_out_go(api: Api) -> None:
    await apply(api, f"{MAPS}/x", data(a="1", b="2"), "one")
    both = (await apply(api, f"{MAPS}/x", data(c="3", b="2"), "two")).ok()
    assert both["data"] == {"a": "1", "b": "2", "c": "3"}
    less = (await apply(api, f"{MAPS}/x", config_map(), "one")).ok()
    assert less["data"] == {"b": "2", "c": "3"}
    assert list(owned(less)) == [("two", "Apply")]


async def test_a_conflict_names_who_and_what(api: Api) -> None:
    await apply(api, f"{MAPS}/x", data(a="1", b="2"), "one")
    status = (await apply(api, f"{MAPS}/x", data(a="9"), "two")).failed(409, "Conflict")
    assert status["message"] == 'Apply failed with 1 conflict: conflict with "one": .data.a'
    cause = {"reason": "FieldManagerConflict", "message": 'conflict with "one"', "field": ".data.a"}
    assert status["details"] == {"causes": [cause]}
    several = (await apply(api, f"{MAPS}/x", data(a="9", b="9"), "two")).failed(409, "Conflict")
    assert several["message"] == 'Apply failed with 2 conflicts: conflicts with "one":\n- .data.a\n- .data.b'
    forced = (await apply(api, f"{MAPS}/x", data(a="9"), "two", force=True)).ok()
    assert forced["data"] == {"a": "9", "b": "2"}
    assert owned(forced) == {
        ("one", "Apply"): {"f:data": {"f:b": {}}},
        ("two", "Apply"): {"f:data": {"f:a": {}}},
    }


async def test_an_update_takes_what_it_changes(api: Api) -> None:
    await apply(api, f"{MAPS}/x", data(a="1", b="2"), "one")
    changed = await update(api, f"{MAPS}/x", {"data": {"a": "3", "c": "4"}}, "editor")
    assert owned(changed) == {
        ("one", "Apply"): {"f:data": {"f:b": {}}},
        ("editor", "Update"): {"f:data": {"f:a": {}, "f:c": {}}},
    }
    message = (await apply(api, f"{MAPS}/x", data(a="1"), "one")).failed(409, "Conflict")["message"]
    assert message == 'Apply failed with 1 conflict: conflict with "editor" using v1: .data.a'


async def test_who_does_not_say_is_known_by_the_user_agent(api: Api) -> None:
    await apply(api, f"{MAPS}/x", data(a="1"), "one")
    agent = {"user-agent": "controller/v1 (linux)"}
    changed = (await api("PATCH", f"{MAPS}/x", {"data": {"b": "3"}}, MERGE, headers=agent)).ok()
    assert ("controller", "Update") in owned(changed)
    silent = (await api("PATCH", f"{MAPS}/x", {"data": {"c": "3"}}, MERGE)).ok()
    assert ("unknown", "Update") in owned(silent)


async def test_what_was_never_applied_is_not_tracked(api: Api) -> None:
    made = await api.create(f"{MAPS}?fieldManager=kubectl-create", data(a="1"))
    assert "managedFields" not in made["metadata"]
    assert "managedFields" not in (await update(api, f"{MAPS}/x", {"data": {"b": "2"}}, "editor"))["metadata"]
    applied = (await apply(api, f"{MAPS}/x", data(a="1"))).ok()
    assert owned(applied) == {
        ("a", "Apply"): {"f:data": {"f:a": {}}},
        ("before-first-apply", "Update"): {"f:data": {".": {}, "f:a": {}, "f:b": {}}},
    }


async def test_lists_merge_by_their_keys(api: Api) -> None:
    path = f"{CORE}/services/x"
    await apply(api, path, service(ports=[{"name": "a", "port": 80}], selector={"a": "b"}), "one")
    ports = [{"name": "b", "port": 443, "protocol": "TCP"}]
    both = (await apply(api, path, service(ports=ports), "two")).ok()
    assert [(port["name"], port["port"]) for port in both["spec"]["ports"]] == [("a", 80), ("b", 443)]
    assert owned(both)[("two", "Apply")]["f:spec"]["f:ports"] == {
        'k:{"port":443,"protocol":"TCP"}': {".": {}, "f:name": {}, "f:port": {}, "f:protocol": {}}
    }
    wrong = await apply(api, path, service(ports=[{"name": "c", "port": 80, "targetPort": 1}]), "two")
    assert 'conflict with "one": .spec.ports[port=80,protocol="TCP"].name' in wrong.failed(409, "Conflict")["message"]
    left = (await apply(api, path, service(ports=[{"name": "a", "port": 80}], selector={"c": "d"}), "one")).ok()
    assert left["spec"]["selector"] == {"c": "d"}  # one value
    assert left["spec"]["clusterIP"] == both["spec"]["clusterIP"]


async def test_a_status_has_managers_of_its_own(api: Api) -> None:
    path = f"{CORE}/services/x"
    await apply(api, path, service(type="LoadBalancer", ports=[{"port": 80}]))
    status: Json = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"}}
    status["status"] = {"loadBalancer": {"ingress": [{"ip": "203.0.113.1"}]}}
    told = (await apply(api, f"{path}/status", status, "lb")).ok()
    assert told["status"]["loadBalancer"]["ingress"][0]["ip"] == "203.0.113.1"
    assert owned(told)[("lb", "Apply", "status")] == {"f:status": {"f:loadBalancer": {"f:ingress": {}}}}
    ignored = (await apply(api, path, {**service(type="LoadBalancer"), "status": {"loadBalancer": {}}})).ok()
    assert ignored["status"] == told["status"]
    missing = {**status, "metadata": {"name": "other"}}
    (await apply(api, f"{CORE}/services/other/status", missing)).failed(404, "NotFound")


async def test_a_scale_takes_the_replicas_over(api: Api) -> None:
    path = f"{APPS}/deployments/web"
    await apply(api, path, deployment(replicas=2), "one")
    shown = (await api("GET", f"{path}/scale")).ok()
    assert owned(shown) == {("one", "Apply"): {"f:spec": {"f:replicas": {}}}}
    scale = {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "web"}, "spec": {"replicas": 5}}
    message = (await apply(api, f"{path}/scale", scale, "hpa")).failed(409, "Conflict")["message"]
    assert message == 'Apply failed with 1 conflict: conflict with "one": .spec.replicas'
    assert (await apply(api, f"{path}/scale", scale, "hpa", force=True)).ok()["spec"] == {"replicas": 5}
    scaled = await api.get(path)
    assert owned(scaled)[("hpa", "Apply", "scale")] == {"f:spec": {"f:replicas": {}}}
    assert "f:replicas" not in owned(scaled)[("one", "Apply")]["f:spec"]
    assert (await apply(api, path, deployment(), "one")).ok()["spec"]["replicas"] == 5
    await api("PUT", f"{path}/scale?fieldManager=me", {**scale, "spec": {"replicas": 1}})
    assert ("me", "Update", "scale") in owned(await api.get(path))


async def test_managers_of_every_version_are_heard(api: Api) -> None:
    old: Json = {
        "apiVersion": "networking.k8s.io/v1beta1",
        "kind": "Ingress",
        "metadata": {"name": "x"},
        "spec": {"backend": {"serviceName": "s", "servicePort": 80}, "rules": [{"host": "a.example"}]},
    }
    path = "namespaces/default/ingresses/x"
    await apply(api, f"{NETWORKING}/v1beta1/{path}", old, "one")
    backend = {"service": {"name": "other", "port": {"number": 80}}}
    new: Json = {**old, "apiVersion": "networking.k8s.io/v1", "spec": {"defaultBackend": backend}}
    message = (await apply(api, f"{NETWORKING}/v1/{path}", new, "two")).failed(409, "Conflict")["message"]
    assert message == 'Apply failed with 1 conflict: conflict with "one": .spec.backend.serviceName'
    (await apply(api, f"{NETWORKING}/v1/{path}", new, "two", force=True)).ok()
    both = await api.get(f"{NETWORKING}/v1/{path}")
    assert both["spec"]["defaultBackend"] == backend
    newer = {**new, "spec": {**new["spec"], "rules": [{"host": "a.example"}]}}
    kept = (await apply(api, f"{NETWORKING}/v1/{path}", newer, "one", force=True)).ok()
    assert kept["spec"]["defaultBackend"] == backend


async def test_entries_may_be_changed_and_forgotten_by_who_knows_them(api: Api) -> None:
    path = f"{MAPS}/x"
    made = (await apply(api, path, data(a="1"), "one")).ok()
    unknowing = {key: value for key, value in made["metadata"].items() if key != "managedFields"}
    assert owned((await api("PUT", path, {**made, "metadata": unknowing})).ok()) == owned(made)
    entries = [{**made["metadata"]["managedFields"][0], "manager": "other"}]
    steps = [{"op": "replace", "path": "/metadata/managedFields", "value": entries}]
    assert list(owned(await update(api, path, steps, "kubectl", JSON_PATCH))) == [("other", "Apply")]
    forms: list[list[Json]] = [[], [{}]]
    for empty in forms:
        (await apply(api, path, data(a="1"), "one")).ok()
        forgotten = await update(api, path, {"metadata": {"managedFields": empty}}, "kubectl")
        assert "managedFields" not in forgotten["metadata"]


async def test_a_dry_run_of_an_apply_stores_nothing(api: Api) -> None:
    assert (await apply(api, f"{MAPS}/x", data(a="1"), more="&dryRun=All")).code == 201
    (await api("GET", f"{MAPS}/x")).failed(404, "NotFound")
    made = (await apply(api, f"{MAPS}/x", data(a="1"))).ok()
    assert (await apply(api, f"{MAPS}/x", data(a="2"), more="&dryRun=All")).ok()["data"] == {"a": "2"}
    assert await api.get(f"{MAPS}/x") == made


LAST = "kubectl.kubernetes.io/last-applied-configuration"


async def test_kubectl_takes_over_what_it_applied_by_itself(api: Api) -> None:
    known = data(a="1", b="2")
    annotated = {**known, "metadata": {"name": "x", "annotations": {LAST: json.dumps(known)}}}
    await api.create(f"{MAPS}?fieldManager=kubectl-client-side-apply", annotated)
    (await api("PATCH", f"{MAPS}/x?fieldManager=other", {"data": {"c": "3"}}, MERGE)).ok()
    taken = (await apply(api, f"{MAPS}/x", data(a="9"), "kubectl")).ok()
    assert taken["data"] == {"a": "9", "b": "2", "c": "3"}
    client_side = owned(taken)[("kubectl-client-side-apply", "Update")]
    assert client_side["f:data"] == {"f:b": {}}
    assert client_side["f:metadata"]["f:annotations"] == {f"f:{LAST}": {}}  # by which kubectl finds it
    assert json.loads(taken["metadata"]["annotations"][LAST]) == data(a="9")
    others = await apply(api, f"{MAPS}/x", data(c="9"), "kubectl")
    assert 'conflict with "before-first-apply" using v1: .data.c' in others.failed(409, "Conflict")["message"]


@pytest.mark.parametrize(
    ("query", "obj", "code", "reason", "message"),
    [
        ("", data(), 422, "Invalid", "fieldManager: Required value: is required for apply patch"),
        ("fieldManager=a", {**data(), "kind": "Pod"}, 400, "BadRequest", "invalid object type: /v1, Kind=Pod"),
        (
            "fieldManager=a",
            config_map("y"),
            400,
            "BadRequest",
            "the name of the object (y) does not match the name on the URL (x)",
        ),
        (
            "fieldManager=a",
            {**data(), "metadata": {"name": "x", "managedFields": []}},
            400,
            "BadRequest",
            "metadata.managedFields must be nil",
        ),
        (
            "fieldManager=a",
            {**data(), "foo": 1},
            500,
            "",
            "failed to create typed patch object (/x; /v1, Kind=ConfigMap): .foo: field not declared in schema",
        ),
        ("fieldManager=a", data(a=1), 500, "", ".data.a: expected string, got &value.valueUnstructured{Value:1}"),
        ("fieldManager=a", b"[]", 400, "BadRequest", "error decoding patch: "),
        ("fieldManager=a", b"{", 400, "BadRequest", "error decoding patch: "),
    ],
)
async def test_what_cannot_be_applied(api: Api, query: str, obj: object, code: int, reason: str, message: str) -> None:
    answer = await api("PATCH", f"{MAPS}/x?{query}", obj, APPLY)
    assert message in answer.failed(code, reason)["message"]


async def test_only_an_apply_is_forced_and_only_yaml_applied(api: Api) -> None:
    await api.create(MAPS, data())
    (await api("PATCH", f"{MAPS}/x?force=true", {}, MERGE)).failed(422, "Invalid")
    cbor = await api("PATCH", f"{MAPS}/x?fieldManager=a", b"\xa0", "application/apply-patch+cbor")
    cbor.failed(415, "UnsupportedMediaType")


async def test_who_may_patch_may_not_therefore_create(api: Api) -> None:
    role: Json = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "r"}}
    role["rules"] = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["patch", "get"]}]
    rbac = "/apis/rbac.authorization.k8s.io/v1/namespaces/default"
    await api.create(f"{rbac}/roles", role)
    binding = {**role, "kind": "RoleBinding", "subjects": [{"kind": "User", "name": "u"}]}
    del binding["rules"]
    binding["roleRef"] = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"}
    await api.create(f"{rbac}/rolebindings", binding)
    user = api.by(Peer("127.0.0.1", "u", ()))
    (await apply(user, f"{MAPS}/x", data(a="1"))).failed(403, "Forbidden")
    await apply(api, f"{MAPS}/x", data(a="1"))
    (await apply(user, f"{MAPS}/x", data(b="1"))).ok()


async def test_an_update_that_changes_nothing_leaves_the_times_alone(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    path = f"{APPS}/deployments/web"
    limits = {"resources": {"limits": {"cpu": "1000m"}}}
    wanted = deployment()
    wanted["spec"]["template"]["spec"]["containers"][0] |= limits  # "1", as it is stored
    made = (await apply(api, path, wanted)).ok()
    monkeypatch.setattr("fairlead.apiserver.ownership.tracking.time.time", lambda: 4e9)
    assert (await apply(api, path, wanted)).ok() == made
    changed = deployment()
    changed["spec"]["template"]["spec"]["containers"][0]["image"] = "nginx:2"
    again = (await apply(api, path, changed)).ok()
    assert again["metadata"]["managedFields"][0]["time"].startswith("2096-")
    assert again["metadata"]["generation"] == 2


async def test_webhooks_have_no_say_in_who_manages(api: Api, hook: Webhook) -> None:
    await api.create(MUTATING, configuration(hook.client, kind="Mutating"))
    hook.answer = lambda _: patch({"op": "remove", "path": "/metadata/managedFields"}, add("/data/hook", "1"))
    made = (await apply(api, f"{MAPS}/x", data(a="1"))).ok()
    assert owned(made) == {("a", "Apply"): {"f:data": {"f:a": {}}}}
    changed = (await apply(api, f"{MAPS}/x", data(b="1"))).ok()
    assert changed["data"] == {"b": "1", "hook": "1"}
    assert owned(changed) == {("a", "Apply"): {"f:data": {"f:b": {}}}}
