"""The life of an object: made, changed, patched, scaled, marked, gone."""

import copy
import itertools
import re
from typing import Any

import jsonpatch
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.apiserver.patch import PatchError, json_patch, merge_patch, strategic
from tests.unit.apiserver.requests import APPS, CORE, JSON_PATCH, MERGE, STRATEGIC, Api, config_map, pod, service

MAPS = f"{CORE}/configmaps"
Json = dict[str, Any]


def deployment(replicas: int = 2, image: str = "nginx:1") -> Json:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": image}]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": {"a": "b"}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}


async def test_a_new_object_is_named_and_stamped(api: Api) -> None:
    made = await api.create(MAPS, {**config_map(), "metadata": {"generateName": "x-", "uid": "mine", "selfLink": "/"}})
    metadata = made["metadata"]
    assert metadata["name"].startswith("x-")
    assert len(metadata["name"]) == len("x-") + 5
    assert metadata["namespace"] == "default"
    assert metadata["uid"] != "mine"
    assert "selfLink" not in metadata
    assert made == await api.get(f"{MAPS}/{metadata['name']}")
    (await api("POST", MAPS, config_map(metadata["name"]))).failed(409, "AlreadyExists")


async def test_a_dry_run_answers_and_stores_nothing(api: Api) -> None:
    made = (await api("POST", f"{CORE}/services?dryRun=All", service())).ok()
    assert made["spec"]["clusterIP"]
    (await api("GET", f"{CORE}/services/x")).failed(404, "NotFound")
    again = (await api("POST", f"{CORE}/services", service(clusterIP=made["spec"]["clusterIP"]))).ok()
    assert (await api("DELETE", f"{CORE}/services/x?dryRun=All")).ok()["status"]
    changed = (await api("PATCH", f"{CORE}/services/x?dryRun=All", {"spec": {"type": "NodePort"}}, MERGE)).ok()
    assert changed["spec"]["ports"][0]["nodePort"] >= 30000
    assert await api.get(f"{CORE}/services/x") == again


@pytest.mark.parametrize("version", ["v1", "meta.k8s.io/v1", "networking.k8s.io/v1", "networking.k8s.io/v1beta1", None])
async def test_options_of_a_deletion_come_by_any_name(api: Api, version: str | None) -> None:
    """client-go's typed clients send them as of the resource's group."""
    classes = "/apis/networking.k8s.io/v1/ingressclasses"
    made = {"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": {"name": "x"}}
    await api.create(classes, {**made, "spec": {"controller": "example.org/x"}})
    options = {"kind": "DeleteOptions", "preconditions": {"uid": "another"}}
    if version is not None:
        options["apiVersion"] = version
    (await api("DELETE", f"{classes}/x", options)).failed(409, "Conflict")
    del options["preconditions"]
    (await api("DELETE", f"{classes}/x", options)).ok()


async def test_what_changes_nothing_is_not_written(api: Api) -> None:
    made = await api.create(MAPS, config_map(data={"a": "1"}))
    same = (await api("PUT", f"{MAPS}/x", made)).ok()
    assert same == made
    other = (await api("PUT", f"{MAPS}/x", config_map(data={"a": "2"}))).ok()  # no revision asked for
    assert int(other["metadata"]["resourceVersion"]) > int(made["metadata"]["resourceVersion"])
    assert other["metadata"]["uid"] == made["metadata"]["uid"]


async def test_a_status_that_is_all_a_patch_says_leaves_the_labels(api: Api) -> None:
    labelled = deployment() | {"metadata": {"name": "web", "labels": {"x": "y"}}}
    await api.create(f"{APPS}/deployments", labelled)
    for media in (MERGE, STRATEGIC):
        told = (await api("PATCH", f"{APPS}/deployments/web/status", {"status": {"replicas": 3}}, media)).ok()
        assert told["metadata"]["labels"] == {"x": "y"}


async def test_the_version_says_all_that_kubectl_prints_of_it(api: Api) -> None:
    version = await api.get("/version")
    assert re.fullmatch(r"\d", version["major"])
    assert re.fullmatch(r"\d+\+?", version["minor"])
    assert re.fullmatch(r"v\d\.\d+\.[\d\w\-\.\+]+", version["gitVersion"])
    assert re.fullmatch(r"[0-9a-f]+", version["gitCommit"])


async def test_the_generation_counts_changes_of_what_is_wanted(api: Api) -> None:
    path = f"{APPS}/deployments/web"
    assert (await api.create(f"{APPS}/deployments", deployment()))["metadata"]["generation"] == 1
    labelled = (await api("PATCH", path, {"metadata": {"labels": {"x": "y"}}}, MERGE)).ok()
    assert labelled["metadata"]["generation"] == 1
    assert (await api("PATCH", path, {"spec": {"replicas": 3}}, MERGE)).ok()["metadata"]["generation"] == 2
    report = {"status": {"replicas": 3}, "spec": {"replicas": 9}, "metadata": {"labels": {"x": "z"}}}
    told = (await api("PATCH", f"{path}/status", report, MERGE)).ok()
    assert told["metadata"]["labels"] == {"x": "y"}
    assert (told["metadata"]["generation"], told["spec"]["replicas"], told["status"]["replicas"]) == (2, 3, 3)
    kept = (await api("PATCH", path, {"status": {"replicas": 7}}, MERGE)).ok()
    assert kept["status"]["replicas"] == 3


async def test_a_scale_is_of_any_workload(api: Api) -> None:
    path = f"{APPS}/deployments/web/scale"
    await api.create(f"{APPS}/deployments", deployment())
    scale = await api.get(path)
    assert (scale["kind"], scale["spec"], scale["status"]["selector"]) == ("Scale", {"replicas": 2}, "a=b")
    scale["spec"]["replicas"] = 5
    assert (await api("PUT", path, scale)).ok()["spec"] == {"replicas": 5}
    (await api("PUT", path, scale)).failed(409, "Conflict")
    assert (await api("PATCH", path, {"spec": {"replicas": 1}}, MERGE)).ok()["spec"] == {"replicas": 1}
    (await api("PATCH", path, {"spec": {"replicas": -1}}, MERGE)).failed(422, "Invalid")
    (await api("PUT", path, b"{")).failed(400, "BadRequest")
    assert (await api.get(f"{APPS}/deployments/web"))["metadata"]["generation"] == 3


async def test_finalizers_hold_an_object_until_they_are_gone(api: Api) -> None:
    await api.create(MAPS, {**config_map(), "metadata": {"name": "x", "finalizers": ["example.com/hold"]}})
    marked = (await api("DELETE", f"{MAPS}/x")).ok()
    assert marked["metadata"]["deletionTimestamp"]
    more = await api("PATCH", f"{MAPS}/x", {"metadata": {"finalizers": ["example.com/hold", "example.com/b"]}}, MERGE)
    more.failed(422, "Invalid")
    (await api("PATCH", f"{MAPS}/x", {"metadata": {"finalizers": None}}, MERGE)).ok()
    (await api("GET", f"{MAPS}/x")).failed(404, "NotFound")


@pytest.mark.parametrize(("policy", "finalizer"), [("Foreground", "foregroundDeletion"), ("Orphan", "orphan")])
async def test_propagation_is_left_to_the_garbage_collector(api: Api, policy: str, finalizer: str) -> None:
    await api.create(f"{APPS}/deployments", deployment())
    marked = (await api("DELETE", f"{APPS}/deployments/web", {"propagationPolicy": policy})).ok()
    assert marked["metadata"]["finalizers"] == [finalizer]


async def test_a_pod_that_runs_is_given_time_and_one_that_does_not_goes_at_once(api: Api) -> None:
    await api.create(f"{CORE}/pods", pod())
    (await api("DELETE", f"{CORE}/pods/x")).ok()
    (await api("GET", f"{CORE}/pods/x")).failed(404, "NotFound")
    await api.create(f"{CORE}/pods", pod(nodeName="n", terminationGracePeriodSeconds=7))
    assert (await api("DELETE", f"{CORE}/pods/x")).ok()["metadata"]["deletionGracePeriodSeconds"] == 7
    assert (await api("DELETE", f"{CORE}/pods/x?gracePeriodSeconds=3")).ok()["metadata"][
        "deletionGracePeriodSeconds"
    ] == 3
    assert (await api("DELETE", f"{CORE}/pods/x?gracePeriodSeconds=9")).ok()["metadata"][
        "deletionGracePeriodSeconds"
    ] == 3
    (await api("DELETE", f"{CORE}/pods/x?gracePeriodSeconds=0")).ok()
    (await api("GET", f"{CORE}/pods/x")).failed(404, "NotFound")


async def test_a_namespace_is_marked_and_takes_nothing_new(api: Api) -> None:
    await api.create("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "dev"}})
    marked = (await api("DELETE", "/api/v1/namespaces/dev")).ok()
    assert marked["status"]["phase"] == "Terminating"
    refused = (await api("POST", "/api/v1/namespaces/dev/configmaps", config_map())).failed(403, "Forbidden")
    assert refused["message"].endswith("unable to create new content in namespace dev because it is being terminated")
    marked["spec"]["finalizers"] = []
    (await api("PUT", "/api/v1/namespaces/dev/finalize", marked)).ok()
    (await api("GET", "/api/v1/namespaces/dev")).failed(404, "NotFound")


async def test_a_collection_goes_by_its_selector(api: Api) -> None:
    for name, app in (("a", "x"), ("b", "x"), ("c", "y")):
        await api.create(MAPS, {**config_map(), "metadata": {"name": name, "labels": {"app": app}}})
    (await api("DELETE", f"{MAPS}?labelSelector=app%3Dx")).ok()
    assert [item["metadata"]["name"] for item in (await api.get(MAPS))["items"]] == ["c"]


async def test_pages_join_to_the_whole_whatever_their_size(api: Api) -> None:
    for number in range(7):
        await api.create(MAPS, {**config_map(f"m{number}"), "metadata": {"name": f"m{number}", "labels": {"a": "b"}}})
    whole = await api.get(MAPS)
    for limit, selector in itertools.product((1, 2, 3, 7, 8), ("", "&labelSelector=a%3Db")):
        found, token, revisions = [], "", set()
        for _ in range(8):
            page = await api.get(f"{MAPS}?limit={limit}{selector}{token}")
            assert len(page["items"]) <= limit
            found += page["items"]
            revisions.add(page["metadata"]["resourceVersion"])
            if not (next_ := page["metadata"].get("continue")):
                break
            token = f"&continue={next_}"
        assert found == whole["items"]
        assert revisions == {whole["metadata"]["resourceVersion"]}


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("labelSelector=tier", ["a", "b"]),
        ("labelSelector=!tier", ["c"]),
        ("labelSelector=tier=front", ["a"]),
        ("labelSelector=tier!=front", ["b", "c"]),
        ("labelSelector=tier in (front,back)", ["a", "b"]),
        ("labelSelector=tier notin (front)", ["b", "c"]),
        ("labelSelector=tier,tier!=back", ["a"]),
        ("fieldSelector=metadata.name=b", ["b"]),
        ("fieldSelector=metadata.name!=b", ["a", "c"]),
        ("fieldSelector=spec.nodeName=n1", ["a"]),
        ("fieldSelector=status.phase=Pending,spec.nodeName=", ["b", "c"]),
        ("fieldSelector=metadata.namespace=none", []),
    ],
)
async def test_selectors(api: Api, query: str, names: list[str]) -> None:
    for name, labels, node in (("a", {"tier": "front"}, "n1"), ("b", {"tier": "back"}, ""), ("c", {}, "")):
        obj = pod(name, **({"nodeName": node} if node else {}))
        obj["metadata"]["labels"] = labels
        await api.create(f"{CORE}/pods", obj)
    query = query.replace(" ", "%20").replace("=", "%3D").replace("%3D", "=", 1)
    assert [item["metadata"]["name"] for item in (await api.get(f"{CORE}/pods?{query}"))["items"]] == names


async def test_a_node_port_and_an_address_come_back_when_their_service_goes(api: Api) -> None:
    wanted = service(type="NodePort", clusterIP="10.97.97.97", ports=[{"port": 80, "nodePort": 30002}])
    for _ in range(2):
        await api.create(f"{CORE}/services", wanted)
        (await api("DELETE", f"{CORE}/services/x")).ok()
    await api.create(f"{CORE}/services", wanted)
    (await api("PATCH", f"{CORE}/services/x", {"spec": {"type": "ClusterIP"}}, MERGE)).ok()
    await api.create(f"{CORE}/services", service("y", type="NodePort", ports=[{"port": 80, "nodePort": 30002}]))


CONTAINERS = [
    # patch, the containers after it
    ([{"name": "a", "image": "2"}], [("a", "2"), ("b", "1")]),
    ([{"name": "c", "image": "1"}], [("a", "1"), ("b", "1"), ("c", "1")]),
    ([{"name": "a", "$patch": "delete"}], [("b", "1")]),
    ([{"$patch": "replace"}, {"name": "z", "image": "1"}], [("z", "1")]),
]


@pytest.mark.parametrize(("patch", "after"), CONTAINERS)
async def test_lists_of_named_things_merge_by_their_names(
    api: Api, patch: list[Json], after: list[tuple[str, str]]
) -> None:
    wanted = deployment()
    wanted["spec"]["template"]["spec"]["containers"] = [{"name": "a", "image": "1"}, {"name": "b", "image": "1"}]
    await api.create(f"{APPS}/deployments", wanted)
    body = {"spec": {"template": {"spec": {"containers": patch}}}}
    changed = (await api("PATCH", f"{APPS}/deployments/web", body, STRATEGIC)).ok()
    found = changed["spec"]["template"]["spec"]["containers"]
    assert [(each["name"], each["image"]) for each in found] == after


async def test_a_json_patch_through_the_server(api: Api) -> None:
    await api.create(MAPS, config_map(data={"a": "1"}))
    steps = [{"op": "test", "path": "/data/a", "value": "1"}, {"op": "move", "from": "/data/a", "path": "/data/b~1c"}]
    (await api("PATCH", f"{MAPS}/x", steps, JSON_PATCH)).failed(422, "Invalid")  # a/b is no key
    steps[1]["path"] = "/data/b"
    assert (await api("PATCH", f"{MAPS}/x", steps, JSON_PATCH)).ok()["data"] == {"b": "1"}


def test_strategic_order_and_retained_keys() -> None:
    known = {"spec": {"containers": [{"name": n} for n in "abc"]}}
    patch = {"spec": {"$setElementOrder/containers": [{"name": "c"}, {"name": "a"}], "containers": [{"name": "a"}]}}
    merged = strategic.apply(known, patch, "core.v1.Pod")
    assert [each["name"] for each in merged["spec"]["containers"]] == ["c", "a", "b"]
    volume = {"spec": {"volumes": [{"name": "v", "emptyDir": {}}]}}
    change = {"spec": {"volumes": [{"name": "v", "$retainKeys": ["name", "secret"], "secret": {"secretName": "s"}}]}}
    assert strategic.apply(volume, change, "core.v1.Pod")["spec"]["volumes"] == [
        {"name": "v", "secret": {"secretName": "s"}}
    ]


# RFC 7396, appendix A: original, patch, result.
RFC_7396: list[tuple[Json, Json, Json]] = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]


@pytest.mark.parametrize(("original", "patch", "result"), RFC_7396)
def test_merge_patches_of_the_rfc(original: Json, patch: Json, result: Json) -> None:
    assert merge_patch.apply(original, patch) == result


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text("ab~/", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab~/", max_size=2), inner, max_size=3),
    max_leaves=8,
)
DOCUMENTS = st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3)
PATHS = st.lists(st.sampled_from(["a", "b", "c", "0", "1", "-", "~0", "~1"]), max_size=3).map(
    lambda parts: "".join("/" + part for part in parts)
)
STEPS = st.one_of(
    st.fixed_dictionaries({"op": st.sampled_from(["add", "replace", "test"]), "path": PATHS, "value": VALUES}),
    st.fixed_dictionaries({"op": st.just("remove"), "path": PATHS.filter(bool)}),
    st.fixed_dictionaries({"op": st.sampled_from(["move", "copy"]), "from": PATHS.filter(bool), "path": PATHS}),
)


@given(DOCUMENTS, st.lists(STEPS, max_size=4))
def test_json_patches_as_another_implementation_applies_them(document: Json, steps: list[Json]) -> None:
    try:
        wanted: Any = jsonpatch.apply_patch(document, steps)
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException, TypeError, KeyError, IndexError):
        return  # the other one is not consistent about what fails; the table of bad input is
    before = copy.deepcopy(document)
    try:
        assert json_patch.apply(document, steps) == wanted
    except PatchError:
        # Where the document is no object in the end, or a whole one is moved into itself.
        assert not isinstance(wanted, dict) or any(step["op"] == "move" for step in steps)
    assert document == before


async def test_pod_templates_are_kept_and_paged(api: Api) -> None:
    path = f"{CORE}/podtemplates"
    for number in range(3):
        spec = {"containers": [{"name": "c", "image": "x"}]}
        body = {"metadata": {"name": f"t{number}"}, "template": {"metadata": {"labels": {"a": "b"}}, "spec": spec}}
        made = await api.create(path, {"apiVersion": "v1", "kind": "PodTemplate", **body})
        assert made["template"]["spec"]["restartPolicy"] == "Always"
    first = await api.get(f"{path}?limit=2")
    assert (len(first["items"]), first["metadata"]["remainingItemCount"]) == (2, 1)
    rest = await api.get(f"{path}?limit=2&continue={first['metadata']['continue']}")
    assert [each["metadata"]["name"] for each in rest["items"]] == ["t2"]
    bad = await api("PATCH", f"{path}/t0", {"template": {"spec": {"containers": []}}}, MERGE)
    assert ("FieldValueRequired", "template.spec.containers") in list(bad.causes())
