"""LimitRanges: what they give pods that say nothing, and what they refuse."""

from typing import Any

import pytest

from fairlead.apiserver.admission.limit_ranger import of_pod
from tests.unit.apiserver.requests import CORE, Api, cause_fields, pod

Json = dict[str, Any]

RANGES = f"{CORE}/limitranges"


def limit_range(*limits: Json, name: str = "limits") -> Json:
    return {"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": name}, "spec": {"limits": list(limits)}}


def container(name: str = "c", **resources: Json) -> Json:
    return {"name": name, "image": "nginx", "resources": resources}


async def test_defaults_follow_from_each_other(api: Api) -> None:
    item = {"type": "Container", "max": {"cpu": "1"}, "min": {"memory": "90Mi", "cpu": "100m"}}
    made = await api.create(RANGES, limit_range(item))
    assert made["spec"]["limits"] == [
        {**item, "default": {"cpu": "1"}, "defaultRequest": {"memory": "90Mi", "cpu": "1"}}
    ]


async def test_containers_that_say_nothing_get_the_defaults_and_the_pod_says_so(api: Api) -> None:
    item = {"type": "Container", "min": {"memory": "90Mi", "cpu": "100m"}, "default": {"memory": "1Gi"}}
    await api.create(RANGES, limit_range(item))
    containers = [container(), container("d", requests={"cpu": "2"})]
    made = await api.create(f"{CORE}/pods", pod(containers=containers, initContainers=[container("i")]))
    first, second = (each["resources"] for each in made["spec"]["containers"])
    assert first == {"requests": {"cpu": "100m", "memory": "1Gi"}, "limits": {"memory": "1Gi"}}
    assert second == {"requests": {"cpu": "2", "memory": "1Gi"}, "limits": {"memory": "1Gi"}}
    assert made["metadata"]["annotations"]["kubernetes.io/limit-ranger"] == (
        "LimitRanger plugin set: cpu, memory request for container c; memory limit for container c; "
        "memory request for container d; memory limit for container d; "
        "cpu, memory request for init container i; memory limit for init container i"
    )
    assert made["status"]["qosClass"] == "Burstable"


REFUSED: list[tuple[Json, Json, str]] = [
    (
        {"type": "Container", "min": {"cpu": "100m"}},
        {"requests": {"cpu": "50m"}},
        'pods "x" is forbidden: minimum cpu usage per Container is 100m, but request is 50m',
    ),
    (
        {"type": "Container", "max": {"cpu": "1", "memory": "1Gi"}},
        {"limits": {"cpu": "2", "memory": "2048Mi"}},
        (
            'pods "x" is forbidden: [maximum cpu usage per Container is 1, but limit is 2, '
            "maximum memory usage per Container is 1Gi, but limit is 2Gi]"
        ),
    ),
    (
        {"type": "Container", "maxLimitRequestRatio": {"cpu": "2"}},
        {"requests": {"cpu": "1"}, "limits": {"cpu": "5"}},
        'pods "x" is forbidden: cpu max limit to request ratio per Container is 2, but provided ratio is 5.000000',
    ),
    (
        {"type": "Container", "maxLimitRequestRatio": {"cpu": "2"}},
        {},
        (
            'pods "x" is forbidden: cpu max limit to request ratio per Container is 2, but no request is specified or '
            "request is 0"
        ),
    ),
    (
        {"type": "Pod", "max": {"cpu": "1"}},
        {},
        'pods "x" is forbidden: maximum cpu usage per Pod is 1.  No limit is specified',
    ),
    (
        {"type": "Pod", "min": {"memory": "1Gi"}},
        {"requests": {"memory": "256Mi"}},
        'pods "x" is forbidden: minimum memory usage per Pod is 1Gi, but request is 512Mi',
    ),
]


@pytest.mark.parametrize(("item", "resources", "message"), REFUSED)
async def test_a_pod_beyond_the_limits_is_refused_in_kubernetes_words(
    api: Api, item: Json, resources: Json, message: str
) -> None:
    await api.create(RANGES, limit_range(item))
    containers = [container(**resources), container("d", **resources)]
    answer = await api("POST", f"{CORE}/pods", pod(containers=containers))
    assert answer.failed(403, "Forbidden")["message"] == message
    elsewhere = "/api/v1/namespaces/kube-public/pods"
    (await api("POST", elsewhere, pod(containers=containers))).ok()


def test_a_pod_needs_its_containers_or_an_init_container_with_the_sidecars_before_it() -> None:
    sidecar = {**container("s", requests={"cpu": "1"}), "restartPolicy": "Always"}
    spec = {
        "initContainers": [container("a", requests={"cpu": "3"}), sidecar, container("b", requests={"cpu": "4"})],
        "containers": [container(requests={"cpu": "500m"}), container("d", requests={"cpu": "1", "memory": "1Mi"})],
    }
    assert of_pod(spec, "requests") == {"cpu": "5", "memory": "1Mi"}
    assert of_pod({**spec, "initContainers": [sidecar]}, "requests") == {"cpu": "2500m", "memory": "1Mi"}


INVALID: list[tuple[Json, list[str], str]] = [
    ({"type": "Node"}, ["spec.limits[0].type"], "must be a standard limit type or fully qualified"),
    ({"type": "Pod", "default": {"cpu": "1"}}, ["spec.limits[0].default"], "may not be specified when `type` is 'Pod'"),
    (
        {"type": "Container", "min": {"cpu": "2"}, "max": {"cpu": "1"}, "default": {"cpu": "2"}},
        ["spec.limits[0].min[cpu]", "spec.limits[0].defaultRequest[cpu]", "spec.limits[0].default[cpu]"],
        "min value 2 is greater than max value 1",
    ),
    (
        {"type": "PersistentVolumeClaim", "max": {"cpu": "1"}},
        ["spec.limits[0].limits"],
        "either minimum or maximum storage value is required, but neither was provided",
    ),
    (
        {"type": "Container", "max": {"storage": "1"}},
        ["spec.limits[0].max[storage]", "spec.limits[0].default[storage]", "spec.limits[0].defaultRequest[storage]"],
        "must be a standard resource for containers",
    ),
    (
        {"type": "Pod", "maxLimitRequestRatio": {"cpu": "500m"}},
        ["spec.limits[0].maxLimitRequestRatio[cpu]"],
        "ratio 500m is less than 1",
    ),
    (
        {"type": "Pod", "min": {"cpu": "1"}, "max": {"cpu": "2"}, "maxLimitRequestRatio": {"cpu": "3"}},
        ["spec.limits[0].maxLimitRequestRatio[cpu]"],
        "ratio 3 is greater than max/min = 2.000000",
    ),
]


@pytest.mark.parametrize(("item", "fields", "text"), INVALID)
async def test_a_limit_range_that_cannot_be(api: Api, item: Json, fields: list[str], text: str) -> None:
    answer = await api("POST", RANGES, limit_range(item))
    assert answer.failed(422, "Invalid")
    assert cause_fields(answer) == fields
    assert text in answer.message


async def test_a_type_is_given_once(api: Api) -> None:
    answer = await api("POST", RANGES, limit_range({"type": "Pod"}, {"type": "Pod"}))
    assert cause_fields(answer) == ["spec.limits[1].type"]
