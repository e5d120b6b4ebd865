"""Address families of Services, as KEP-563 and the page "IPv4/IPv6 dual-stack" tell of them: a table of what is asked
for and of what comes of it, in clusters of one family and of two."""

import copy
import re
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest

from fairlead.api.resources import SERVICES
from fairlead.api.status import ApiError
from fairlead.apiserver.allocation import Allocators
from fairlead.apiserver.allocation.families import settle
from fairlead.apiserver.registry import Registry
from fairlead.apiserver.watchcache import WatchCache
from fairlead.store.sqlite import SqliteStore
from tests.unit.api_server import IPV4, IPV6
from tests.unit.apiserver.requests import CORE, MERGE, service, serving

Json = dict[str, Any]

CLUSTERS = {"4": (IPV4,), "6": (IPV6,), "46": (IPV4, IPV6), "64": (IPV6, IPV4)}
FAMILIES = {"4": ["IPv4"], "6": ["IPv6"], "46": ["IPv4", "IPv6"], "64": ["IPv6", "IPv4"]}
BOTH = ["IPv4", "IPv6"]
SINGLE, PREFER, REQUIRE = "SingleStack", "PreferDualStack", "RequireDualStack"
PATH = f"{CORE}/services/x"


# (cluster, what is asked for, policy, families) of a Service with a selector, and an address in each of them
MADE: list[tuple[str, Json, str, str]] = [
    ("4", {}, SINGLE, "4"),
    ("6", {}, SINGLE, "6"),
    ("46", {}, SINGLE, "4"),
    ("64", {}, SINGLE, "6"),
    ("46", {"ipFamilies": ["IPv6"]}, SINGLE, "6"),
    ("46", {"ipFamilies": ["IPv6"], "ipFamilyPolicy": SINGLE}, SINGLE, "6"),
    ("4", {"ipFamilyPolicy": PREFER}, PREFER, "4"),
    ("46", {"ipFamilyPolicy": PREFER}, PREFER, "46"),
    ("64", {"ipFamilyPolicy": PREFER}, PREFER, "64"),
    ("46", {"ipFamilyPolicy": PREFER, "ipFamilies": ["IPv6"]}, PREFER, "64"),
    ("46", {"ipFamilyPolicy": REQUIRE}, REQUIRE, "46"),
    ("46", {"ipFamilyPolicy": REQUIRE, "ipFamilies": ["IPv6", "IPv4"]}, REQUIRE, "64"),
    ("46", {"type": "NodePort", "ipFamilyPolicy": PREFER}, PREFER, "46"),
    ("46", {"type": "LoadBalancer", "ipFamilyPolicy": REQUIRE}, REQUIRE, "46"),
    ("46", {"clusterIP": "10.96.7.7"}, SINGLE, "4"),
    ("46", {"clusterIP": "fd00:10:96::77"}, SINGLE, "6"),
    ("46", {"clusterIP": "fd00:10:96::77", "ipFamilyPolicy": PREFER}, PREFER, "64"),
    ("46", {"clusterIP": "10.96.7.7", "clusterIPs": ["10.96.7.7"], "ipFamilyPolicy": REQUIRE}, REQUIRE, "46"),
    (
        "46",
        {"clusterIP": "10.96.7.7", "clusterIPs": ["10.96.7.7", "fd00:10:96::77"], "ipFamilyPolicy": PREFER},
        PREFER,
        "46",
    ),
]


@pytest.mark.parametrize(("cluster", "asked", "policy", "families"), MADE)
async def test_a_new_service_has_the_families_that_it_asks_for(
    tmp_path: Path, cluster: str, asked: Json, policy: str, families: str
) -> None:
    async with serving(tmp_path, CLUSTERS[cluster]) as api:
        spec = (await api.create(f"{CORE}/services", service(selector={"a": "b"}, **asked)))["spec"]
    assert (spec["ipFamilyPolicy"], spec["ipFamilies"]) == (policy, FAMILIES[families])
    assert [f"IPv{ip_address(each).version}" for each in spec["clusterIPs"]] == FAMILIES[families]
    assert all(any(ip_address(each) in ip_network(cidr) for cidr in (IPV4, IPV6)) for each in spec["clusterIPs"])
    assert spec["clusterIP"] == spec["clusterIPs"][0]
    assert spec["clusterIPs"][: len(asked.get("clusterIPs", []))] == asked.get("clusterIPs", [])


HEADLESS: list[tuple[str, Json, str, str]] = [
    ("4", {"selector": {"a": "b"}}, SINGLE, "4"),
    ("46", {"selector": {"a": "b"}}, SINGLE, "4"),
    ("46", {"selector": {"a": "b"}, "ipFamilyPolicy": PREFER}, PREFER, "46"),
    ("46", {"selector": {"a": "b"}, "ipFamilyPolicy": REQUIRE, "ipFamilies": ["IPv6"]}, REQUIRE, "64"),
    # Without a selector the endpoints are somebody else's, of any family, whatever the cluster has.
    ("4", {}, REQUIRE, "46"),
    ("6", {}, REQUIRE, "64"),
    ("46", {}, REQUIRE, "46"),
    ("4", {"ipFamilyPolicy": PREFER}, PREFER, "46"),
    ("4", {"ipFamilyPolicy": SINGLE}, SINGLE, "4"),
    ("4", {"ipFamilies": ["IPv6"], "ipFamilyPolicy": SINGLE}, SINGLE, "6"),
]


@pytest.mark.parametrize(("cluster", "asked", "policy", "families"), HEADLESS)
async def test_a_headless_service_has_families_and_no_address(
    tmp_path: Path, cluster: str, asked: Json, policy: str, families: str
) -> None:
    async with serving(tmp_path, CLUSTERS[cluster]) as api:
        spec = (await api.create(f"{CORE}/services", service(clusterIP="None", **asked)))["spec"]
    assert (spec["ipFamilyPolicy"], spec["ipFamilies"]) == (policy, FAMILIES[families])
    assert (spec["clusterIP"], spec["clusterIPs"]) == ("None", ["None"])


# (cluster, what is asked for, the message beneath `Service "x" is invalid: `)
REFUSED: list[tuple[str, Json, str]] = [
    (
        "4",
        {"ipFamilyPolicy": REQUIRE},
        (
            'spec.ipFamilyPolicy: Invalid value: "RequireDualStack": this cluster is not configured for dual-stack '
            "services"
        ),
    ),
    (
        "4",
        {"ipFamilies": ["IPv6"]},
        'spec.ipFamilies[0]: Invalid value: "IPv6": not configured on this cluster',
    ),
    (
        "4",
        {"clusterIP": "fd00:10:96::77"},
        'spec.clusterIPs[0]: Invalid value: []string{"fd00:10:96::77"}: IPv6 is not configured on this cluster',
    ),
    (
        "46",
        {"ipFamilies": BOTH},
        (
            "spec.ipFamilyPolicy: Invalid value: \"SingleStack\": must be 'RequireDualStack' or 'PreferDualStack' when "
            "multiple IP families are specified"
        ),
    ),
    (
        "46",
        {"clusterIP": "10.96.7.7", "clusterIPs": ["10.96.7.7", "fd00:10:96::77"]},
        (
            "spec.ipFamilyPolicy: Invalid value: \"SingleStack\": must be 'RequireDualStack' or 'PreferDualStack' when "
            "multiple cluster IPs are specified"
        ),
    ),
    (
        "46",
        {"clusterIP": "10.96.7.7", "clusterIPs": ["10.96.7.7", "10.96.7.8"], "ipFamilyPolicy": PREFER},
        (
            'spec.clusterIPs: Invalid value: []string{"10.96.7.7", "10.96.7.8"}: '
            "may specify no more than one IP for each IP family"
        ),
    ),
    (
        "46",
        {"clusterIP": "10.96.7.7", "ipFamilies": ["IPv6"]},
        'spec.clusterIPs[0]: Invalid value: "10.96.7.7": expected an IPv6 value as indicated by `ipFamilies[0]`',
    ),
    (
        "46",
        {"clusterIP": "fd00:10:96::77", "ipFamilies": BOTH, "ipFamilyPolicy": PREFER},
        'spec.clusterIPs[0]: Invalid value: "fd00:10:96::77": expected an IPv4 value as indicated by `ipFamilies[0]`',
    ),
    (
        "46",
        {"clusterIPs": ["10.96.7.7"]},
        'spec.clusterIPs: Invalid value: []string{"10.96.7.7"}: must be empty when `clusterIP` is not specified',
    ),
    (
        "46",
        {"clusterIP": "10.96.7.8", "clusterIPs": ["10.96.7.7"]},
        'spec.clusterIPs: Invalid value: []string{"10.96.7.7"}: first value must match `clusterIP`',
    ),
    (
        "46",
        {"ipFamilies": ["IPv5"]},
        'spec.ipFamilies[0]: Unsupported value: "IPv5": supported values: "IPv4", "IPv6"',
    ),
    (
        "46",
        {"ipFamilies": ["IPv4", "IPv4"], "ipFamilyPolicy": PREFER},
        'spec.ipFamilies[1]: Duplicate value: "IPv4"',
    ),
    (
        "46",
        {"ipFamilyPolicy": "DualStack"},
        (
            'spec.ipFamilyPolicy: Unsupported value: "DualStack": supported values: "PreferDualStack", '
            '"RequireDualStack", "SingleStack"'
        ),
    ),
    (
        "46",
        {"clusterIP": "None", "clusterIPs": ["None", "fd00:10:96::77"], "ipFamilyPolicy": PREFER},
        'spec.clusterIPs: Invalid value: []string{"None", "fd00:10:96::77"}: \'None\' must be the first and only value',
    ),
    (
        "46",
        {"clusterIP": "fd00:10:97::1"},
        (
            'spec.clusterIPs: Invalid value: []string{"fd00:10:97::1"}: failed to allocate IP fd00:10:97::1: the '
            "provided IP (fd00:10:97::1) is not in the valid range. The range of valid IPs is fd00:10:96::/112"
        ),
    ),
    (
        "46",
        {"type": "ExternalName", "externalName": "a.example", "ipFamilyPolicy": SINGLE},
        "spec.ipFamilyPolicy: Forbidden: may not be set for ExternalName services",
    ),
    (
        "46",
        {"type": "LoadBalancer", "clusterIP": "None", "selector": {"a": "b"}},
        "spec.clusterIPs[0]: Invalid value: []string{\"None\"}: may not be set to 'None' for LoadBalancer services",
    ),
]


@pytest.mark.parametrize(("cluster", "asked", "message"), REFUSED)
async def test_what_cannot_be_is_refused_in_kubernetes_words(
    tmp_path: Path, cluster: str, asked: Json, message: str
) -> None:
    async with serving(tmp_path, CLUSTERS[cluster]) as api:
        answer = await api("POST", f"{CORE}/services", service(**asked))
    assert answer.failed(422, "Invalid")["message"] == f'Service "x" is invalid: {message}'


# (policy and families at first, the merge patch, policy and families then, or the message)
CHANGES: list[tuple[Json, Json, tuple[str, str] | str]] = [
    ({}, {"ipFamilyPolicy": PREFER}, (PREFER, "46")),
    ({}, {"ipFamilyPolicy": REQUIRE}, (REQUIRE, "46")),
    ({"ipFamilies": ["IPv6"]}, {"ipFamilyPolicy": PREFER}, (PREFER, "64")),
    ({}, {"ipFamilyPolicy": PREFER, "ipFamilies": BOTH}, (PREFER, "46")),
    ({"ipFamilyPolicy": REQUIRE}, {"ipFamilyPolicy": PREFER}, (PREFER, "46")),
    ({"ipFamilyPolicy": PREFER}, {"ipFamilyPolicy": SINGLE}, (SINGLE, "4")),
    ({"ipFamilyPolicy": REQUIRE, "ipFamilies": ["IPv6"]}, {"ipFamilyPolicy": SINGLE}, (SINGLE, "6")),
    ({"ipFamilyPolicy": PREFER}, {"ipFamilyPolicy": SINGLE, "ipFamilies": ["IPv4"]}, (SINGLE, "4")),
    # A manifest that says nothing of families leaves them alone.
    ({"ipFamilyPolicy": PREFER}, {"ipFamilyPolicy": None, "ipFamilies": None, "clusterIPs": None}, (PREFER, "46")),
    ({"ipFamilyPolicy": PREFER}, {"type": "NodePort"}, (PREFER, "46")),
    (
        {"ipFamilyPolicy": PREFER},
        {"ipFamilies": ["IPv4"]},
        (
            "spec.ipFamilyPolicy: Invalid value: \"PreferDualStack\": must be 'SingleStack' to release the secondary "
            "IP family"
        ),
    ),
    (
        {},
        {"ipFamilies": ["IPv6"]},
        'spec.clusterIPs[0]: Invalid value: "ADDRESS": expected an IPv6 value as indicated by `ipFamilies[0]`',
    ),
    (
        {},
        {"clusterIP": "10.96.7.7"},
        'spec.clusterIPs[0]: Invalid value: []string{"10.96.7.7"}: may not change once set',
    ),
    (
        {"ipFamilyPolicy": PREFER},
        {"ipFamilyPolicy": SINGLE, "ipFamilies": ["IPv6"]},
        'spec.clusterIPs[0]: Invalid value: "ADDRESS": expected an IPv6 value as indicated by `ipFamilies[0]`',
    ),
]


@pytest.mark.parametrize(("first", "patch", "then"), CHANGES)
async def test_a_second_family_comes_and_goes_and_the_first_stays(
    tmp_path: Path, first: Json, patch: Json, then: tuple[str, str] | str
) -> None:
    async with serving(tmp_path, CLUSTERS["46"]) as api:
        before = (await api.create(f"{CORE}/services", service(selector={"a": "b"}, **first)))["spec"]
        answer = await api("PATCH", PATH, {"spec": patch}, MERGE)
        if isinstance(then, str):
            message = answer.failed(422, "Invalid")["message"].replace(before["clusterIP"], "ADDRESS")
            assert message == f'Service "x" is invalid: {then}'
            assert (await api.get(PATH))["spec"] == before
            return
        spec = answer.ok()["spec"]
    policy, families = then
    assert (spec["ipFamilyPolicy"], spec["ipFamilies"]) == (policy, FAMILIES[families])
    assert spec["clusterIPs"][0] == spec["clusterIP"] == before["clusterIP"]
    assert [f"IPv{ip_address(each).version}" for each in spec["clusterIPs"]] == FAMILIES[families]
    kept = len(set(spec["clusterIPs"]) & set(before["clusterIPs"]))
    assert kept == min(len(spec["clusterIPs"]), len(before["clusterIPs"]))


async def test_an_external_name_gives_addresses_and_families_back_and_gets_new_ones_later(tmp_path: Path) -> None:
    fixed: Json = {"clusterIP": "10.96.7.7", "clusterIPs": ["10.96.7.7", "fd00:10:96::77"], "ipFamilyPolicy": PREFER}
    async with serving(tmp_path, CLUSTERS["46"]) as api:
        await api.create(f"{CORE}/services", service(**fixed))
        taken = await api("POST", f"{CORE}/services", service("y", clusterIP="fd00:10:96::77"))
        assert "provided IP is already allocated" in taken.failed(422, "Invalid")["message"]
        named = await api("PATCH", PATH, {"spec": {"type": "ExternalName", "externalName": "a.example"}}, MERGE)
        assert not {"clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"} & named.ok()["spec"].keys()
        await api.create(f"{CORE}/services", service("y", clusterIP="fd00:10:96::77"))
        back = (await api("PATCH", PATH, {"spec": {"type": "ClusterIP", "externalName": None}}, MERGE)).ok()["spec"]
        assert (back["ipFamilyPolicy"], back["ipFamilies"]) == (SINGLE, ["IPv4"])
        assert ip_address(back["clusterIP"]) in ip_network(IPV4)


async def test_a_released_second_address_is_free_at_once(tmp_path: Path) -> None:
    fixed: Json = {"clusterIP": "10.96.7.7", "clusterIPs": ["10.96.7.7", "fd00:10:96::77"], "ipFamilyPolicy": PREFER}
    async with serving(tmp_path, CLUSTERS["46"]) as api:
        await api.create(f"{CORE}/services", service(**fixed))
        (await api("PATCH", PATH, {"spec": {"ipFamilyPolicy": SINGLE}}, MERGE)).ok()
        await api.create(f"{CORE}/services", service("y", clusterIP="fd00:10:96::77"))
        answer = await api("PATCH", PATH, {"spec": {"ipFamilyPolicy": PREFER}}, MERGE)
        assert re.fullmatch(r"fd00:10:96::.*", answer.ok()["spec"]["clusterIPs"][1])
        assert answer.json["spec"]["clusterIPs"][1] != "fd00:10:96::77"


async def test_the_service_kubernetes_is_of_the_default_family(tmp_path: Path) -> None:
    for number, (ranges, family, address) in enumerate(
        (((IPV4, IPV6), "IPv4", "10.96.0.1"), ((IPV6, IPV4), "IPv6", "fd00:10:96::1"))
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        async with serving(folder, ranges) as api:
            spec = (await api.get(f"{CORE}/services/kubernetes"))["spec"]
            assert (spec["clusterIPs"], spec["ipFamilies"]) == ([address], [family])
            slices = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes"
            assert (await api.get(slices))["addressType"] == family


def test_a_service_that_nobody_changes_stays_as_it_is_when_the_cluster_becomes_dual() -> None:
    """The policy tells what to do when a Service is made or changed in these fields, not when the cluster is."""
    stored = {
        "type": "ClusterIP",
        "selector": {"a": "b"},
        "clusterIP": "10.96.7.7",
        "clusterIPs": ["10.96.7.7"],
        "ipFamilies": ["IPv4"],
        "ipFamilyPolicy": PREFER,
    }
    same: Json = copy.deepcopy(stored)
    assert settle(same, stored, BOTH) == []
    assert same == stored
    changed: Json = {**copy.deepcopy(stored), "ipFamilyPolicy": REQUIRE}
    assert settle(changed, stored, BOTH) == []
    assert changed["ipFamilies"] == BOTH
    # … and single again
    dual = {**stored, "clusterIPs": ["10.96.7.7", "fd00:10:96::77"], "ipFamilies": BOTH}
    same = copy.deepcopy(dual)
    assert settle(same, dual, ["IPv4"]) == []
    assert same == dual


async def test_second_addresses_stay_taken_over_a_restart(tmp_path: Path) -> None:
    store = SqliteStore(str(tmp_path / "state.db"))
    registry = Registry(store)
    await registry.open()
    obj = service("x", clusterIP="10.96.7.7", clusterIPs=["10.96.7.7", "fd00:10:96::77"], ipFamilyPolicy=PREFER)
    obj["metadata"]["namespace"] = "default"
    allocators = Allocators(registry.cache, CLUSTERS["46"], (30000, 32767))
    allocators.settle(SERVICES, obj, None)
    allocators.claim(SERVICES, obj, None).release()
    await registry.create(SERVICES, obj)
    await registry.close()
    again = Registry(SqliteStore(str(tmp_path / "state.db")))
    await again.open()
    allocators = Allocators(again.cache, CLUSTERS["46"], (30000, 32767))
    other = service("y", clusterIP="fd00:10:96::77")
    other["metadata"]["namespace"] = "default"
    other["spec"]["clusterIPs"] = ["fd00:10:96::77"]
    allocators.settle(SERVICES, other, None)
    with pytest.raises(ApiError, match="provided IP is already allocated"):
        allocators.claim(SERVICES, other, None)
    await again.close()


@pytest.mark.parametrize("ranges", [(), (IPV4, "10.0.0.0/16"), (IPV4, IPV6, "fd00::/112")])
def test_a_cluster_has_one_range_or_one_of_each_family(ranges: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="service-cluster-ip-range"):
        Allocators(WatchCache(), ranges, (30000, 32767))
