"""Who may do what: RBAC by roles and bindings, from the next request on, and acting as somebody else."""

from typing import Any

import pytest

from fairlead.http.server import Peer
from tests.unit.apiserver.requests import CORE, Api, config_map

RBAC = "/apis/rbac.authorization.k8s.io/v1"
GROUP = "rbac.authorization.k8s.io"
ANN = Peer("127.0.0.1", "ann", ("team",))


async def _role(api: Api, *verbs: str, resources: tuple[str, ...] = ("configmaps",), **more: Any) -> None:
    rules = [{"verbs": verbs, "apiGroups": [""], "resources": resources, **more}]
    role = {"apiVersion": f"{GROUP}/v1", "kind": "Role", "metadata": {"name": "r"}, "rules": rules}
    await api.create(f"{RBAC}/namespaces/default/roles", role)


async def _bind(api: Api, kind: str, name: str, role: str = "Role", cluster: bool = False) -> None:
    subject = {"kind": kind, "name": name, "namespace": "default" if kind == "ServiceAccount" else ""}
    if kind != "ServiceAccount":
        subject["apiGroup"] = GROUP
    binding = {
        "apiVersion": f"{GROUP}/v1",
        "kind": "ClusterRoleBinding" if cluster else "RoleBinding",
        "metadata": {"name": "b"},
        "roleRef": {"apiGroup": GROUP, "kind": role, "name": "r" if role == "Role" else "view"},
        "subjects": [subject],
    }
    await api.create(f"{RBAC}/clusterrolebindings" if cluster else f"{RBAC}/namespaces/default/rolebindings", binding)


async def test_what_no_role_allows_is_forbidden_in_kubernetes_words(api: Api) -> None:
    status = (await api.by(ANN)("GET", f"{CORE}/configmaps/x")).failed(403, "Forbidden")
    assert status["message"] == (
        'configmaps "x" is forbidden: User "ann" cannot get resource "configmaps" in API group "" '
        'in the namespace "default"'
    )
    status = (await api.by(ANN)("GET", "/apis/apps/v1/deployments")).failed(403, "Forbidden")
    assert status["message"] == (
        'deployments.apps is forbidden: User "ann" cannot list resource "deployments" in API group "apps" '
        "at the cluster scope"
    )
    status = (await api.by(ANN)("GET", "/metrics")).failed(403, "Forbidden")
    assert status["message"] == 'forbidden: User "ann" cannot get path "/metrics"'


@pytest.mark.parametrize(("kind", "name"), [("User", "ann"), ("Group", "team"), ("Group", "system:authenticated")])
async def test_a_binding_holds_from_the_next_request_on_and_no_longer_than_it_is_there(
    api: Api, kind: str, name: str
) -> None:
    ann = api.by(ANN)
    (await ann("POST", f"{CORE}/configmaps", config_map())).failed(403, "Forbidden")
    await _role(api, "create", "get")
    await _bind(api, kind, name)
    (await ann("POST", f"{CORE}/configmaps", config_map())).ok()
    (await ann("DELETE", f"{CORE}/configmaps/x")).failed(403, "Forbidden")
    (await ann("GET", "/api/v1/namespaces/kube-system/configmaps/x")).failed(403, "Forbidden")
    (await api("DELETE", f"{RBAC}/namespaces/default/rolebindings/b")).ok()
    (await ann("GET", f"{CORE}/configmaps/x")).failed(403, "Forbidden")


async def test_a_role_may_name_objects_and_subresources(api: Api) -> None:
    await _role(api, "get", resources=("configmaps", "pods/log"), resourceNames=["x"])
    await _bind(api, "User", "ann")
    await api.create(f"{CORE}/configmaps", config_map("x"))
    await api.create(f"{CORE}/configmaps", config_map("y"))
    (await api.by(ANN)("GET", f"{CORE}/configmaps/x")).ok()
    (await api.by(ANN)("GET", f"{CORE}/configmaps/y")).failed(403, "Forbidden")
    (await api.by(ANN)("GET", f"{CORE}/pods/x")).failed(403, "Forbidden")
    (await api.by(ANN)("GET", f"{CORE}/pods/x/log")).failed(404, "NotFound")


async def test_the_cluster_role_view_bound_everywhere(api: Api) -> None:
    await _bind(api, "User", "ann", role="ClusterRole", cluster=True)
    (await api.by(ANN)("GET", "/api/v1/pods")).ok()
    (await api.by(ANN)("GET", f"{CORE}/secrets")).failed(403, "Forbidden")


async def test_acting_as_somebody_else_needs_the_right_to(api: Api) -> None:
    await _role(api, "get")
    await _bind(api, "User", "ann")
    await api.create(f"{CORE}/configmaps", config_map())
    as_ann = {"impersonate-user": "ann"}
    (await api("GET", f"{CORE}/configmaps/x", headers=as_ann)).ok()
    (await api("DELETE", f"{CORE}/configmaps/x", headers=as_ann)).failed(403, "Forbidden")
    bob = api.by(Peer("127.0.0.1", "bob", ()))
    status = (await bob("GET", f"{CORE}/configmaps/x", headers=as_ann)).failed(403, "Forbidden")
    assert 'User "bob" cannot impersonate resource "users"' in status["message"]
    (await api("GET", "/version", headers={"impersonate-group": "x"})).failed(400, "BadRequest")


async def test_whom_one_acts_as_is_told_by_a_review(api: Api) -> None:
    headers = {"impersonate-user": "system:serviceaccount:default:robot"}
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview", "metadata": {}}
    path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    told = (await api("POST", path, review, headers=headers)).ok()["status"]["userInfo"]
    assert told["username"] == "system:serviceaccount:default:robot"
    assert told["groups"] == ["system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated"]


async def test_a_review_has_no_table_but_comes_as_yaml_and_as_its_metadata(api: Api) -> None:
    review = {"kind": "SelfSubjectAccessReview", "spec": {"nonResourceAttributes": {"path": "/", "verb": "get"}}}
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    form = "application/json;as={};g=meta.k8s.io;v=v1"
    (await api("POST", path, review, accept=form.format("Table"))).failed(406, "NotAcceptable")
    partial = (await api("POST", path, review, accept=form.format("PartialObjectMetadata"))).ok()
    assert partial["kind"] == "PartialObjectMetadata"
    answer = await api("POST", path, review, accept="application/yaml")
    assert b"allowed: true" in answer.body


async def test_tokens_are_of_accounts_that_are_there(api: Api) -> None:
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "robot"}}
    await api.create(f"{CORE}/serviceaccounts", account)
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    token = (await api.create(f"{CORE}/serviceaccounts/robot/token", request))["status"]["token"]
    robot = api.by(Peer("127.0.0.1", None, ()))
    headers = {"authorization": f"Bearer {token}"}
    status = (await robot("GET", f"{CORE}/pods", headers=headers)).failed(403, "Forbidden")
    assert 'User "system:serviceaccount:default:robot" cannot list' in status["message"]
    (await robot("GET", f"{CORE}/pods", headers={"authorization": "Bearer " + token[:-3] + "abc"})).failed(
        401, "Unauthorized"
    )
    (await robot("GET", f"{CORE}/pods", headers={"authorization": "Basic eDp5"})).failed(401, "Unauthorized")
    (await api("DELETE", f"{CORE}/serviceaccounts/robot")).ok()
    (await robot("GET", f"{CORE}/pods", headers=headers)).failed(401, "Unauthorized")


async def test_who_may_watch_one_object_by_name_lists_and_watches_it_by_a_field_selector(api: Api) -> None:
    await _role(api, "list", "watch", resourceNames=["x"])
    await _bind(api, "User", "ann")
    ann = api.by(ANN)
    for name in ("x", "y"):
        await api.create(f"{CORE}/configmaps", config_map(name))
    for selector in ("metadata.name=x", "metadata.namespace=default,metadata.name==x"):
        listed = (await ann("GET", f"{CORE}/configmaps?fieldSelector={selector}")).ok()
        assert [each["metadata"]["name"] for each in listed["items"]] == ["x"]
    for more in (
        "",
        "?fieldSelector=metadata.name!=x",
        "?fieldSelector=metadata.namespace=x",
        "?fieldSelector=metadata.name",
    ):
        (await ann("GET", f"{CORE}/configmaps{more}")).failed(403, "Forbidden")
    status = (await ann("GET", f"{CORE}/configmaps?fieldSelector=metadata.name=y")).failed(403, "Forbidden")
    assert status["message"].startswith('configmaps "y" is forbidden: User "ann" cannot list resource "configmaps"')
