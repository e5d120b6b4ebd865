"""All controllers against the real API server: what each does shows in the API, as kubectl would see it."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from fairlead.api.status import ApiError
from fairlead.client.rest import Client
from fairlead.controllers.context import Context
from fairlead.controllers.part import Options, _controllers
from tests.unit.api_server import IPV4, IPV6, add_node, api_server, deployment, make_ready, until

Json = dict[str, Any]
DEPLOYMENTS, SETS, SLICES = "deployments.apps", "replicasets.apps", "endpointslices.discovery.k8s.io"


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Client]:
    """A cluster of both families, IPv4 first."""
    (tmp_path / "ca.crt").write_text("the authority")
    async with api_server(tmp_path, (IPV4, IPV6)) as client:
        context = Context(client)
        ranges = ("10.244.0.0/16", "fd00:10:244::/56")
        controllers = _controllers(context, Options(None, str(tmp_path / "ca.crt"), ranges))
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(context.run())]
            await context.synced()
            running += [tasks.create_task(run()) for run in controllers.values()]
            yield client
            for task in running:
                task.cancel()


def image_of(name: str) -> Json:
    """A strategic merge patch of a Deployment."""
    return {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": name}]}}}}


async def listed(api: Client, resource: str, label_selector: str = "") -> list[Json]:
    return (await api.list(resource, type=dict, namespace="default", label_selector=label_selector)).items


async def pods_of(api: Client, count: int, label_selector: str = "") -> list[Json]:
    """Exactly so many that are not going."""

    async def there() -> list[Json] | None:
        found = [pod for pod in await listed(api, "pods", label_selector) if "deletionTimestamp" not in pod["metadata"]]
        return found if len(found) == count else None

    found: list[Json] = await until(there)
    return found


async def serve_all(api: Client, counter: list[int]) -> None:
    """A kubelet for everyone: what has no address gets one and is ready."""
    for pod in await listed(api, "pods"):
        if not pod.get("status", {}).get("podIP"):
            counter[0] += 1
            try:
                await make_ready(api, pod, f"10.244.1.{counter[0]}")
            except ApiError as error:
                if not error.is_not_found:
                    raise


async def available(api: Client, name: str, count: int, counter: list[int]) -> Json:
    async def done() -> Json | None:
        await serve_all(api, counter)
        found = await api.get(DEPLOYMENTS, name, "default", type=dict)
        status = found.get("status", {})
        told = status.get("observedGeneration") == found["metadata"]["generation"]
        same = status.get("replicas") == status.get("updatedReplicas") == status.get("availableReplicas") == count
        return found if told and same else None

    found: Json = await until(done)
    return found


async def events_of(api: Client, kind: str) -> list[tuple[str, str]]:
    await asyncio.sleep(0.1)  # events are not waited for by those who record them
    found = [event for event in await listed(api, "events") if event["involvedObject"]["kind"] == kind]
    found.sort(key=lambda event: int(event["metadata"]["resourceVersion"]))
    return [(event["reason"], event["message"]) for event in found]


async def test_a_deployment_makes_its_pods_says_so_and_rolls_on(api: Client) -> None:
    counter = [0]
    await api.create(DEPLOYMENTS, deployment(), "default")
    pods = await pods_of(api, 3)
    (first,) = await listed(api, SETS)
    name = first["metadata"]["name"]
    assert all(pod["metadata"]["generateName"] == f"{name}-" for pod in pods)
    it = await available(api, "web", 3, counter)
    assert it["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "1"
    assert ("ScalingReplicaSet", f"Scaled up replica set {name} from 0 to 3") in await events_of(api, "Deployment")
    assert sorted(await events_of(api, "ReplicaSet")) == sorted(
        ("SuccessfulCreate", f"Created pod: {pod['metadata']['name']}") for pod in pods
    )

    await api.patch(DEPLOYMENTS, "web", "default", image_of("nginx:2"), kind="strategic", type=dict)
    it = await available(api, "web", 3, counter)
    assert it["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "2"
    assert {pod["spec"]["containers"][0]["image"] for pod in await pods_of(api, 3)} == {"nginx:2"}

    await api.patch(DEPLOYMENTS, "web", "default", image_of("nginx:1"), kind="strategic", type=dict)
    it = await available(api, "web", 3, counter)
    assert it["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "3"
    sets = {each["metadata"]["name"]: each["spec"]["replicas"] for each in await listed(api, SETS)}
    assert len(sets) == 2, "going back uses the ReplicaSet that is there"
    assert sets[name] == 3


async def test_scaled_in_the_middle_of_a_rollout_it_comes_to_its_end(api: Client) -> None:
    counter = [0]
    await api.create(DEPLOYMENTS, deployment(replicas=4), "default")
    await available(api, "web", 4, counter)
    await api.patch(DEPLOYMENTS, "web", "default", image_of("nginx:2"), kind="strategic", type=dict)
    await api.patch(DEPLOYMENTS, "web", "default", {"spec": {"replicas": 5}}, type=dict)
    await available(api, "web", 5, counter)
    assert {pod["spec"]["containers"][0]["image"] for pod in await pods_of(api, 5)} == {"nginx:2"}


async def test_recreate_starts_nothing_before_the_last_old_pod_has_gone(api: Client) -> None:
    await api.create(DEPLOYMENTS, deployment(replicas=1, strategy={"type": "Recreate"}), "default")
    (old,) = await pods_of(api, 1)
    # On a node, so that it is its kubelet's to say when it has gone.
    await add_node(api, "node1")
    await api.bind("default", old["metadata"]["name"], old["metadata"]["uid"], "node1")
    await api.patch(DEPLOYMENTS, "web", "default", image_of("nginx:2"), kind="strategic", type=dict)

    async def going() -> bool:
        found = await api.get("pods", old["metadata"]["name"], "default", type=dict)
        return "deletionTimestamp" in found["metadata"]

    await until(going)
    await asyncio.sleep(0.1)
    assert len(await listed(api, SETS)) == 1
    await api.delete("pods", old["metadata"]["name"], "default", grace=0)
    (new,) = await pods_of(api, 1)
    assert new["spec"]["containers"][0]["image"] == "nginx:2"


async def test_a_pod_that_is_deleted_is_replaced_and_one_relabelled_is_let_go(api: Client) -> None:
    await api.create(DEPLOYMENTS, deployment(), "default")
    first, second, _ = await pods_of(api, 3)
    await api.delete("pods", first["metadata"]["name"], "default", grace=0)
    labels = {"metadata": {"labels": {"app": "debug"}}}
    await api.patch("pods", second["metadata"]["name"], "default", labels, type=dict)
    await pods_of(api, 3, "app=web")
    (freed,) = await pods_of(api, 1, "app=debug")
    assert not freed["metadata"].get("ownerReferences")


async def test_orphans_are_adopted_with_their_other_owners_kept_and_nothing_is_made_beside_them(api: Client) -> None:
    config: Json = await api.create(
        "configmaps", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "o"}}, "default"
    )
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "o", "uid": config["metadata"]["uid"]}
    labels = {"app": "web"}
    spec = {"containers": [{"name": "c", "image": "nginx"}]}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "lone", "labels": labels, "ownerReferences": [owner]},
    }
    await api.create("pods", {**pod, "spec": spec}, "default")
    rs = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {"name": "rs"},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }
    await api.create(SETS, rs, "default")

    async def adopted() -> list[Json] | None:
        found = await api.get("pods", "lone", "default", type=dict)
        owners: list[Json] = found["metadata"]["ownerReferences"]
        return owners if len(owners) == 2 else None

    assert {each["kind"] for each in await until(adopted)} == {"ConfigMap", "ReplicaSet"}
    await asyncio.sleep(0.1)
    assert len(await listed(api, "pods")) == 1
    assert await events_of(api, "ReplicaSet") == []


async def test_a_replication_controller_keeps_as_many_pods_as_it_says_and_leaves_them_when_it_goes(api: Client) -> None:
    rc = deployment(replicas=2) | {"apiVersion": "v1", "kind": "ReplicationController"}
    del rc["spec"]["selector"]
    await api.create("replicationcontrollers", rc, "default")
    (pod, other) = await pods_of(api, 2)
    (owner,) = pod["metadata"]["ownerReferences"]
    assert (owner["apiVersion"], owner["kind"], owner["controller"]) == ("v1", "ReplicationController", True)
    await api.delete("pods", pod["metadata"]["name"], "default")
    await until(lambda: _replaced(api, pod))
    body = {"spec": {"replicas": 1}}
    await api.patch("replicationcontrollers", "web", "default", body, subresource="scale", type=dict)
    (last,) = await pods_of(api, 1)
    assert ("SuccessfulCreate", f"Created pod: {other['metadata']['name']}") in await events_of(api, rc["kind"])
    await api.delete("replicationcontrollers", "web", "default")  # no propagation given: dependents stay, as of old

    async def left() -> bool:
        return not (await listed(api, "pods"))[0]["metadata"].get("ownerReferences")

    await until(left)
    assert [each["metadata"]["uid"] for each in await listed(api, "pods")] == [last["metadata"]["uid"]]


async def _replaced(api: Client, pod: Json) -> bool:
    names = [each["metadata"]["name"] for each in await pods_of(api, 2)]
    return pod["metadata"]["name"] not in names


async def test_deleted_with_orphans_and_made_again_a_deployment_takes_back_what_was_its(api: Client) -> None:
    await api.create(DEPLOYMENTS, deployment(), "default")
    before = {pod["metadata"]["uid"] for pod in await pods_of(api, 3)}
    await api.delete(DEPLOYMENTS, "web", "default", propagation="Orphan")

    async def gone() -> bool:
        return not await listed(api, DEPLOYMENTS)

    await until(gone)
    made = await api.create(DEPLOYMENTS, deployment(), "default")

    async def taken() -> bool:
        (found,) = await listed(api, SETS)
        owners = found["metadata"].get("ownerReferences") or ()
        return any(owner["uid"] == made["metadata"]["uid"] for owner in owners)

    await until(taken)
    assert {pod["metadata"]["uid"] for pod in await pods_of(api, 3)} == before


@pytest.mark.parametrize("propagation", ["Background", "Foreground"])
async def test_with_a_deployment_all_that_was_made_for_it_goes(api: Client, propagation: str) -> None:
    await api.create(DEPLOYMENTS, deployment(), "default")
    await pods_of(api, 3)
    await api.delete(DEPLOYMENTS, "web", "default", propagation=propagation)

    async def gone() -> bool:
        return not any([await listed(api, resource) for resource in (DEPLOYMENTS, SETS, "pods")])

    await until(gone)


async def test_what_cannot_be_made_is_told_in_events_and_conditions(api: Client) -> None:
    it = deployment()
    it["spec"]["template"]["spec"]["serviceAccountName"] = "nobody"
    await api.create(DEPLOYMENTS, it, "default")

    async def told() -> Json | None:
        found = await api.get(DEPLOYMENTS, "web", "default", type=dict)
        conditions = found.get("status", {}).get("conditions") or ()
        return next((each for each in conditions if each["type"] == "ReplicaFailure"), None)

    condition = await until(told)
    assert condition["reason"] == "FailedCreate"
    assert "nobody" in condition["message"]
    events = await events_of(api, "ReplicaSet")
    assert {reason for reason, _ in events} == {"FailedCreate"}
    assert all(text.startswith("Error creating: ") for _, text in events)


SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "web"},
    "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]},
}


async def test_endpoints_and_slices_follow_their_pods(api: Client) -> None:
    await api.create("services", SERVICE, "default")
    await api.create(DEPLOYMENTS, deployment(), "default")
    for index, pod in enumerate(await pods_of(api, 3)):
        await make_ready(api, pod, f"10.244.1.{index + 8}")

    async def addresses(count: int) -> tuple[list[str], list[str]] | None:
        subsets = (await api.get("endpoints", "web", "default", type=dict)).get("subsets") or ()
        flat = [address["ip"] for subset in subsets for address in subset.get("addresses") or ()]
        slices = await listed(api, SLICES, "kubernetes.io/service-name=web")
        ready = [e["addresses"][0] for each in slices for e in each.get("endpoints") or () if e["conditions"]["ready"]]
        return (flat, sorted(ready)) if len(flat) == len(ready) == count and len(slices) == 1 else None

    assert await until(lambda: addresses(3)) == (["10.244.1.10", "10.244.1.8", "10.244.1.9"],) * 2
    pod = (await pods_of(api, 3))[0]
    await make_ready(api, pod, pod["status"]["podIP"], ready=False)
    await until(lambda: addresses(2))
    (slice_,) = await listed(api, SLICES, "kubernetes.io/service-name=web")
    await api.patch(DEPLOYMENTS, "web", "default", {"spec": {"replicas": 0}}, type=dict)
    await until(lambda: addresses(0))
    (empty,) = await listed(api, SLICES, "kubernetes.io/service-name=web")
    assert empty["metadata"]["name"] == slice_["metadata"]["name"]
    await api.delete("services", "web", "default")

    async def gone() -> bool:
        left = await listed(api, SLICES, "kubernetes.io/service-name=web")
        names = [each["metadata"]["name"] for each in await listed(api, "endpoints")]
        return not left and "web" not in names

    await until(gone)


async def test_a_service_has_slices_of_the_families_that_it_has_now(api: Client) -> None:
    await api.create("services", SERVICE, "default")
    await api.create(DEPLOYMENTS, deployment(replicas=2), "default")
    for index, pod in enumerate(await pods_of(api, 2)):
        await make_ready(api, pod, f"10.244.1.{index + 8}", f"fd00:10:244:1::{index + 8}")
    four, six = ["10.244.1.8", "10.244.1.9"], ["fd00:10:244:1::8", "fd00:10:244:1::9"]

    async def told(**wanted: list[str]) -> bool:
        slices = await listed(api, SLICES, "kubernetes.io/service-name=web")
        found = {each["addressType"]: sorted(e["addresses"][0] for e in each.get("endpoints") or ()) for each in slices}
        return found == wanted and len(slices) == len(wanted)

    await until(lambda: told(IPv4=four))
    for policy, wanted in (("PreferDualStack", {"IPv4": four, "IPv6": six}), ("SingleStack", {"IPv4": four})):
        await api.patch("services", "web", "default", {"spec": {"ipFamilyPolicy": policy}}, type=dict)
        await until(partial(told, **wanted))
    endpoints = await api.get("endpoints", "web", "default", type=dict)
    assert [address["ip"] for address in endpoints["subsets"][0]["addresses"]] == four


async def test_endpoints_by_hand_are_left_alone_and_mirrored(api: Client) -> None:
    await api.create("services", {**SERVICE, "spec": {"ports": [{"port": 80}]}}, "default")
    subsets = [{"addresses": [{"ip": "192.0.2.1"}], "ports": [{"port": 80}]}]
    by_hand = {"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": "web"}, "subsets": subsets}
    await api.create("endpoints", by_hand, "default")

    async def mirrored() -> list[Json]:
        return await listed(api, SLICES, "kubernetes.io/service-name=web")

    (found,) = await until(mirrored)
    assert found["metadata"]["labels"]["endpointslice.kubernetes.io/managed-by"].startswith("endpointslicemirroring")
    assert found["endpoints"][0]["addresses"] == ["192.0.2.1"]
    kept = await api.get("endpoints", "web", "default", type=dict)
    assert kept["subsets"][0]["addresses"] == [{"ip": "192.0.2.1"}]


async def test_a_namespace_gets_its_defaults_and_goes_with_all_that_is_in_it(api: Client) -> None:
    await api.create("namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "dev"}})

    async def given() -> Json | None:
        await api.get("serviceaccounts", "default", "dev", type=dict)
        found: Json = await api.get("configmaps", "kube-root-ca.crt", "dev", type=dict)
        return found

    assert (await until(given))["data"] == {"ca.crt": "the authority"}
    await api.delete("configmaps", "kube-root-ca.crt", "dev")
    await until(given)
    it = deployment()
    it["metadata"]["namespace"] = "dev"
    await api.create(DEPLOYMENTS, it, "dev")
    await api.create("services", SERVICE, "dev")

    async def made() -> bool:
        return len((await api.list("pods", type=dict, namespace="dev")).items) == 3

    await until(made)
    await api.delete("namespaces", "dev")

    async def gone() -> bool:
        return not any(each["metadata"]["name"] == "dev" for each in (await api.list("namespaces", type=dict)).items)

    await until(gone)
    for resource in ("pods", DEPLOYMENTS, SETS, "services", "endpoints", SLICES, "configmaps", "serviceaccounts"):
        assert (await api.list(resource, type=dict, namespace="dev")).items == []


async def test_a_daemon_set_has_a_pod_on_each_node_that_takes_it_and_a_history(api: Client) -> None:
    await add_node(api, "master", taints=({"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"},))
    await add_node(api, "node1")
    labels = {"app": "ds"}
    body = {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "ds"},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "x"}]}},
        },
    }
    await api.create("daemonsets.apps", body, "default")
    await pods_of(api, 1)
    await add_node(api, "node2")
    await pods_of(api, 2)

    async def counted() -> bool:
        status = (await api.get("daemonsets.apps", "ds", "default", type=dict))["status"]
        return bool(status["desiredNumberScheduled"] == status["currentNumberScheduled"] == 2)

    await until(counted)
    await api.patch("daemonsets.apps", "ds", "default", image_of("y"), kind="strategic", type=dict)

    async def remembered() -> list[Json] | None:
        found = await listed(api, "controllerrevisions.apps", "app=ds")
        return found if len(found) == 2 else None

    first, second = sorted(await until(remembered), key=lambda each: each["revision"])
    assert (first["revision"], second["revision"]) == (1, 2)
    await api.patch("daemonsets.apps", "ds", "default", first["data"], kind="strategic", type=dict)

    async def back() -> bool:
        found = await api.get("controllerrevisions.apps", first["metadata"]["name"], "default", type=dict)
        return bool(found["revision"] == 3 and found["data"] == first["data"])

    await until(back)


async def test_nodes_get_ranges_and_one_that_is_not_ready_its_taints(api: Client) -> None:
    await add_node(api, "node1")
    await add_node(api, "node2")

    async def ranges() -> set[str] | None:
        specs = [node["spec"] for node in (await api.list("nodes", type=dict)).items]
        found = {",".join(spec.get("podCIDRs", ())) for spec in specs}
        return found if all(found) and all(spec["podCIDR"] == spec["podCIDRs"][0] for spec in specs) else None

    assert await until(ranges) == {"10.244.1.0/24,fd00:10:244:1::/64", "10.244.2.0/24,fd00:10:244:2::/64"}
    conditions = {"status": {"conditions": [{"type": "Ready", "status": "False", "reason": "KubeletNotReady"}]}}
    await api.patch("nodes", "node1", None, conditions, subresource="status", type=dict)

    async def tainted() -> list[str] | None:
        taints = (await api.get("nodes", "node1", type=dict))["spec"].get("taints")
        return taints and sorted(f"{taint['key']}:{taint['effect']}" for taint in taints)

    key = "node.kubernetes.io/not-ready"
    assert await until(tainted) == [f"{key}:NoExecute", f"{key}:NoSchedule"]
