"""Ingresses and their classes in every version that is served: one object, seen and changed through each."""

import asyncio
from typing import Any

import pytest

from fairlead.http.server import Peer, Request, Stream
from tests.unit.apiserver.requests import MERGE, STRATEGIC, Api, cause_fields

Json = dict[str, Any]

V1 = "/apis/networking.k8s.io/v1/namespaces/default/ingresses"
BETA = "/apis/networking.k8s.io/v1beta1/namespaces/default/ingresses"
EXTENSIONS = "/apis/extensions/v1beta1/namespaces/default/ingresses"
CLASSES = "/apis/networking.k8s.io/v1/ingressclasses"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


def old(version: str = "extensions/v1beta1", name: str = "web", **spec: Any) -> Json:
    paths = [{"path": "/", "backend": {"serviceName": "nginx-service", "servicePort": 80}}]
    spec = {"rules": [{"host": "nginx.itheima.com", "http": {"paths": paths}}], **spec}
    return {"apiVersion": version, "kind": "Ingress", "metadata": {"name": name}, "spec": spec}


def new(name: str = "web", path: str = "/", path_type: Any = "Prefix", host: str = "a.com", **spec: Any) -> Json:
    backend = {"service": {"name": "s", "port": {"number": 80}}}
    rule = {"host": host, "http": {"paths": [{"path": path, "pathType": path_type, "backend": backend}]}}
    spec = {"rules": [rule], **spec}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": name}, "spec": spec}


def ingress_class(name: str, controller: str = "k8s.io/ingress-nginx", **more: Any) -> Json:
    metadata = {"name": name, **more.pop("metadata", {})}
    spec = {"controller": controller, **more}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": metadata, "spec": spec}


async def test_one_object_is_seen_in_every_version(api: Api) -> None:
    made = await api("POST", EXTENSIONS, old())
    text = "extensions/v1beta1 Ingress is deprecated in v1.14+, unavailable in v1.22+; use networking.k8s.io/v1 Ingress"
    assert made.warnings == [f'299 - "{text}"']
    served = made.ok()
    assert served["apiVersion"] == "extensions/v1beta1"
    path = served["spec"]["rules"][0]["http"]["paths"][0]
    assert path == {
        "path": "/",
        "pathType": "ImplementationSpecific",
        "backend": {"serviceName": "nginx-service", "servicePort": 80},
    }
    assert served["status"] == {"loadBalancer": {}}
    stored = await api.get(f"{V1}/web")
    assert stored["apiVersion"] == "networking.k8s.io/v1"
    assert stored["metadata"] == served["metadata"]
    assert stored["spec"]["rules"][0]["http"]["paths"][0]["backend"] == {
        "service": {"name": "nginx-service", "port": {"number": 80}}
    }
    assert await api.get(f"{BETA}/web") == {**served, "apiVersion": "networking.k8s.io/v1beta1"}
    listed = await api.get(EXTENSIONS)
    assert (listed["kind"], listed["apiVersion"]) == ("IngressList", "extensions/v1beta1")
    assert [item["spec"] for item in listed["items"]] == [served["spec"]]
    (await api("POST", V1, new())).failed(409, "AlreadyExists")


async def test_a_change_through_one_version_is_one_in_all(api: Api) -> None:
    await api.create(V1, new())
    patch = {"spec": {"backend": {"serviceName": "d", "servicePort": "http"}}}
    patched = (await api("PATCH", f"{EXTENSIONS}/web", patch, STRATEGIC)).ok()
    assert patched["spec"]["backend"] == {"serviceName": "d", "servicePort": "http"}
    assert patched["metadata"]["generation"] == 2
    stored = await api.get(f"{V1}/web")
    assert stored["spec"]["defaultBackend"] == {"service": {"name": "d", "port": {"name": "http"}}}
    assert stored["spec"]["rules"] == new()["spec"]["rules"]
    status = {"status": {"loadBalancer": {"ingress": [{"ip": "10.0.0.1"}]}}}
    told = (await api("PATCH", f"{BETA}/web/status", status, MERGE)).ok()
    assert told["status"] == status["status"]
    assert told["metadata"]["generation"] == 2
    put = (await api("PUT", f"{EXTENSIONS}/web", old())).ok()
    assert put["status"] == status["status"]
    assert put["metadata"]["generation"] == 3
    gone = (await api("DELETE", f"{EXTENSIONS}/web")).ok()
    assert gone["details"] == {
        "name": "web",
        "group": "extensions",
        "kind": "ingresses",
        "uid": put["metadata"]["uid"],
    }


async def test_a_watch_tells_of_changes_in_its_version(api: Api) -> None:
    request = Request("GET", f"{EXTENSIONS}?watch=true", {"accept": "application/json"}, api.peer)
    answer = await api.server.handle(request)
    assert isinstance(answer, Stream)
    written: list[bytes] = []

    class Writer:
        buffered = 0

        def write(self, data: bytes) -> None:
            written.append(data)

    watching = asyncio.ensure_future(answer.produce(Writer()))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    await api.create(V1, new())
    watching.cancel()
    assert b'"apiVersion":"extensions/v1beta1"' in b"".join(written)
    assert b'"serviceName":"s","servicePort":80' in b"".join(written)


async def test_a_table_has_the_class_except_where_there_was_none(api: Api) -> None:
    await api.create(V1, new(ingressClassName="nginx", tls=[{"hosts": ["a.com"], "secretName": "s"}]))
    hosts = [{"host": f"{letter}.com"} for letter in "abcde"]
    await api.create(V1, new("many", rules=hosts))
    for path, columns, cells in (
        (V1, ["Name", "Class", "Hosts", "Address", "Ports", "Age"], ["web", "nginx", "a.com", "", "80, 443"]),
        (EXTENSIONS, ["Name", "Hosts", "Address", "Ports", "Age"], ["web", "a.com", "", "80, 443"]),
    ):
        table = (await api("GET", path, accept=TABLE)).ok()
        assert [column["name"] for column in table["columnDefinitions"]] == columns
        assert table["rows"][1]["cells"][:-1] == cells
        assert "a.com,b.com,c.com + 2 more..." in table["rows"][0]["cells"]
    table = (await api("GET", f"{EXTENSIONS}/web?includeObject=Object", accept=TABLE)).ok()
    assert table["rows"][0]["object"]["apiVersion"] == "extensions/v1beta1"


BACKEND = "spec.rules[0].http.paths[0].backend"
PATH = "spec.rules[0].http.paths[0].path"
INVALID: list[tuple[Json, str, str]] = [
    (new(rules=[]), "spec", "either `defaultBackend` or `rules` must be specified"),
    (new(path="a"), PATH, "must be an absolute path"),
    (new(path=""), PATH, "must be an absolute path"),
    (new(path="/a//b"), PATH, "must not contain '//'"),
    (new(path="/a/../b"), PATH, "must not contain '/../'"),
    (new(path="/a%2fb"), PATH, "must not contain '%2f'"),
    (new(path="/a/."), PATH, "cannot end with '/.'"),
    (new(path="a", path_type="ImplementationSpecific"), PATH, "must be an absolute path"),
    (new(path_type=None), f"{PATH}Type", "Required value: pathType must be specified"),
    (
        new(path_type="Regex"),
        f"{PATH}Type",
        'Unsupported value: "Regex": supported values: "Exact", "ImplementationSpecific", "Prefix"',
    ),
    (new(host="1.2.3.4"), "spec.rules[0].host", "must be a DNS name, not an IP address"),
    (new(host="A.com"), "spec.rules[0].host", "a lowercase RFC 1123 subdomain must consist of"),
    (new(host="*"), "spec.rules[0].host", "a wildcard DNS-1123 subdomain must start with '*.'"),
    (new(host="a.*.com"), "spec.rules[0].host", "a wildcard DNS-1123 subdomain must start with '*.'"),
    (new(rules=[{"http": {}}]), "spec.rules[0].http.paths", "Required value"),
    (new(defaultBackend={}), "spec.defaultBackend", "resource or service backend is required"),
    (new(defaultBackend={"service": {"name": "s"}}), "spec.defaultBackend", "port name or number is required"),
    (
        new(defaultBackend={"service": {"name": "s", "port": {"number": 70000}}}),
        "spec.defaultBackend.service.port.number",
        "must be between 1 and 65535, inclusive",
    ),
    (
        new(defaultBackend={"service": {"name": "s", "port": {"number": 1, "name": "a"}}}),
        "spec.defaultBackend",
        "cannot set both port name & port number",
    ),
    (
        new(defaultBackend={"service": {"name": "S", "port": {"number": 1}}}),
        "spec.defaultBackend.service.name",
        "a DNS-1035 label must consist of",
    ),
    (
        new(defaultBackend={"service": {"name": "s"}, "resource": {"kind": "K", "name": "n"}}),
        "spec.defaultBackend",
        "cannot set both resource and service backends",
    ),
    (new(defaultBackend={"resource": {"name": "n"}}), "spec.defaultBackend.resource.kind", "kind is required"),
    (new(tls=[{"hosts": ["*a"]}]), "spec.tls[0].hosts[0]", "a wildcard DNS-1123 subdomain"),
    (new(tls=[{"secretName": "S"}]), "spec.tls[0].secretName", "a lowercase RFC 1123 subdomain"),
    (new(ingressClassName=""), "spec.ingressClassName", "a lowercase RFC 1123 subdomain"),
]


@pytest.mark.parametrize(("given", "field", "text"), INVALID)
async def test_what_is_invalid_is_told_by_field_in_kubernetes_words(
    api: Api, given: Json, field: str, text: str
) -> None:
    answer = await api("POST", V1, given)
    assert answer.failed(422, "Invalid")["message"].startswith('Ingress.networking.k8s.io "web" is invalid: ')
    assert cause_fields(answer) == [field]
    assert text in answer.message


async def test_errors_name_the_fields_of_the_version_asked(api: Api) -> None:
    answer = await api("POST", EXTENSIONS, old(backend={"serviceName": "S", "servicePort": 70000}))
    assert cause_fields(answer) == ["spec.backend.serviceName", "spec.backend.servicePort"]
    answer = await api("POST", BETA, old("networking.k8s.io/v1beta1", rules=[]))
    assert answer.message == (
        'Ingress.networking.k8s.io "web" is invalid: spec: Invalid value: []networking.IngressRule(nil): '
        "either `backend` or `rules` must be specified"
    )


async def test_a_status_holds_addresses_and_names(api: Api) -> None:
    await api.create(V1, new())
    status = {"status": {"loadBalancer": {"ingress": [{"ip": "a"}, {"hostname": "1.2.3.4"}]}}}
    answer = await api("PATCH", f"{V1}/web/status", status, MERGE)
    where = "status.loadBalancer.ingress"
    assert answer.failed(422, "Invalid")
    assert cause_fields(answer) == [f"{where}[0].ip", f"{where}[1].hostname"]


async def test_an_ingress_without_a_class_gets_the_default_one(api: Api) -> None:
    default = {"annotations": {"ingressclass.kubernetes.io/is-default-class": "true"}}
    await api.create(CLASSES, ingress_class("other"))
    assert "ingressClassName" not in (await api.create(V1, new("none")))["spec"]
    await api.create(CLASSES, ingress_class("b", metadata=default))
    await api.create(CLASSES, ingress_class("a", metadata=default))
    assert (await api.create(V1, new("plain")))["spec"]["ingressClassName"] in ("a", "b")
    assert (await api.create(EXTENSIONS, old(name="old")))["spec"]["ingressClassName"] in ("a", "b")
    assert (await api.create(V1, new("named", ingressClassName="other")))["spec"]["ingressClassName"] == "other"
    annotated = new("annotated")
    annotated["metadata"]["annotations"] = {"kubernetes.io/ingress.class": "nginx"}
    assert "ingressClassName" not in (await api.create(V1, annotated))["spec"]
    annotated["metadata"]["name"], annotated["spec"]["ingressClassName"] = "both", "other"
    answer = await api("POST", V1, annotated)
    assert cause_fields(answer) == ["annotations.kubernetes.io/ingress.class"]
    assert "must match `ingressClassName` when both are specified" in answer.message


CLASS_ERRORS: list[tuple[Json, str, str]] = [
    (ingress_class("x", ""), "spec.controller", "Required value"),
    (ingress_class("x", "nginx"), "spec.controller", 'must be a domain-prefixed path (such as "acme.io/foo")'),
    (ingress_class("x", "A/b"), "spec.controller", "a lowercase RFC 1123 subdomain"),
    (ingress_class("x", "a/ b"), "spec.controller", "Invalid path (regex used for validation is"),
    (ingress_class("x", "a/" + "b" * 250), "spec.controller", "may not be more than 250 bytes"),
    (ingress_class("x", parameters={"kind": "K", "name": "n", "scope": "X"}), "spec.parameters.scope", "Unsupported"),
    (
        ingress_class("x", parameters={"kind": "K", "name": "n", "scope": "Namespace"}),
        "spec.parameters.namespace",
        "`parameters.scope` is set to 'Namespace'",
    ),
    (
        ingress_class("x", parameters={"kind": "K", "name": "n", "namespace": "a"}),
        "spec.parameters.namespace",
        "Forbidden: `parameters.scope` is set to 'Cluster'",
    ),
]


@pytest.mark.parametrize(("given", "field", "text"), CLASS_ERRORS)
async def test_a_class_that_cannot_be(api: Api, given: Json, field: str, text: str) -> None:
    answer = await api("POST", CLASSES, given)
    assert answer.failed(422, "Invalid")
    assert cause_fields(answer) == [field]
    assert text in answer.message


async def test_a_class_keeps_its_controller_and_is_seen_in_both_versions(api: Api) -> None:
    parameters = {"apiGroup": "x.io", "kind": "K", "name": "n", "scope": "Namespace", "namespace": "default"}
    await api.create(CLASSES, ingress_class("x", parameters=parameters))
    answer = await api("PATCH", f"{CLASSES}/x", {"spec": {"controller": "a/b"}}, MERGE)
    assert "field is immutable" in answer.failed(422, "Invalid")["message"]
    beta = "/apis/networking.k8s.io/v1beta1/ingressclasses"
    patched = (await api("PATCH", f"{beta}/x", {"metadata": {"labels": {"a": "b"}}}, MERGE)).ok()
    assert patched["spec"]["parameters"] == parameters
    assert patched["apiVersion"] == "networking.k8s.io/v1beta1"
    table = (await api("GET", CLASSES, accept=TABLE)).ok()
    assert table["rows"][0]["cells"][:3] == ["x", "k8s.io/ingress-nginx", "K.x.io/n"]


async def test_roles_of_v1beta1_are_the_same_roles(api: Api) -> None:
    beta = "/apis/rbac.authorization.k8s.io/v1beta1"
    group = "rbac.authorization.k8s.io"
    rules = [{"verbs": ["get"], "apiGroups": ["extensions"], "resources": ["ingresses"]}]
    role = {"apiVersion": f"{group}/v1beta1", "kind": "ClusterRole", "metadata": {"name": "r"}, "rules": rules}
    made = await api("POST", f"{beta}/clusterroles", role)
    assert "rbac.authorization.k8s.io/v1beta1 ClusterRole is deprecated in v1.17+" in made.warnings[0]
    await api.create(
        f"{beta}/clusterrolebindings",
        {
            "apiVersion": f"{group}/v1beta1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "b"},
            "roleRef": {"kind": "ClusterRole", "name": "r"},
            "subjects": [{"kind": "User", "name": "ann"}],
        },
    )
    assert (await api.get(f"/apis/{group}/v1/clusterrolebindings/b"))["roleRef"]["apiGroup"] == group
    await api.create(V1, new())
    ann = api.by(Peer("127.0.0.1", "ann", ()))
    (await ann("GET", f"{EXTENSIONS}/web")).ok()
    status = (await ann("GET", f"{V1}/web")).failed(403, "Forbidden")  # by the group that was asked
    assert 'cannot get resource "ingresses" in API group "networking.k8s.io"' in status["message"]


async def test_endpoint_slices_of_v1beta1_are_the_same_slices(api: Api) -> None:
    """kube-proxy and CoreDNS of Kubernetes 1.20 ask for these."""
    beta = "/apis/discovery.k8s.io/v1beta1/namespaces/default/endpointslices"
    slice_ = {
        "apiVersion": "discovery.k8s.io/v1beta1",
        "kind": "EndpointSlice",
        "metadata": {"name": "s"},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["10.0.0.1"], "topology": {"topology.kubernetes.io/zone": "z"}}],
        "ports": [],
    }
    made = await api("POST", beta, slice_)
    assert "unavailable in v1.25+; use discovery.k8s.io/v1 EndpointSlice" in made.warnings[0]
    now = await api.get("/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/s")
    assert now["endpoints"] == [{"addresses": ["10.0.0.1"], "zone": "z"}]
    listed = await api.get(beta)
    assert listed["apiVersion"] == "discovery.k8s.io/v1beta1"
    assert [each["endpoints"] for each in listed["items"] if each["metadata"]["name"] == "s"] == [slice_["endpoints"]]


async def test_discovery_prefers_what_is_current(api: Api) -> None:
    groups = {group["name"]: group for group in (await api.get("/apis"))["groups"]}
    assert groups["networking.k8s.io"]["preferredVersion"]["version"] == "v1"
    assert list(groups).index("networking.k8s.io") < list(groups).index("extensions")
    assert [each["name"] for each in (await api.get("/apis/extensions/v1beta1"))["resources"]] == [
        "ingresses",
        "ingresses/status",
    ]


async def test_the_life_of_an_ingress_as_conformance_tests_lead_it(api: Api) -> None:
    """[sig-network] Ingress API should support creating Ingress API operations."""
    labelled = new(defaultBackend={"service": {"name": "d", "port": {"number": 80}}})
    for name in ("e2e-1", "e2e-2", "other"):
        labels = {"special-label": "x"} if name.startswith("e2e") else {}
        await api.create(V1, {**labelled, "metadata": {"name": name, "labels": labels}})
    everywhere = "/apis/networking.k8s.io/v1/ingresses?labelSelector=special-label%3Dx"
    assert [item["metadata"]["name"] for item in (await api.get(everywhere))["items"]] == ["e2e-1", "e2e-2"]
    path = f"{V1}/e2e-1"
    annotations = {"metadata": {"annotations": {"patched": "true"}}}
    assert (await api("PATCH", path, annotations, MERGE)).ok()["metadata"]["annotations"] == {"patched": "true"}
    status = {
        "metadata": {"annotations": {"patchedstatus": "true"}},
        "status": {"loadBalancer": {"ingress": [{"ip": "169.1.1.1"}]}},
    }
    patched = (await api("PATCH", f"{path}/status", status, MERGE)).ok()
    assert patched["status"] == status["status"]
    assert patched["metadata"]["annotations"] == {"patched": "true", "patchedstatus": "true"}
    patched["status"] = {
        "loadBalancer": {"ingress": [{"hostname": "a.example.com", "ports": [{"port": 80, "protocol": "TCP"}]}]}
    }
    put = (await api("PUT", f"{path}/status", patched)).ok()
    assert put["status"] == patched["status"]
    assert (await api.get(f"{path}/status"))["metadata"]["uid"] == put["metadata"]["uid"]
    (await api("DELETE", path)).ok()
    (await api("GET", path)).failed(404, "NotFound")
    gone = (await api("DELETE", f"{V1}?labelSelector=special-label%3Dx")).ok()
    assert [item["metadata"]["name"] for item in gone["items"]] == ["e2e-2"]
    assert [item["metadata"]["name"] for item in (await api.get(V1))["items"]] == ["other"]
