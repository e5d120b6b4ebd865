"""Services are made, changed and deleted at random in a cluster of both families: what is true of addresses stays true,
whatever is refused on the way."""

import asyncio
import tempfile
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.api_server import IPV4, IPV6
from tests.unit.apiserver.requests import CORE, MERGE, Api, service, serving

Json = dict[str, Any]

NAMES = ("a", "b", "c")
ADDRESSES = ("10.96.7.1", "10.96.7.2", "fd00:10:96::11", "fd00:10:96::12", "10.1.1.1", "fd01::1")
POLICIES = ("SingleStack", "PreferDualStack", "RequireDualStack")
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "ipFamilyPolicy": st.sampled_from([*POLICIES, None, "Other"]),
        "ipFamilies": st.one_of(st.none(), st.lists(st.sampled_from(["IPv4", "IPv6"]), max_size=3)),
        "clusterIPs": st.one_of(st.none(), st.lists(st.sampled_from([*ADDRESSES, "None", ""]), max_size=3)),
        "clusterIP": st.sampled_from([*ADDRESSES, "None", "", None]),
        "type": st.sampled_from(["ClusterIP", "NodePort", "ExternalName"]),
        "externalName": st.just("a.example"),
        "selector": st.sampled_from([{"a": "b"}, None]),
    },
)
STEPS = st.lists(
    st.tuples(st.sampled_from(["create", "patch", "patch", "put", "delete"]), st.sampled_from(NAMES), FIELDS),
    max_size=12,
)


@given(STEPS)
@settings(max_examples=25)
def test_whatever_is_asked_for(steps: list[tuple[str, str, Json]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_play(Path(folder), steps))


async def _play(folder: Path, steps: list[tuple[str, str, Json]]) -> None:
    async with serving(folder, (IPV4, IPV6)) as api:
        before = await _services(api)
        for verb, name, fields in steps:
            await _step(api, verb, name, fields)
            now = await _services(api)
            _hold(now)
            for key in before.keys() & now.keys():
                _first_stays(before[key], now[key])
            before = now
        for name in NAMES:
            await api("DELETE", f"{CORE}/services/{name}")
        taken = service(
            "last", clusterIP=ADDRESSES[0], clusterIPs=[ADDRESSES[0], ADDRESSES[2]], ipFamilyPolicy=POLICIES[1]
        )
        (await api("POST", f"{CORE}/services", taken)).ok()


async def _step(api: Api, verb: str, name: str, fields: Json) -> None:
    path = f"{CORE}/services/{name}"
    match verb:
        case "create":
            answer = await api("POST", f"{CORE}/services", service(name, **fields))
        case "patch":
            answer = await api("PATCH", path, {"spec": fields}, MERGE)
        case "put":
            answer = await api("PUT", path, service(name, **fields))
        case _:
            answer = await api("DELETE", path)
    assert answer.code in (200, 201, 404, 409, 422), answer.body


async def _services(api: Api) -> dict[str, Json]:
    items = (await api.get(f"{CORE}/services"))["items"]
    return {each["metadata"]["name"]: each["spec"] for each in items if each["metadata"]["name"] != "kubernetes"}


def _hold(services: dict[str, Json]) -> None:
    held: list[str] = []
    for spec in services.values():
        fields = {"clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"} & spec.keys()
        if spec["type"] == "ExternalName":
            assert not fields
            continue
        families = spec["ipFamilies"]
        assert families in (["IPv4"], ["IPv6"], ["IPv4", "IPv6"], ["IPv6", "IPv4"])
        assert spec["ipFamilyPolicy"] in POLICIES
        assert (spec["ipFamilyPolicy"] == "SingleStack") == (len(families) == 1)
        assert spec["clusterIP"] == spec["clusterIPs"][0]
        if spec["clusterIP"] == "None":
            assert spec["clusterIPs"] == ["None"]
            continue
        assert [f"IPv{ip_address(each).version}" for each in spec["clusterIPs"]] == families
        assert all(any(ip_address(each) in ip_network(cidr) for cidr in (IPV4, IPV6)) for each in spec["clusterIPs"])
        held += spec["clusterIPs"]
    assert len(set(held)) == len(held), "an address has one owner"


def _first_stays(before: Json, now: Json) -> None:
    if "ExternalName" in (before["type"], now["type"]) or "None" in (before["clusterIP"], now["clusterIP"]):
        return
    assert now["clusterIP"] == before["clusterIP"]
    assert now["ipFamilies"][0] == before["ipFamilies"][0]
