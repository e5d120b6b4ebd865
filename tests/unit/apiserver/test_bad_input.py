"""Every request that cannot be served is answered with Kubernetes' Status, and changes nothing."""

from typing import Any

import pytest

from tests.unit.apiserver.requests import (
    APPS,
    CORE,
    JSON,
    JSON_PATCH,
    MERGE,
    STRATEGIC,
    Api,
    cause_fields,
    config_map,
    pod,
    service,
)

MAPS = f"{CORE}/configmaps"
PROTOBUF = "application/vnd.kubernetes.protobuf"

BODIES: list[tuple[bytes, str, int, str, str]] = [
    (b'{"a":', JSON, 400, "BadRequest", "couldn't get version/kind; json parse error: unexpected end of JSON input"),
    (b"", JSON, 400, "BadRequest", "unexpected end of JSON input"),
    (b"[]", JSON, 400, "BadRequest", "json: cannot unmarshal array"),
    (b'"x"', JSON, 400, "BadRequest", "json: cannot unmarshal string"),
    (b"[" * 100_000, JSON, 400, "BadRequest", "couldn't get version/kind"),
    (b'{"a":' * 100_000, JSON, 400, "BadRequest", "couldn't get version/kind"),
    (b"kind: [", "application/yaml", 400, "BadRequest", "yaml: line"),
    (b"k8sxxxx", PROTOBUF, 400, "BadRequest", "does not appear to be a protobuf message"),
    (b"k8s\0\xff\xff\xff", PROTOBUF, 400, "BadRequest", "couldn't get version/kind"),
    (b"\xff\xfe", JSON, 400, "BadRequest", "couldn't get version/kind"),
    (b"{}", "text/plain", 415, "UnsupportedMediaType", "accepted media types include: application/json"),
    (b"a" * (3 << 20 | 1), JSON, 413, "RequestEntityTooLarge", "limit is 3145728"),
    (b'{"kind":"Pod","apiVersion":"v1"}', JSON, 400, "BadRequest", "cannot be handled as a ConfigMap"),
    (
        b'{"kind":"ConfigMap","apiVersion":"v2"}',
        JSON,
        400,
        "BadRequest",
        "does not match the expected API version (v1)",
    ),
    (b'{"data":{"a":1}}', JSON, 400, "BadRequest", "json: cannot unmarshal number into Go struct field ConfigMap.data"),
    (b'{"data":"a"}', JSON, 400, "BadRequest", "of type map[string]string"),
    (b'{"metadata":{"name":"x","namespace":"other"}}', JSON, 400, "BadRequest", "namespace of the provided object"),
    (b'{"metadata":{"name":"x","resourceVersion":"5"}}', JSON, 500, "", "resourceVersion should not be set on objects"),
]


@pytest.mark.parametrize(("body", "media", "code", "reason", "text"), BODIES)
async def test_a_body_that_is_none(api: Api, body: bytes, media: str, code: int, reason: str, text: str) -> None:
    before = (await api.get(MAPS))["items"]
    answer = await api("POST", MAPS, body, media)
    answer.failed(code, reason)
    assert text in answer.message
    assert (await api.get(MAPS))["items"] == before


OPTIONS = [
    ("POST", "dryRun=Some", "CreateOptions", "dryRun"),
    ("POST", "fieldValidation=Some", "CreateOptions", "fieldValidation"),
    ("PUT", "dryRun=Some", "UpdateOptions", "dryRun"),
    ("PATCH", "fieldManager=" + "m" * 129, "PatchOptions", "fieldManager"),
    ("DELETE", "dryRun=Some", "DeleteOptions", "dryRun"),
    ("DELETE", "propagationPolicy=Some", "DeleteOptions", "propagationPolicy"),
    ("DELETE", "propagationPolicy=Orphan&orphanDependents=true", "DeleteOptions", "propagationPolicy"),
]


@pytest.mark.parametrize(("method", "query", "kind", "field"), OPTIONS)
async def test_options_that_no_verb_has(api: Api, method: str, query: str, kind: str, field: str) -> None:
    await api.create(MAPS, config_map("there"))
    path = MAPS if method == "POST" else f"{MAPS}/there"
    body = b"" if method == "DELETE" else config_map("there")
    answer = await api(method, f"{path}?{query}", body, MERGE if method == "PATCH" else JSON)
    status = answer.failed(422, "Invalid")
    assert status["message"].startswith(f'{kind}.meta.k8s.io "" is invalid: {field}: ')
    assert cause_fields(answer) == [field]
    assert (await api.get(f"{MAPS}/there"))["metadata"]["name"] == "there"


@pytest.mark.parametrize(
    ("query", "code", "reason", "text"),
    [
        ("limit=abc", 400, "BadRequest", "limit"),
        ("limit=-1", 400, "BadRequest", "limit"),
        ("continue=zzz", 400, "BadRequest", "continue key is not valid"),
        ("labelSelector=a===b", 400, "BadRequest", "unable to parse requirement"),
        ("labelSelector=a in (b", 400, "BadRequest", "unable to parse requirement"),
        ("fieldSelector=spec.x=b", 400, "BadRequest", "field label not supported: spec.x"),
        ("resourceVersion=abc", 400, "BadRequest", "resourceVersion"),
        ("resourceVersion=999999", 504, "Timeout", "Too large resource version: 999999, current: "),
        ("resourceVersionMatch=Exact", 422, "Invalid", "forbidden unless resourceVersion is provided"),
        ("resourceVersion=1&resourceVersionMatch=Foo", 422, "Invalid", 'supported values: "Exact", "NotOlderThan"'),
        ("resourceVersion=1&resourceVersionMatch=Exact", 410, "Expired", "too old"),
        ("sendInitialEvents=true", 422, "Invalid", "sendInitialEvents is forbidden for list"),
        ("watch=1&sendInitialEvents=true", 422, "Invalid", "requires setting resourceVersionMatch to NotOlderThan"),
        ("watch=1&resourceVersion=abc", 400, "BadRequest", "strconv.ParseUint"),
    ],
)
async def test_lists_that_cannot_be(api: Api, query: str, code: int, reason: str, text: str) -> None:
    await api.create(MAPS, config_map())
    answer = await api("GET", f"{MAPS}?{query.replace(' ', '%20')}")
    answer.failed(code, reason)
    assert text in answer.message


PATCHES: list[tuple[str, Any, int, str, str]] = [
    (JSON_PATCH, [{"op": "test", "path": "/data/a", "value": "2"}], 422, "Invalid", "testing value /data/a failed"),
    (JSON_PATCH, [{"op": "remove", "path": "/data/none"}], 422, "Invalid", "missing key: /data/none"),
    (JSON_PATCH, [{"op": "fly", "path": "/data"}], 422, "Invalid", "Unexpected kind: fly"),
    (JSON_PATCH, {"op": 1}, 400, "BadRequest", "cannot unmarshal object into Go value of type jsonpatch.Patch"),
    (JSON_PATCH, [{"op": "test", "path": "/kind"}] * 10_001, 413, "RequestEntityTooLarge", "maximum operations"),
    (JSON_PATCH, [{"op": "replace", "path": "/kind", "value": "Pod"}], 400, "BadRequest", "cannot be handled"),
    (MERGE, {"data": {"a": 1}}, 400, "BadRequest", "json: cannot unmarshal number"),
    (MERGE, {"metadata": {"name": "other"}}, 422, "Invalid", "metadata.name: Invalid value"),
    (MERGE, {"metadata": {"resourceVersion": "1"}}, 409, "Conflict", "the object has been modified"),
    (MERGE, b'{"data":', 400, "BadRequest", "error decoding patch"),
    (STRATEGIC, [], 400, "BadRequest", "cannot unmarshal array"),
    (STRATEGIC, {"$patch": "fly"}, 400, "BadRequest", "Unknown patch type found: fly"),
    (JSON, {}, 415, "UnsupportedMediaType", "accepted media types include: application/json-patch+json"),
]


@pytest.mark.parametrize(("media", "body", "code", "reason", "text"), PATCHES)
async def test_patches_that_do_not_fit(api: Api, media: str, body: Any, code: int, reason: str, text: str) -> None:
    before = await api.create(MAPS, config_map(data={"a": "1"}))
    answer = await api("PATCH", f"{MAPS}/x", body, media)
    answer.failed(code, reason)
    assert text in answer.message
    assert await api.get(f"{MAPS}/x") == before


@pytest.mark.parametrize(
    ("method", "path", "code", "reason"),
    [
        ("GET", "/api/v1/nosuch", 404, "NotFound"),
        ("GET", f"{CORE}/nosuch/x", 404, "NotFound"),
        ("GET", f"{CORE}/pods/x/nosuch", 404, "NotFound"),
        ("GET", f"{MAPS}/x", 404, "NotFound"),
        ("DELETE", f"{MAPS}/x", 404, "NotFound"),
        ("PUT", MAPS, 405, "MethodNotAllowed"),
        ("PATCH", MAPS, 405, "MethodNotAllowed"),
        ("POST", f"{MAPS}/x", 405, "MethodNotAllowed"),
        ("DELETE", "/api/v1/namespaces", 405, "MethodNotAllowed"),
        ("GET", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", 405, "MethodNotAllowed"),
    ],
)
async def test_paths_and_methods_that_are_none(api: Api, method: str, path: str, code: int, reason: str) -> None:
    (await api(method, path, {})).failed(code, reason)


@pytest.mark.parametrize("path", ["/nosuch", "/apis/nosuch.io", "/apis/nosuch.io/v1/things", "/api/v9"])
async def test_paths_outside_of_every_version_are_plain(api: Api, path: str) -> None:
    answer = await api("GET", path)
    assert (answer.code, answer.body) == (404, b"404 page not found\n")


async def test_forms_that_are_not_offered(api: Api) -> None:
    (await api("GET", MAPS, accept="text/html")).failed(406, "NotAcceptable")


async def test_what_is_of_no_namespace_that_is_there(api: Api) -> None:
    answer = await api("POST", "/api/v1/namespaces/none/configmaps", config_map())
    assert answer.failed(404, "NotFound")["message"] == 'namespaces "none" not found'


@pytest.mark.parametrize("name", ["default", "kube-system", "kube-public"])
async def test_namespaces_that_the_cluster_needs_stay(api: Api, name: str) -> None:
    answer = await api("DELETE", f"/api/v1/namespaces/{name}")
    assert answer.failed(403, "Forbidden")["message"].endswith("is forbidden: this namespace may not be deleted")


async def test_unknown_and_double_fields_by_the_callers_wish(api: Api) -> None:
    body = b'{"metadata":{"name":"x"},"foo":1,"data":{"a":"1","a":"2"}}'
    strict = await api("POST", f"{MAPS}?fieldValidation=Strict", body)
    assert strict.failed(400, "BadRequest")["message"].endswith(
        'strict decoding error: unknown field "foo", duplicate field "data.a"'
    )
    warned = await api("POST", f"{MAPS}?fieldValidation=Warn&dryRun=All", body)
    assert warned.warnings == ['299 - "unknown field \\"foo\\""', '299 - "duplicate field \\"data.a\\""']
    ignored = await api("POST", f"{MAPS}?fieldValidation=Ignore", body)
    assert ignored.warnings == []
    assert ignored.ok()["data"] == {"a": "2"}
    assert "foo" not in ignored.json


async def test_changes_of_what_has_changed_since(api: Api) -> None:
    first = await api.create(MAPS, config_map(data={"a": "1"}))
    (await api("PATCH", f"{MAPS}/x", {"data": {"a": "2"}}, MERGE)).ok()
    stale = {**first, "data": {"a": "3"}}
    answer = await api("PUT", f"{MAPS}/x", stale)
    assert answer.failed(409, "Conflict")["message"] == (
        'Operation cannot be fulfilled on configmaps "x": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )
    for preconditions in ({"uid": "other"}, {"resourceVersion": first["metadata"]["resourceVersion"]}):
        (await api("DELETE", f"{MAPS}/x", {"preconditions": preconditions})).failed(409, "Conflict")
    assert (await api.get(f"{MAPS}/x"))["data"] == {"a": "2"}


INVALID: list[tuple[str, dict[str, Any], list[str]]] = [
    (MAPS, config_map(""), ["metadata.name"]),
    (MAPS, config_map("Bad_Name"), ["metadata.name"]),
    (MAPS, config_map(data={"a b": "1"}), ["data[a b]"]),
    (MAPS, config_map(data={"a": "x" * (1 << 20)}, binaryData={"b": "eA=="}), [""]),
    (f"{CORE}/pods", pod(containers=[]), ["spec.containers"]),
    (f"{CORE}/pods", pod(restartPolicy="x"), ["spec.restartPolicy"]),
    (
        f"{CORE}/pods",
        pod(containers=[{"name": "c", "image": "i"}, {"name": "c", "image": "i"}]),
        ["spec.containers[1].name"],
    ),
    (f"{CORE}/services", service(ports=[]), ["spec.ports"]),
    (f"{CORE}/services", service(ports=[{"port": 70000, "targetPort": 80}]), ["spec.ports[0].port"]),
    (f"{CORE}/services", service(ports=[{"port": 1}, {"port": 2}]), ["spec.ports[0].name", "spec.ports[1].name"]),
    (f"{CORE}/services", service("1x"), ["metadata.name"]),
    (f"{CORE}/services", service(type="Foo"), ["spec.type"]),
    (f"{CORE}/services", service(sessionAffinity="Foo"), ["spec.sessionAffinity"]),
    (f"{CORE}/services", service(clusterIP="10.96.0.999"), ["spec.clusterIPs[0]"]),
    (f"{CORE}/services", service(clusterIP="10.0.0.1"), ["spec.clusterIPs"]),
    (f"{CORE}/services", service(clusterIP="10.96.0.1"), ["spec.clusterIPs"]),
    (f"{CORE}/services", service(type="NodePort", ports=[{"port": 80, "nodePort": 80}]), ["spec.ports[0].nodePort"]),
    (f"{CORE}/services", service(type="ExternalName"), ["spec.externalName"]),
    (
        f"{APPS}/deployments",
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "x"},
            "spec": {
                "replicas": -1,
                "selector": {"matchLabels": {"a": "b"}},
                "template": {
                    "metadata": {"labels": {"a": "c"}},
                    "spec": {"containers": [{"name": "c", "image": "i"}]},
                },
            },
        },
        ["spec.replicas", "spec.template.metadata.labels"],
    ),
]


@pytest.mark.parametrize(("path", "obj", "fields"), INVALID)
async def test_objects_that_are_invalid_name_their_fields(
    api: Api, path: str, obj: dict[str, Any], fields: list[str]
) -> None:
    answer = await api("POST", path, obj)
    status = answer.failed(422, "Invalid")
    assert cause_fields(answer) == fields
    kind = obj["kind"] if "/" not in obj["apiVersion"] else f"{obj['kind']}.apps"
    assert status["message"].startswith(f'{kind} "{obj["metadata"]["name"]}" is invalid: ')


async def test_node_ports_are_refused_in_kubernetes_words(api: Api) -> None:
    ports = [{"port": 80, "nodePort": 30002}]
    await api.create(f"{CORE}/services", service("first", type="NodePort", ports=ports))
    taken = await api("POST", f"{CORE}/services", service("second", type="NodePort", ports=ports))
    assert taken.failed(422, "Invalid")["message"] == (
        'Service "second" is invalid: spec.ports[0].nodePort: Invalid value: 30002: provided port is already allocated'
    )
    low = service("third", type="NodePort", ports=[{"port": 80, "nodePort": 80}])
    assert (await api("POST", f"{CORE}/services", low)).failed(422, "Invalid")["message"] == (
        'Service "third" is invalid: spec.ports[0].nodePort: Invalid value: 80: provided port is not in the valid '
        "range. The range of valid ports is 30000-32767"
    )
    # What was refused holds nothing.
    assert [item["metadata"]["name"] for item in (await api.get(f"{CORE}/services"))["items"]] == [
        "first",
        "kubernetes",
    ]
