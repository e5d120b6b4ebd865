"""Nobody grants by RBAC what they do not hold themselves, in either version of the API."""

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.apiserver.admission.escalation import missing
from fairlead.apiserver.authz import Attributes, Rule
from fairlead.http.server import Peer
from tests.unit.apiserver.requests import MERGE, Api

Json = dict[str, Any]

GROUP = "rbac.authorization.k8s.io"
ANN = Peer("127.0.0.1", "ann", ("team",))
HELD = {"verbs": ["get", "list"], "apiGroups": [""], "resources": ["configmaps"]}
WRITES = {"verbs": ["create", "update", "patch"], "apiGroups": [GROUP], "resources": ["roles", "rolebindings"]}


def role(name: str, *rules: Json, kind: str = "Role", version: str = "v1", **more: Any) -> Json:
    return {"apiVersion": f"{GROUP}/{version}", "kind": kind, "metadata": {"name": name}, "rules": [*rules], **more}


def binding(name: str, to: str, kind: str = "Role", subject: str = "ann") -> Json:
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": GROUP, "kind": kind, "name": to},
        "subjects": [{"kind": "User", "name": subject, "apiGroup": GROUP}],
    }


def path(plural: str, name: str = "", version: str = "v1") -> str:
    return f"/apis/{GROUP}/{version}/namespaces/default/{plural}" + (f"/{name}" if name else "")


async def _ann_may_write_roles(api: Api, *more: Json) -> Api:
    await api.create(path("roles"), role("own", HELD, WRITES, *more))
    await api.create(path("rolebindings"), binding("own", "own"))
    return api.by(ANN)


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
async def test_a_role_is_written_only_with_what_its_writer_holds(api: Api, version: str) -> None:
    ann = await _ann_may_write_roles(api)
    roles = path("roles", version=version)
    (await ann("POST", roles, role("fine", {**HELD, "verbs": ["get"]}, version=version))).ok()
    more = {"verbs": ["get", "delete"], "apiGroups": [""], "resources": ["configmaps", "secrets"]}
    status = (await ann("POST", roles, role("more", more, version=version))).failed(403, "Forbidden")
    assert status["message"] == (
        'roles.rbac.authorization.k8s.io "more" is forbidden: user "ann" (groups=["team" "system:authenticated"]) is '
        "attempting to grant RBAC permissions not currently held:\n"
        '{APIGroups:[""], Resources:["configmaps"], Verbs:["delete"]}\n'
        '{APIGroups:[""], Resources:["secrets"], Verbs:["get" "delete"]}'
    )
    (await ann("PATCH", path("roles", "fine"), {"rules": [more]}, MERGE)).failed(403, "Forbidden")
    (await api("POST", roles, role("more", more, version=version))).ok()


async def test_a_role_is_bound_only_by_whom_it_gives_nothing_new(api: Api) -> None:
    ann = await _ann_may_write_roles(api)
    status = (await ann("POST", path("rolebindings"), binding("b", "edit", "ClusterRole"))).failed(403, "Forbidden")
    assert 'rolebindings.rbac.authorization.k8s.io "b" is forbidden: user "ann"' in status["message"]
    (await ann("POST", path("rolebindings"), binding("b", "own", subject="bob"))).ok()
    status = (await ann("POST", path("rolebindings"), binding("c", "none"))).failed(404, "NotFound")
    assert status["message"] == 'roles.rbac.authorization.k8s.io "none" not found'


async def test_escalate_and_bind_are_rights_of_their_own(api: Api) -> None:
    bind = {"verbs": ["bind"], "apiGroups": [GROUP], "resources": ["clusterroles"], "resourceNames": ["edit"]}
    ann = await _ann_may_write_roles(api, bind, {**WRITES, "verbs": ["escalate"], "resources": ["roles"]})
    anything = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}
    (await ann("POST", path("roles"), role("more", anything))).ok()
    (await ann("POST", path("rolebindings"), binding("b", "edit", "ClusterRole"))).ok()
    (await ann("POST", path("rolebindings"), binding("c", "admin", "ClusterRole"))).failed(403, "Forbidden")


VERBS, GROUPS, RESOURCES, NAMES = ("get", "put"), ("", "apps"), ("pods", "pods/log", "sets"), ("a", "b")


def _some(values: tuple[str, ...], *more: str, least: int = 1) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from((*values, *more)), min_size=least, max_size=2, unique=True).map(tuple)


RULE = st.builds(
    Rule,
    verbs=_some(VERBS, "*"),
    api_groups=_some(GROUPS, "*"),
    resources=_some(RESOURCES, "*", "*/log"),
    resource_names=_some(NAMES, least=0),
) | st.builds(Rule, verbs=_some(VERBS, "*"), non_resource_urls=_some(("/x", "/x/y", "/x/*", "/*"), "*"))
RULES = st.lists(RULE, max_size=3)
ASKED = [
    *(
        Attributes(verb, group, resource.partition("/")[0], resource.partition("/")[2], "", name)
        for verb, group, resource, name in itertools.product(
            (*VERBS, "other"), (*GROUPS, "other"), (*RESOURCES, "other", "other/log"), (*NAMES, "")
        )
    ),
    *(Attributes(verb, path=url) for verb in (*VERBS, "other") for url in ("/x", "/x/y", "/x/z", "/other")),
]


@given(RULES, RULES)
def test_what_lacks_nothing_allows_nothing_more(held: list[Rule], wanted: list[Rule]) -> None:
    lacking = missing(held, wanted)
    more = [
        asked
        for asked in ASKED
        if any(rule.allows(asked) for rule in wanted) and not any(rule.allows(asked) for rule in held)
    ]
    assert lacking or not more
    assert missing(wanted, wanted) == []
    assert missing([*held, *wanted], wanted) == []
