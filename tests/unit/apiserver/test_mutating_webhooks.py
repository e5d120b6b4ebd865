"""Mutating admission webhooks: what they change of an object, and what becomes of that."""

from typing import Any

from tests.unit.apiserver.requests import CORE, MERGE, Api, config_map, pod
from tests.unit.apiserver.webhooks import (
    CONFIG_MAPS,
    MUTATING,
    VALIDATING,
    Webhook,
    add,
    configuration,
    patch,
)

Json = dict[str, Any]

MAPS = f"{CORE}/configmaps"
PODS = {**CONFIG_MAPS, "resources": ["pods"]}


def mutating(hook: Webhook, *rules: Json, **more: Any) -> Json:
    return configuration(hook.client, *rules, kind="Mutating", **more)


async def test_a_patch_changes_what_is_stored(api: Api, hook: Webhook) -> None:
    made = await api.create(MUTATING, mutating(hook))
    assert made["webhooks"][0]["reinvocationPolicy"] == "Never"
    hook.answer = lambda _: patch(add("/data", {"a": "1"}), add("/metadata/labels", {"b": "2"}))
    await api.create(MAPS, config_map())
    found = await api.get(f"{MAPS}/x")
    assert (found["data"], found["metadata"]["labels"]) == ({"a": "1"}, {"b": "2"})
    hook.answer = lambda request: patch(add("/data/old", str(request["oldObject"]["data"]["a"])))
    (await api("PATCH", f"{MAPS}/x", {"data": {"a": "3"}}, MERGE)).ok()
    assert (await api.get(f"{MAPS}/x"))["data"] == {"a": "3", "old": "1"}


async def test_what_a_webhook_adds_gets_defaults_and_our_own_admission(api: Api, hook: Webhook) -> None:
    await api.create(MUTATING, mutating(hook, PODS))
    hook.answer = lambda _: patch(add("/spec/containers/-", {"name": "sidecar", "image": "envoy"}))
    found = await api.create(f"{CORE}/pods", pod())
    sidecar = found["spec"]["containers"][1]
    assert sidecar["terminationMessagePath"] == "/dev/termination-log"
    assert sidecar["volumeMounts"][0]["mountPath"] == "/var/run/secrets/kubernetes.io/serviceaccount"


async def test_what_a_webhook_breaks_is_refused(api: Api, hook: Webhook) -> None:
    await api.create(MUTATING, mutating(hook, PODS))
    hook.answer = lambda _: patch(add("/spec/containers/0/name", "No Name"))
    assert (await api("POST", f"{CORE}/pods", pod())).failed(422, "Invalid")
    hook.answer = lambda _: patch({"op": "remove", "path": "/spec/nothing"})
    assert (await api("POST", f"{CORE}/pods", pod())).failed(500, "InternalError")
    hook.answer = lambda _: patch(add("/metadata/name", "other"))
    assert (await api("POST", f"{CORE}/pods", pod())).failed(500, "InternalError")


async def test_webhooks_see_each_others_changes_in_the_order_of_their_names_and_validators_see_all(
    api: Api, hook: Webhook
) -> None:
    def counted(request: Json) -> Json:
        seen = request["object"].get("data", {}).get("seen", "")
        return patch(add("/data", {"seen": seen + "i"}))

    for name in ("b", "a"):
        await api.create(MUTATING, mutating(hook, name=name))
    hook.answer = counted
    found = await api.create(MAPS, config_map())
    assert found["data"] == {"seen": "ii"}
    await api.create(VALIDATING, configuration(hook.client, name="c"))
    hook.answer = lambda request: counted(request) if len(hook.reviews) < 5 else {"allowed": True}
    await api.create(MAPS, config_map("y"))
    assert hook.requests[-1]["object"]["data"] == {"seen": "ii"}


async def test_one_that_wants_to_see_later_changes_is_asked_once_more(api: Api, hook: Webhook) -> None:
    await api.create(MUTATING, mutating(hook, name="a", reinvocationPolicy="IfNeeded"))
    await api.create(MUTATING, mutating(hook, name="b"))
    hook.answer = lambda request: patch(add("/data", {"n": request["object"].get("data", {}).get("n", "") + "i"}))
    assert (await api.create(MAPS, config_map()))["data"] == {"n": "iii"}
    assert len(hook.reviews) == 3


async def test_a_validating_webhook_may_not_change_anything(api: Api, hook: Webhook) -> None:
    await api.create(VALIDATING, configuration(hook.client))
    hook.answer = lambda _: patch(add("/data", {}))
    answer = await api("POST", MAPS, config_map())
    assert answer.message.endswith("validating webhook response may not contain a patch")


async def test_a_patch_says_that_it_is_one(api: Api, hook: Webhook) -> None:
    await api.create(MUTATING, mutating(hook))
    hook.answer = lambda _: {"allowed": True, "patch": "W10="}
    answer = await api("POST", MAPS, config_map())
    assert answer.message.endswith("webhook returned response.patch but not response.patchType")


async def test_what_changed_while_a_webhook_thought_is_judged_again(api: Api, hook: Webhook) -> None:
    await api.create(MAPS, config_map(data={"a": "1"}))
    await api.create(VALIDATING, configuration(hook.client))
    other = config_map(data={"a": "other"})

    async def replaced() -> None:
        (await api("PUT", f"{MAPS}/x", other)).ok()

    hook.meanwhile = replaced
    (await api("PATCH", f"{MAPS}/x", {"data": {"b": "2"}}, MERGE)).ok()
    assert (await api.get(f"{MAPS}/x"))["data"] == {"a": "other", "b": "2"}
